"""What the paper's network takes on a GPU: an epoch by batch size, precision and path, and many trials on one card.

On images of noise, of FER2013's size: what they show does not change the time. TensorFlow or JAX, by KERAS_BACKEND.

    KERAS_BACKEND=jax python -m benchmarks.gpu                     # minutes on an H100
    python -m benchmarks.gpu --width 0.125 --images 640 --batch 64 --trials 1 2 --seconds 5     # tried on a CPU
    python -m benchmarks.gpu --parts processes --trials 8          # one part of it
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

PARTS = ("processes", "epochs", "trial", "vectorised")
EPOCHS = 60  # of a full training
GOAL_SECONDS, GOAL_GAIN = 30, 4
PRECISIONS = ("float32", "mixed_bfloat16")
READY = "ready"
SIZES = {"float32": 4, "bfloat16": 2}  # bytes of a value


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=28_709, help="training images (default: FER2013's)")
    parser.add_argument("--width", type=float, default=1.0, help="of the network (default: the paper's)")
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 256, 1024], help="images a step")
    parser.add_argument(
        "--precision", default="float32", choices=PRECISIONS, help="of trials; epochs are timed in both"
    )
    parser.add_argument("--trials", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="processes at a time")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 4, 8], help="trainings in one vectorised program")
    parser.add_argument("--seconds", type=float, default=20, help="how long trials run side by side")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="what to measure (default: all)")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="where the figures go (default: gpu.json)")
    parser.add_argument("--one", type=float, metavar="SHARE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        _one_of_many(options)
        return
    found: dict[str, Any] = {"backend": os.environ.get("KERAS_BACKEND", "tensorflow"), **vars(options)}
    found["out"] = str(options.out)
    measures = {"processes": _packed, "epochs": _epochs, "trial": _trial, "vectorised": _vectorised}
    for part in PARTS:  # trials side by side first: a process that holds the card's memory would leave them none
        if part in options.parts:
            found[part] = measures[part](options)
            options.out.write_text(json.dumps(found, indent=2) + "\n")
    found["goals"] = _goals(options, found)
    options.out.write_text(json.dumps(found, indent=2) + "\n")


def _goals(options: argparse.Namespace, found: dict[str, Any]) -> dict[str, float]:
    """The figures that have goals, of the parts that were measured."""
    goals = {}
    if "epochs" in found:
        rows = [row for row in found["epochs"]["rows"] if row["batch"] == options.batch[0]]
        goals["seconds of a full training"] = alone = EPOCHS * min(row["seconds"] for row in rows)
        print(
            f"a training of {EPOCHS} epochs at batch {options.batch[0]}: {alone:.1f} s (goal: under {GOAL_SECONDS})"
        )
    if "processes" in found:
        packed = max([*found["processes"].values(), *found.get("vectorised", {}).values()])
        goals["gain of the best packing"] = gain = packed / found["processes"][min(options.trials)]
        print(f"best packing: {gain:.1f} times {min(options.trials)} at a time (goal: {GOAL_GAIN})")
    return goals


def _say(what: str, value: float, unit: str) -> float:
    print(f"{what}: {value:,.1f} {unit}", flush=True)
    return value


def _config(options: argparse.Namespace, batch: int, precision: str) -> Any:
    from fer_core.config import TrialConfig

    settings = {"model.width": options.width, "model.se_placement": "block", "train.batch_size": batch}
    return TrialConfig.from_flat({**settings, "train.precision": precision})


def _noise(count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (count, 48, 48, 1), np.uint8), random.integers(0, 7, count)
    return images, np.eye(7, dtype=np.float32)[labels]


def _epochs(options: argparse.Namespace) -> dict[str, Any]:
    """The seconds of a training epoch by batch size, precision and path, and its shares of what the card can do."""
    from fer_core import compiled
    from fer_core.passes import Examples

    device, peak, bandwidth = _device()
    print(f"{device}: {peak['float32']:.1f} and {peak['bfloat16']:.1f} TFLOP/s in products of float32 and")
    print(f"bfloat16, {bandwidth:.2f} TB/s, all measured here")
    images, labels = _noise(options.images)
    order, rows = np.random.default_rng(1).permutation(options.images), []
    for batch in options.batch:
        for precision in PRECISIONS:
            compiled.forget()
            network = compiled.take(_config(options, batch, precision), 0)
            examples = Examples.on_device(images, labels)
            paths: dict[str, Callable[[], object]] = {
                "one call": lambda: network.train(examples, order, batch)  # noqa: B023  # called at once
            }
            if batch == options.batch[0]:
                paths["fit"] = lambda: network.model.fit(images, labels, batch_size=batch, verbose=0)  # noqa: B023
            for path, epoch in paths.items():
                seconds, first = _median(epoch)
                kind, rate = precision.removeprefix("mixed_"), options.images / seconds / 1e12
                arithmetic = rate * training_flops(network.model) / peak[kind]
                memory = rate * training_bytes(network.model, batch, SIZES[kind]) / bandwidth
                shares = {"arithmetic": arithmetic, "bandwidth": memory, "first": first}
                rows.append({"batch": batch, "precision": precision, "path": path, "seconds": seconds, **shares})
                _say(f"batch {batch}, {precision}, {path}: an epoch", seconds, "s")
                print(
                    f"    {arithmetic:.0%} of the arithmetic, {memory:.0%} of the bandwidth; the first {first:.1f} s"
                )
    return {"device": device, "tflops": peak, "tb_per_s": bandwidth, "rows": rows}


def _trial(options: argparse.Namespace) -> dict[str, float]:
    """The seconds of an epoch's parts in a study's trial: training with validation, and the checkpoint."""
    from fer_core.data.protocols import Learning
    from fer_core.training import Training

    (images, labels), (others, theirs) = _noise(options.images), _noise(max(options.images // 8, 64))
    learning = Learning(images[..., 0], labels.argmax(1), others[..., 0], theirs.argmax(1))
    training = Training(_config(options, options.batch[0], options.precision), 0, learning)
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "epoch": _median(training.run_epoch)[0],
            "checkpoint": _median(lambda: training.save(Path(folder, "checkpoint.npz")))[0],
        }
    for what, seconds in found.items():
        _say(f"a trial's {what}", seconds, "s")
    return found


def training_flops(model: Any) -> float:
    """Multiplications and additions for an image, forwards and, twice as many, backwards: products alone."""
    total = 0.0
    for layer in model.layers:
        if layer.__class__.__name__ in ("Conv2D", "Dense"):
            positions = int(np.prod(layer.output.shape[1:-1]))
            total += 2.0 * int(np.prod(layer.kernel.shape)) * positions
    return 3 * total


def training_bytes(model: Any, batch: int, size: int) -> float:
    """What goes through memory for an image if no two layers are fused, its values of `size` bytes.

    Every layer reads its input and writes its output; backwards it reads both gradient and input and writes the
    input's gradient. Adam reads a weight, its gradient and two moments in float32 once a batch, and writes three.
    """
    values = 0
    for layer in model.layers:
        inputs = [layer.input] if not isinstance(layer.input, list) else layer.input
        read = sum(int(np.prod(tensor.shape[1:])) for tensor in inputs)
        values += 3 * read + 2 * int(np.prod(layer.output.shape[1:]))
    return size * values + 7 * 4 * model.count_params() / batch


def _median(action: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """Seconds: the median of some times, and the first time before them, which compiles."""
    found = []
    for _ in range(1 + times):
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
    return float(np.median(found[1:])), found[0]


def _device() -> tuple[str, dict[str, float], float]:
    """The device's name, its TFLOP/s in large products by type, and its TB/s in a copy, as measured."""
    from keras import ops

    on_cpu = "cpu" in _name().lower()
    side, length, times = (1024, 1 << 24, 2) if on_cpu else (8192, 1 << 29, 20)

    def rate(work: float, function: Callable[[Any], Any], given: Any) -> float:
        run = _compiled(function)

        def repeatedly() -> None:
            value = given
            for _ in range(times):
                value = run(value)
            float(ops.sum(value[:1]))  # waits for all of them

        return times * work / _median(repeatedly)[0] / 1e12

    values = np.random.default_rng(0).normal(size=(side, side)) / side**0.5  # a product is as large as its factor
    square = {kind: ops.convert_to_tensor(values, kind) for kind in ("float32", "bfloat16")}
    peak = {kind: rate(2.0 * side**3, partial(ops.matmul, value), value) for kind, value in square.items()}
    vector = ops.ones((length,), "float32")
    return _name(), peak, rate(8.0 * length, lambda x: x + 1, vector)


def _name() -> str:
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "cpu"


def _compiled(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function)


def _packed(options: argparse.Namespace) -> dict[int, float]:
    return {n: _say(f"{n} processes", _processes(options, n), "trials/h") for n in options.trials}


def _processes(options: argparse.Namespace, count: int) -> float:
    """Full trainings an hour with `count` processes on the card, once all have compiled."""
    command = [
        sys.executable, "-m", "benchmarks.gpu", "--images", str(options.images), "--width", str(options.width),
        "--batch", str(options.batch[0]), "--seconds", str(options.seconds), "--precision", options.precision,
        "--one", str(1 / count),
    ]  # fmt: skip
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(count)]
    for process in running:
        assert process.stdout is not None
        if process.stdout.readline().strip() != READY:
            raise SystemExit("a process ended before it was ready: fewer at a time, or a smaller network.")
    for process in running:
        assert process.stdin is not None
        print(file=process.stdin, flush=True)
    rates = [float(process.communicate()[0].splitlines()[-1]) for process in running]
    return sum(rates) * 3600 / EPOCHS


def _one_of_many(options: argparse.Namespace) -> None:
    """Compile, say so, wait for a line, and print the epochs a second of one training over `--seconds`."""
    from fer_core import device_memory

    device_memory.limit(options.one)  # before the backend is imported, as in a study

    from fer_core import compiled
    from fer_core.passes import Examples

    network = compiled.take(_config(options, options.batch[0], options.precision), 0)
    examples = Examples.on_device(*_noise(options.images))
    order = np.arange(options.images)
    network.train(examples, order, options.batch[0])
    print(READY, flush=True)
    sys.stdin.readline()
    begun, epochs = time.perf_counter(), 0
    while time.perf_counter() - begun < options.seconds:
        network.train(examples, order, options.batch[0])
        epochs += 1
    print(epochs / (time.perf_counter() - begun))


def _vectorised(options: argparse.Namespace) -> dict[int, float]:
    if os.environ.get("KERAS_BACKEND") != "jax":
        return {}
    return {n: _say(f"{n} under vmap", _together(options, n), "trials/h") for n in options.seeds}


def _together(options: argparse.Namespace, count: int) -> float:
    """Full trainings an hour of `count` seeds of one configuration, trained together in one program."""
    import jax

    from fer_core import compiled
    from fer_core.loops_jax import scanned, training_step, variables
    from fer_core.passes import Examples

    batch = options.batch[0]
    states = []
    for seed in range(count):
        network = compiled.take(_config(options, batch, options.precision), seed)
        states.append([[np.asarray(variable) for variable in group] for group in variables(network.model)])
        compiled.give_back(network, _config(options, batch, options.precision))
    state = jax.tree.map(lambda *values: jax.numpy.stack(values), *states)
    examples = Examples.on_device(*_noise(options.images))
    steps = options.images // batch
    orders = [np.random.default_rng(seed).permutation(options.images)[: steps * batch] for seed in range(count)]
    batches = np.stack(orders).reshape(count, steps, batch).transpose(1, 0, 2).astype(np.int32)
    together = scanned(jax.vmap(training_step(network.model), in_axes=(0, None, 0)))

    def epoch() -> None:
        nonlocal state
        state, _ = jax.block_until_ready(together(state, examples, batches))

    return count * 3600 / _median(epoch)[0] / EPOCHS


if __name__ == "__main__":
    main()
