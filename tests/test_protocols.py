"""Which images train, choose and are tested."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.data.dataset import PRIVATE_TEST, PUBLIC_TEST, TEST, TRAINING, Dataset
from fer_core.data.protocols import default_protocol, split, stratified
from fer_core.errors import InputError


def numbered(*usages: int) -> Dataset:
    """A data set in which the image at row i has every pixel at i, and class i modulo 7."""
    rows = np.arange(len(usages), dtype=np.uint8)
    return Dataset("rows", np.tile(rows[:, None, None], (1, 48, 48)), rows % 7, np.array(usages, np.uint8))


def rows(images: np.ndarray) -> list[int]:
    return images[:, 0, 0].tolist()


CHALLENGE = numbered(TRAINING, PUBLIC_TEST, PRIVATE_TEST, TRAINING, PRIVATE_TEST, PUBLIC_TEST)


def test_challenge_chooses_on_public_and_tests_on_private_images() -> None:
    learning, testing = split(CHALLENGE, "challenge")
    assert rows(learning.train_images) == [0, 3]
    assert rows(learning.val_images) == [1, 5]
    assert rows(testing.images) == testing.rows.tolist() == [2, 4]


def test_paper_chooses_on_the_images_it_tests() -> None:
    learning, testing = split(CHALLENGE, "paper")
    assert rows(learning.train_images) == [0, 3]
    assert rows(learning.val_images) == rows(testing.images) == [1, 2, 4, 5]


def test_holdout_chooses_on_training_images_of_every_class() -> None:
    data = numbered(*[TRAINING] * 140, *[TEST] * 7)
    learning, testing = split(data, "holdout")
    assert not set(rows(learning.train_images)) & set(rows(learning.val_images))
    assert sorted(rows(learning.train_images) + rows(learning.val_images)) == list(range(140))
    assert np.bincount(learning.val_labels).tolist() == [2] * 7
    assert rows(testing.images) == list(range(140, 147))


def test_holdout_takes_the_test_images_from_training_where_there_are_none() -> None:
    learning, testing = split(numbered(*[TRAINING] * 140), "holdout")
    parts = [rows(learning.train_images), rows(learning.val_images), rows(testing.images)]
    assert [len(part) for part in parts] == [112, 14, 14]
    assert sorted(parts[0] + parts[1] + parts[2]) == list(range(140))
    assert testing.distinct.all()


def test_a_test_image_with_a_twin_in_training_is_marked() -> None:
    images = CHALLENGE.images.copy()
    images[4] = images[0]
    _, testing = split(Dataset("twins", images, CHALLENGE.labels, CHALLENGE.usages), "challenge")
    assert testing.distinct.tolist() == [True, False]


def test_a_protocol_without_images_is_refused_with_one_that_has_some() -> None:
    with pytest.raises(InputError, match=r"no validation images.*Try --protocol holdout"):
        split(numbered(TRAINING, TEST), "challenge")


def test_the_default_is_the_challenge_where_its_marks_are() -> None:
    assert default_protocol(CHALLENGE) == "challenge"
    assert default_protocol(numbered(TRAINING, TEST)) == "holdout"


@given(st.lists(st.integers(0, 6), min_size=1, max_size=300), st.data())
def test_a_stratified_part_keeps_every_share_to_within_one_image(labels: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(labels)))
    chosen = stratified(np.array(labels), count)
    assert len(set(chosen.tolist())) == len(chosen) == count
    exact = np.bincount(labels, minlength=7) * count / len(labels)
    got = np.bincount(np.array(labels)[chosen], minlength=7)
    assert (abs(got - exact) < 1).all()
