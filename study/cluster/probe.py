"""What a trial needs of a GPU's memory, measured on one: a batch of training and one of validation of its network."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fer_core import device_memory
from fer_core.config import LAST, MONITOR, TrialConfig
from fer_core.data.dataset import PRIVATE_TEST, PUBLIC_TEST, TRAINING
from fer_core.features import Features
from study.carried import Carried
from study.cluster.sharing import Need

if TYPE_CHECKING:
    from fer_core.data.protocols import Learning


def measure(config: TrialConfig, network: Carried | None = None, features: Features | None = None) -> Need | None:
    """In a process of its own, which sees one GPU; None where it sees none. network: the user's own, if any.
    features: what that takes instead of images.
    """
    from fer_core.training import Training

    total = device_memory.total()
    if total is None:
        return None
    own = None if network is None else network.unpack()
    every = config.override({"data.train_images": None, "data.val_images": None, MONITOR: LAST})
    Training(every, 0, batches(config, features), network=own).run_epoch()
    peak = device_memory.peak()
    return None if peak is None else Need(peak, device_memory.CONTEXT, total)


def batches(config: TrialConfig, features: Features | None = None) -> "Learning":
    """Two batches to train on and one to validate, of drawn faces or of such features."""
    from fer_core.data.protocols import split
    from fer_core.data.synthetic import synthetic_faces, with_votes
    from fer_core.passes import BATCH

    counts = {TRAINING: 2 * config.train.batch_size, PUBLIC_TEST: BATCH, PRIVATE_TEST: BATCH}
    faces = with_votes(synthetic_faces(counts, form=config.data.form))
    if features is not None:  # any numbers will do
        faces = replace(faces, images=np.zeros((len(faces.labels), *features.shape), features.as_taken))
    learning, _ = split(faces, "challenge")
    return learning
