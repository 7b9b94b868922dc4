"""What a trial needs of a GPU's memory, measured on one: a batch of training and one of validation of its network."""

from fer_core import device_memory
from fer_core.config import TrialConfig
from fer_core.data.dataset import PRIVATE_TEST, PUBLIC_TEST, TRAINING
from study.carried import Carried
from study.sharing import Need


def measure(config: TrialConfig, network: Carried | None = None) -> Need | None:
    """In a process of its own, which sees one GPU; None where it sees none. network: the user's own, if any."""
    from fer_core.data.protocols import split
    from fer_core.data.synthetic import synthetic_faces, with_votes
    from fer_core.passes import BATCH
    from fer_core.training import Training

    total = device_memory.total()
    if total is None:
        return None
    counts = {TRAINING: 2 * config.train.batch_size, PUBLIC_TEST: BATCH, PRIVATE_TEST: BATCH}
    learning, _ = split(with_votes(synthetic_faces(counts, form=config.data.form)), "challenge")
    own = None if network is None else network.unpack()
    every = config.override({"data.train_images": None, "data.val_images": None})
    Training(every, 0, learning, network=own).run_epoch()
    peak = device_memory.peak()
    return None if peak is None else Need(peak, device_memory.CONTEXT, total)
