"""Folders on object stores, by Arrow's file systems: `s3://BUCKET/PATH`, `gs://BUCKET/PATH` and the like.

Options follow a question mark, as Arrow's `FileSystem.from_uri` takes them; keys are found where the stores' own
tools find them.
"""

from contextlib import suppress
from pathlib import Path

from pyarrow import ArrowException, fs

from fer_core.errors import InputError


def below(uri: str, name: str) -> str:
    """The URI of `name` in the folder at `uri`."""
    path, mark, options = uri.partition("?")
    return f"{path.rstrip('/')}/{name}{mark}{options}"


class ObjectStore:
    """The folder at `uri`. An object is written whole or not at all.

    Raises InputError if Arrow knows no such store; later OSError where the store does not answer or refuses.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        try:
            self.file_system, root = fs.FileSystem.from_uri(uri)
        except (ArrowException, ValueError, OSError) as problem:
            reason = str(problem).splitlines()[0]
            raise InputError(f"{uri}: not a place that Arrow can reach ({reason}).") from None
        self.root = root.rstrip("/")
        if not self.root:
            raise InputError(f"{uri}: names no bucket. Expected such as s3://BUCKET/PATH.")

    def fetch(self, name: str, path: Path) -> bool:
        """Copy the object into the file `path`. False, and no file, where there is none."""
        content = self.read(name)
        if content is None:
            path.unlink(missing_ok=True)
            return False
        partial = path.with_name(f"{path.name}.partial")
        partial.write_bytes(content)
        partial.replace(path)
        return True

    def has(self, name: str) -> bool:
        return self.file_system.get_file_info(self._path(name)).type == fs.FileType.File

    def written(self, prefix: str) -> dict[str, float]:
        """When each object was written whose name begins so, directly in the folder: seconds by the store's clock."""
        found = self.file_system.get_file_info(fs.FileSelector(self.root, allow_not_found=True))
        return {
            info.base_name: info.mtime_ns / 1e9
            for info in found
            if info.is_file and info.base_name.startswith(prefix)
        }

    def read(self, name: str) -> bytes | None:
        try:
            with self.file_system.open_input_stream(self._path(name)) as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def put(self, content: bytes, name: str) -> None:
        with self.file_system.open_output_stream(self._path(name)) as stream:
            stream.write(content)

    def delete(self, name: str) -> None:
        """The object, if there is one."""
        with suppress(FileNotFoundError):
            self.file_system.delete_file(self._path(name))

    def delete_folder(self, folder: str) -> None:
        """The folder with all that is in it, if it is there."""
        if self.file_system.get_file_info(self._path(folder)).type == fs.FileType.Directory:
            self.file_system.delete_dir(self._path(folder))

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"
