"""A training: the same numbers every time, also after an interruption, and the paper's three callbacks."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_core import compiled
from fer_core.class_weights import class_weights
from fer_core.config import TrialConfig
from fer_core.data import protocols
from fer_core.data.protocols import Learning, split
from fer_core.data.synthetic import synthetic_faces
from fer_core.training import Epoch, Training, train
from tests.conftest import ROOT

Parts = tuple[Learning, protocols.Testing]


def numbers(history: list[Epoch]) -> list[dict]:
    """The epochs without their durations, which no seed decides."""
    return [{k: v for k, v in vars(epoch).items() if k != "seconds"} for epoch in history]


@pytest.fixture(scope="module")
def undisturbed(narrow: TrialConfig, parts: Parts) -> Training:
    compiled.forget()
    return train(narrow, 5, parts[0])


def test_resumed_training_equals_uninterrupted_training(
    narrow: TrialConfig, parts: Parts, undisturbed: Training, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "trial.npz"
    for _ in range(2):
        interrupted = Training(narrow, 5, parts[0], checkpoint)
        interrupted.run_epoch()
        interrupted.save(checkpoint)
        compiled.forget()  # as in another process
    resumed = train(narrow, 5, parts[0], checkpoint)
    assert numbers(resumed.history) == numbers(undisturbed.history)
    for ours, theirs in zip(resumed.model.get_weights(), undisturbed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_pooled_network_trains_as_a_new_one(narrow: TrialConfig, parts: Parts, undisturbed: Training) -> None:
    other = Training(narrow.override({"augment.shift": 0.3, "train.learning_rate": 0.01}), 1, parts[0])
    other.run_epoch()
    pooled = other.model
    other.release()
    again = train(narrow, 5, parts[0])
    assert again.model is pooled
    assert numbers(again.history) == numbers(undisturbed.history)


def test_a_training_is_the_same_in_another_process_beside_others(undisturbed: Training, narrow: TrialConfig) -> None:
    script = (
        "import json, sys\n"
        "from fer_core.config import TrialConfig\n"
        "from fer_core.data.protocols import split\n"
        "from fer_core.data.synthetic import synthetic_faces\n"
        "from fer_core.training import train\n"
        "learning, _ = split(synthetic_faces({0: 320, 1: 64, 2: 64}), 'challenge')\n"
        "config = TrialConfig.from_flat(json.loads(sys.argv[1]))\n"
        "print(json.dumps([vars(epoch) for epoch in train(config, 5, learning).history]))\n"
    )
    command = [sys.executable, "-c", script, json.dumps(narrow.flat())]
    beside = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in beside:
        history = json.loads(process.communicate()[0].splitlines()[-1])
        assert numbers([Epoch(**epoch) for epoch in history]) == numbers(undisturbed.history)


@pytest.mark.parametrize(
    "change",
    [
        {"train.optimizer": "sgd", "train.learning_rate": 0.05},
        {"train.optimizer": "rmsprop"},
        {"train.weight_decay": 0.1},
        {"train.label_smoothing": 0.2},
        {"train.class_weights": "balanced"},
        {"train.class_weights": "sqrt"},
        {"augment.flip": True},
        {"train.schedule": "cosine"},
        {"model.se_squeeze": "max"},
        {"train.precision": "mixed_bfloat16"},
    ],
)
def test_every_setting_changes_the_training_and_is_resumed_bit_for_bit(
    change: dict, narrow: TrialConfig, parts: Parts, undisturbed: Training, tmp_path: Path
) -> None:
    config, checkpoint = narrow.override(change), tmp_path / "trial.npz"
    whole = Training(config, 5, parts[0])
    for _ in range(2):
        whole.run_epoch()
    assert whole.history[1].train_loss != undisturbed.history[1].train_loss
    whole.release()
    for _ in range(2):
        resumed = Training(config, 5, parts[0], checkpoint)
        resumed.run_epoch()
        resumed.save(checkpoint)
        resumed.release()
    assert numbers(resumed.history) == numbers(whole.history)


def test_weights_of_classes_share_the_loss() -> None:
    labels = np.repeat(np.arange(7), [40, 4, 40, 70, 50, 30, 50])
    counts = np.bincount(labels)
    assert class_weights("none", labels) is None
    balanced, sqrt = class_weights("balanced", labels), class_weights("sqrt", labels)
    assert balanced is not None
    assert sqrt is not None
    shares = balanced * counts
    assert shares == pytest.approx([len(labels) / 7] * 7)
    assert (sqrt * counts).sum() == pytest.approx(len(labels))
    assert sqrt[1] / sqrt[3] == pytest.approx(math.sqrt(70 / 4))


def test_the_recorded_loss_is_plain_cross_entropy_whatever_was_minimised(narrow: TrialConfig, parts: Parts) -> None:
    learning, testing = parts
    config = narrow.override({"train.label_smoothing": 0.3, "train.class_weights": "balanced", "train.epochs": 1})
    training = train(config, 5, learning)
    on_validation = replace(
        testing, images=learning.val_images, labels=learning.val_labels, distinct=np.zeros(64, bool)
    )
    assert training.history[0].val_loss == pytest.approx(training.test(on_validation).loss, rel=1e-4)


def test_weight_decay_leaves_shifts_and_scales_alone(narrow: TrialConfig) -> None:
    compiled.forget()
    model = compiled.take(narrow.override({"train.weight_decay": 0.1}), 0).model
    decaying = {v.path for v in model.trainable_variables if model.optimizer._use_weight_decay(v)}
    assert decaying == {v.path for v in model.trainable_variables if v.name == "kernel"}


def test_the_rate_falls_along_a_cosine(narrow: TrialConfig, parts: Parts) -> None:
    config = narrow.override({"train.schedule": "cosine", "train.learning_rate": 0.004})
    rates = [e.learning_rate for e in train(config, 0, parts[0]).history]
    assert rates == pytest.approx([0.004, 0.004 * (0.5 + math.sqrt(0.125)), 0.002, 0.004 * (0.5 - math.sqrt(0.125))])


def test_another_seed_gives_another_training(narrow: TrialConfig, parts: Parts, undisturbed: Training) -> None:
    first = Training(narrow, 6, parts[0]).run_epoch()
    assert first.train_loss != undisturbed.history[0].train_loss


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_damaged_checkpoint_is_as_good_as_none(
    keep: int, narrow: TrialConfig, parts: Parts, undisturbed: Training, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "trial.npz"
    Training(narrow, 5, parts[0]).save(checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    begun = Training(narrow, 5, parts[0], checkpoint)
    assert begun.history == []
    begun.run_epoch()
    assert numbers(begun.history) == numbers(undisturbed.history[:1])


def test_the_best_epoch_is_what_is_tested(narrow: TrialConfig, parts: Parts) -> None:
    learning, testing = parts
    on_validation = replace(
        testing, images=learning.val_images, labels=learning.val_labels, distinct=np.zeros(64, bool)
    )
    training = train(narrow, 5, learning)
    result = training.test(on_validation)
    assert result.accuracy == pytest.approx(training.best.val_accuracy)
    assert result.loss == pytest.approx(training.best.val_loss, rel=1e-4)
    assert math.isnan(result.accuracy_distinct)


@pytest.mark.parametrize("monitor", ["loss", "macro_f1", "balanced_accuracy", "last"])
def test_which_epoch_is_tested_is_a_setting(
    monitor: str, narrow: TrialConfig, parts: Parts, undisturbed: Training, tmp_path: Path
) -> None:
    """It changes no epoch, only which of them counts, and holds over a stop."""
    config, checkpoint = narrow.override({"train.monitor": monitor}), tmp_path / "trial.npz"
    begun = Training(config, 5, parts[0])
    begun.run_epoch()
    begun.run_epoch()
    begun.save(checkpoint)
    training = Training(config, 5, parts[0], checkpoint)
    answers = []
    while not training.finished:
        training.run_epoch()
        answers.append(training.answers(parts[1].images))
    assert numbers(training.history) == numbers(undisturbed.history)
    values = [getattr(e, f"val_{monitor}", e.epoch) for e in training.history]
    best = np.argmin(values) if monitor == "loss" else np.argmax(values)
    assert training.best.epoch == best + 1
    if best >= 2:  # after the stop
        np.testing.assert_array_equal(training.test(parts[1]).probabilities, answers[best - 2])
    else:
        assert not np.array_equal(training.test(parts[1]).probabilities, answers[-1])


@pytest.mark.parametrize("placement", ["none", "block", "conv"])
def test_a_kept_network_answers_as_it_did_when_it_was_kept(
    placement: str, narrow: TrialConfig, parts: Parts, tmp_path: Path
) -> None:
    """Whatever the training that it is loaded into has done."""
    config, (learning, testing) = narrow.override({"model.se_placement": placement}), parts
    training = train(config, 5, learning)
    tested = training.test(testing)
    training.save_network(tmp_path / "kept.keras")
    other = Training(config, 6, learning)
    other.run_epoch()
    other.load_network(tmp_path / "kept.keras")
    again = other.test(testing)
    np.testing.assert_array_equal(again.probabilities, tested.probabilities)
    assert (again.accuracy, again.loss) == (tested.accuracy, tested.loss)


STILL = {"train.learning_rate": 1e-8, "model.batch_norm": False, "model.dense_norm": False}


def test_training_stops_when_validation_accuracy_no_longer_rises(narrow: TrialConfig, parts: Parts) -> None:
    # So small a rate moves no prediction, and no moving averages do: the first epoch stays the best.
    still = narrow.override({**STILL, "train.epochs": 9, "train.stop_patience": 2})
    training = train(still, 0, parts[0])
    assert [e.epoch for e in training.history] == [1, 2, 3]
    with pytest.raises(RuntimeError, match="finished"):
        training.run_epoch()


def test_a_training_whose_last_epoch_is_tested_does_not_end_early(narrow: TrialConfig, parts: Parts) -> None:
    still = narrow.override({**STILL, "train.epochs": 4, "train.stop_patience": 1, "train.monitor": "last"})
    training = train(still, 0, parts[0])
    assert (len(training.history), training.best.epoch) == (4, 4)


def test_the_rate_drops_on_a_plateau(narrow: TrialConfig, parts: Parts) -> None:
    plateau = {"train.plateau_patience": 1, "train.plateau_factor": 0.5, "train.epochs": 3}
    still = narrow.override({**STILL, **plateau})
    rates = [e.learning_rate for e in train(still, 0, parts[0]).history]
    assert rates == pytest.approx([1e-8, 1e-8, 5e-9])


def test_a_training_whose_loss_is_not_finite_has_diverged(narrow: TrialConfig, parts: Parts) -> None:
    compiled.forget()
    training = Training(narrow, 0, parts[0])
    first = training.run_epoch()
    training.model.get_layer("probabilities").bias.assign(np.full(7, np.nan))
    training.run_epoch()
    assert training.diverged
    assert training.finished
    assert len(training.history) == 2
    assert training.best == first


def test_a_part_of_the_images_can_train(narrow: TrialConfig, parts: Parts) -> None:
    training = Training(narrow.override({"data.train_images": 64, "data.val_images": 32}), 0, parts[0])
    assert training._train.labels.shape == (64, 7)
    assert training._val.images.shape == (32, 48, 48, 1)


def test_a_small_network_learns_the_drawn_faces_but_not_to_perfection() -> None:
    learning, testing = split(synthetic_faces(), "challenge")
    config = TrialConfig.from_flat(
        {
            "model.width": 0.125,
            "model.se_placement": "none",
            "model.dropout": 0.0,
            "model.dense_dropout": 0.1,
            "model.batch_norm_momentum": 0.9,
            "train.batch_size": 32,
            "train.learning_rate": 0.001,
            "train.epochs": 8,
        }
    )
    assert 0.60 < train(config, 0, learning).test(testing).accuracy < 0.95
