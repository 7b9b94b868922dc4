"""The place that a name leads to: a path on a disk, or a URI of an object store."""

from pathlib import Path

from study.records.place import Place


def is_uri(name: str) -> bool:
    """Whether `name` lies on an object store, not on a disk."""
    return "://" in name


def find_place(name: str) -> Place:
    """The place that a path or a URI names, its records fetched. Raises InputError if it cannot be reached."""
    name = name.removeprefix("file://")  # which is no object store: folders must be made there
    if not is_uri(name):
        return Place(Path(name).resolve())  # workers have other working folders
    from study.records.store_place import StorePlace  # Arrow takes long to import

    place = StorePlace(name)
    place.fetch()
    return place
