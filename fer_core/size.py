"""How many numbers the network trains, by a closed formula: without building it."""

from fer_core.config import TrialConfig

BLOCKS = ((32, 64), (128, 128), (256, 256))  # filters of the convolutions; Figure 2: Conv1-32 to Conv5-256
POOLED = 2 ** len(BLOCKS)  # pixels of a side that become one by a pooling after every block
CLASSES = 7


def scaled(count: int, width: float) -> int:
    """`count` channels or units in a network of that width, at least one."""
    return max(1, round(count * width))


def parameters(config: TrialConfig, classes: int = CLASSES) -> int:
    """The trained parameters of the network that `config` describes; the paper's has 3,487,975."""
    model, (side, _, channels) = config.model, config.data.form.shape
    total = 0
    for block in BLOCKS:
        for position, full in enumerate(block, start=1):
            filters = scaled(full, model.width)
            total += model.kernel_size**2 * channels * filters + (2 if model.batch_norm else 1) * filters
            channels = filters
            last = position == len(block)
            if model.se_placement == "conv" or (model.se_placement == "block" and last):
                hidden = max(1, channels // model.se_reduction)
                total += 2 * channels * hidden + hidden + channels
    units = scaled(model.dense_units, model.width)
    total += (side // POOLED) ** 2 * channels * units + (2 if model.dense_norm else 1) * units
    return total + classes * units + classes
