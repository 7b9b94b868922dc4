"""Images that show one photograph are told from others, however it was cropped, brightened or mirrored."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fer_core.data.array_writer import write_arrays
from fer_core.data.audit import audit
from fer_core.data.audit_text import audit_text
from fer_core.data.dataset import PRIVATE_TEST, PUBLIC_TEST, TEST, TRAINING, Dataset
from fer_core.data.likeness import SAME_PHOTOGRAPH, likeness
from fer_core.data.photographs import comparisons, photographs, without_photographs
from fer_core.data.sheet import contact_sheet
from fer_core.data.sources import find_source, read
from fer_core.errors import InputError
from fer_core.form import Form
from tests.conftest import run_module

SIDE, BORDER = 48, 8


def scenes(count: int, seed: int = 0) -> np.ndarray:
    """Smooth random pictures that are larger than what is cut out of them, each another one."""
    drawn = np.random.default_rng(seed).integers(40, 180, (count, 18, 18), dtype=np.uint8)
    size = (SIDE + 2 * BORDER,) * 2
    return np.stack([np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BICUBIC)) for one in drawn])


def cut(pictures: np.ndarray, down: int = 0, right: int = 0) -> np.ndarray:
    return pictures[:, BORDER + down : BORDER + down + SIDE, BORDER + right : BORDER + right + SIDE]


SCENES = scenes(80)


@settings(deadline=None, max_examples=30)
@given(
    down=st.integers(-4, 4),
    right=st.integers(-4, 4),
    contrast=st.floats(0.4, 1.3),
    brightness=st.integers(-20, 20),
    mirrored=st.booleans(),
)
def test_a_photograph_is_found_again_in_another_crop_brightness_or_mirrored(
    down: int, right: int, contrast: float, brightness: int, mirrored: bool
) -> None:
    other = np.clip(cut(SCENES[:5], down, right) * contrast + brightness, 0, 255).astype(np.uint8)
    found = likeness(other[:, :, ::-1] if mirrored else other, cut(SCENES))
    assert (found.values > SAME_PHOTOGRAPH).all()
    assert found.others.tolist() == list(range(5))


def test_other_photographs_are_not_alike() -> None:
    found = likeness(cut(scenes(20, seed=1)), cut(SCENES))
    assert found.values.max() < SAME_PHOTOGRAPH
    assert found.values.min() > 0


def test_identical_images_are_alike_by_one_even_where_they_are_constant() -> None:
    others = np.concatenate([cut(SCENES[:3]), np.zeros((1, SIDE, SIDE), np.uint8)])
    found = likeness(others[::-1], others)
    assert found.values.tolist() == [1] * 4
    assert found.others.tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("side", [10, 20, 100])
@pytest.mark.parametrize("colour", [False, True])
def test_images_of_any_side_are_compared_in_grey_or_in_colour(side: int, colour: bool) -> None:
    def brought(images: np.ndarray) -> np.ndarray:
        grey = [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BOX)) for one in images]
        return np.stack([np.stack([one, one // 2, one], -1) if colour else one for one in grey])

    found = likeness(brought(cut(SCENES[:5], right=1)), brought(cut(SCENES)))
    assert found.others.tolist() == list(range(5))
    assert (found.values > SAME_PHOTOGRAPH).all()


def test_there_may_be_one_other_alone_and_whoever_waits_hears_of_every_comparison() -> None:
    heard: list[int] = []
    found = likeness(cut(SCENES[:3]), cut(SCENES[:1]), heard.append)
    assert found.others.tolist() == [0, 0, 0]
    assert sum(heard) == 3


@pytest.fixture(scope="module")
def repeated() -> Dataset:
    """Sixteen images that train, four that validate and four that are tested, in the order of the rows. Row 16 shows
    the photograph of row 0, moved, row 20 that of row 1, brightened, and row 21 is row 2 itself.
    """
    images = cut(SCENES[:24]).copy()
    images[16] = cut(SCENES[:1], down=2)[0]
    images[20] = images[1] // 2 + 60
    images[21] = images[2]
    labels = np.arange(24, dtype=np.uint8) % 7
    labels[[16, 20, 21]] = labels[0], labels[1] + 1, labels[2]
    usages = np.repeat([TRAINING, PUBLIC_TEST, PRIVATE_TEST], (16, 4, 4)).astype(np.uint8)
    return Dataset("repeated", images, labels, usages)


def test_photographs_in_two_parts_are_found_with_their_labels(repeated: Dataset) -> None:
    compared: list[int] = []
    found = photographs(repeated, compared.append)
    assert sum(compared) == comparisons(repeated) == 16 * 4 + 16 * 4 + 4 * 4
    rows = {pair: [(one.row, one.earlier, one.same_label) for one in ones] for pair, ones in found.items()}
    assert rows == {
        "Training -> PublicTest": [(16, 0, True)],
        "Training -> PrivateTest": [(20, 1, False), (21, 2, True)],
        "PublicTest -> PrivateTest": [],
    }
    text = audit_text(audit(repeated, photographs=found))
    assert (
        "  2 PrivateTest images show a photograph of Training: 1 pixel for pixel, 1 in another crop, size or "
        "brightness (1 of these with another label)\n"
    ) in text
    assert "photographs" not in audit_text(audit(repeated))
    sheets = [contact_sheet(repeated, audit(repeated, photographs=given)) for given in (None, found)]
    assert sheets[1].height > sheets[0].height


def test_in_data_of_one_part_there_is_nothing_to_compare(repeated: Dataset) -> None:
    one = replace(repeated, usages=np.zeros(24, np.uint8))
    assert photographs(one) == {}
    assert comparisons(one) == 0
    assert "photographs in two parts: there is one part." in audit_text(audit(one, photographs={}))


def test_a_copy_without_them_trains_on_no_photograph_that_chooses_or_is_tested(repeated: Dataset) -> None:
    images = repeated.images.copy()
    images[10:13] = [cut(SCENES[:1], right=shift)[0] for shift in (1, 2, 3)]  # of row 0, which row 16 shows, too
    left = without_photographs(replace(repeated, images=images))
    kept = [row for row in range(24) if row not in (0, 1, 2, 10, 11, 12)]
    assert (left.images == images[kept]).all()
    assert (left.labels == repeated.labels[kept]).all()
    assert (left.usages == repeated.usages[kept]).all()
    found = photographs(left)
    assert found["Training -> PublicTest"] == found["Training -> PrivateTest"] == []


def test_where_nothing_is_left_to_learn_from_that_is_said(repeated: Dataset) -> None:
    images = repeated.images.copy()
    images[:16] = images[20]
    with pytest.raises(InputError, match="repeated: every image of Training shows a photograph of another part"):
        without_photographs(replace(repeated, images=images))


def test_the_command_finds_photographs_where_it_is_asked_to(repeated: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "repeated.npz"
    write_arrays(repeated, path)
    told = run_module("fer_core.data", path, "--photographs", "--json")
    assert told.status == 0, told.err
    found = json.loads(told.out)["photographs"]
    assert [row[:2] for row in found["Training -> PrivateTest"]] == [[20, 1], [21, 2]]
    copied = tmp_path / "unseen.npz"
    told = run_module("fer_core.data", path, "--json", "--without-photographs", copied)
    assert json.loads(told.out)["photographs"] is None
    assert told.err.splitlines()[-1] == f"wrote {copied}, without 3 of 16 images of Training"
    assert len(read(find_source(str(copied))).labels) == 21
    refused = run_module("fer_core.data", path, "--without-photographs", path)
    assert (refused.status, "is the data itself" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("unseen.csv", "expected the name of a .npz file"), ("nowhere/unseen.npz", "there is no folder")],
)
def test_a_copy_that_cannot_be_written_is_refused_before_anything_is_read(
    name: str, complaint: str, tmp_path: Path
) -> None:
    told = run_module("fer_core.data", "synthetic", "--without-photographs", tmp_path / name)
    assert told.status == 2
    assert complaint in told.err
    assert told.out == ""


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("usages", [(TRAINING,), (TRAINING, TEST), (TRAINING, PUBLIC_TEST, PRIVATE_TEST)])
def test_what_is_written_as_arrays_is_read_as_it_was(
    colour: bool, usages: tuple[int, ...], tmp_path: Path, random: np.random.Generator
) -> None:
    count, classes = 4 * len(usages), ("cat", "dog", "newt")
    shares = random.dirichlet(np.ones(3), count).astype(np.float32)
    data = Dataset(
        "pets",
        random.integers(0, 256, (count, 12, 12, *((3,) if colour else ())), dtype=np.uint8),
        shares.argmax(axis=1).astype(np.uint8),
        np.repeat(usages, 4).astype(np.uint8),
        classes,
        np.array(["a", "a", "b", "b"] * len(usages)),
        shares if colour else None,
    )
    write_arrays(data, tmp_path / "pets.npz")
    back = read(find_source(str(tmp_path / "pets.npz"), subjects="person"), Form(12, colour))
    for part in ("images", "labels", "usages", "subjects"):
        assert (getattr(back, part) == getattr(data, part)).all(), part
    assert (back.name, back.classes) == (data.name, data.classes)
    if colour:
        np.testing.assert_allclose(back.distributions, shares, rtol=1e-6)
    assert list(tmp_path.iterdir()) == [tmp_path / "pets.npz"]
