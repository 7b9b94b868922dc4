"""What the paper's network takes on a GPU: an epoch by batch size, precision and path, and many trials on one card.

On images of noise, of FER2013's size: what they show does not change the time. TensorFlow or JAX, by KERAS_BACKEND.

    KERAS_BACKEND=jax python -m benchmarks.gpu                     # minutes on an H100
    python -m benchmarks.gpu --width 0.125 --images 640 --batch 64 --trials 1 2 --seconds 5     # tried on a CPU
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

EPOCHS = 60  # of a full training
GOAL_SECONDS, GOAL_GAIN = 30, 4
SIZES = {"float32": 4, "bfloat16": 2}  # bytes of a value


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=28_709, help="training images (default: FER2013's)")
    parser.add_argument("--width", type=float, default=1.0, help="of the network (default: the paper's)")
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 256, 1024], help="images a step")
    parser.add_argument("--trials", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="how many at a time")
    parser.add_argument("--seconds", type=float, default=20, help="how long trials run side by side")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="where the figures go (default: gpu.json)")
    parser.add_argument("--one", type=float, metavar="START", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(_epochs_until(options, options.one))
        return
    found: dict[str, Any] = {"backend": os.environ.get("KERAS_BACKEND", "tensorflow"), **vars(options)}
    found["out"] = str(options.out)
    # Trials side by side first: a process that holds the card's memory would leave them none.
    found["processes"] = {n: _say(f"{n} processes", _processes(options, n), "trials/h") for n in options.trials}
    found["device"], peak, bandwidth = _device()
    print(f"{found['device']}: {peak['float32']:.1f} and {peak['bfloat16']:.1f} TFLOP/s in products of float32 and")
    print(f"bfloat16, {bandwidth:.2f} TB/s, all measured here")
    found |= {"tflops": peak, "tb_per_s": bandwidth, "epochs": _epochs(options, peak, bandwidth)}
    if found["backend"] == "jax":
        found["vectorised"] = {
            n: _say(f"{n} under vmap", _vectorised(options, n), "trials/h") for n in options.trials
        }
    one = found["processes"][options.trials[0]]
    packed = max([*found["processes"].values(), *found.get("vectorised", {}).values()])
    alone = EPOCHS * min(row["seconds"] for row in found["epochs"] if row["batch"] == options.batch[0])
    found["goals"] = {"seconds of a full training": alone, "gain of the best packing": packed / one}
    print(f"a training of {EPOCHS} epochs at batch {options.batch[0]}: {alone:.1f} s (goal: under {GOAL_SECONDS})")
    print(f"best packing: {packed / one:.1f} times one at a time (goal: {GOAL_GAIN})")
    options.out.write_text(json.dumps(found, indent=2) + "\n")


def _say(what: str, value: float, unit: str) -> float:
    print(f"{what}: {value:,.1f} {unit}", flush=True)
    return value


def _config(options: argparse.Namespace, batch: int, precision: str = "float32") -> Any:
    from fer_core.config import TrialConfig

    settings = {"model.width": options.width, "model.se_placement": "block", "train.batch_size": batch}
    return TrialConfig.from_flat({**settings, "train.precision": precision})


def _noise(count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (count, 48, 48, 1), np.uint8), random.integers(0, 7, count)
    return images, np.eye(7, dtype=np.float32)[labels]


def _epochs(options: argparse.Namespace, peak: dict[str, float], bandwidth: float) -> list[dict[str, Any]]:
    """The seconds of a training epoch by batch size, precision and path, and its shares of what the card can do."""
    from fer_core import compiled
    from fer_core.passes import Examples

    images, labels = _noise(options.images)
    order, rows = np.random.default_rng(1).permutation(options.images), []
    for batch in options.batch:
        for precision in ("float32", "mixed_bfloat16"):
            compiled.forget()
            network = compiled.take(_config(options, batch, precision), 0)
            examples = Examples.on_device(images, labels)
            paths: dict[str, Callable[[], object]] = {
                "one call": lambda: network.train(examples, order, batch),  # noqa: B023  # called at once
                "fit": lambda: network.model.fit(images, labels, batch_size=batch, verbose=0),  # noqa: B023
            }
            for path, epoch in paths.items():
                seconds = _median(epoch)
                kind, rate = precision.removeprefix("mixed_"), options.images / seconds / 1e12
                arithmetic = rate * training_flops(network.model) / peak[kind]
                memory = rate * training_bytes(network.model, batch, SIZES[kind]) / bandwidth
                shares = {"arithmetic": arithmetic, "bandwidth": memory}
                rows.append({"batch": batch, "precision": precision, "path": path, "seconds": seconds, **shares})
                _say(f"batch {batch}, {precision}, {path}: an epoch", seconds, "s")
                print(f"    {arithmetic:.0%} of the arithmetic, {memory:.0%} of the bandwidth", flush=True)
    return rows


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


def _median(action: Callable[[], object], times: int = 3) -> float:
    action()
    found = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def _device() -> tuple[str, dict[str, float], float]:
    """The device's name, its TFLOP/s in large products by type, and its TB/s in a copy, as measured."""
    from keras import ops

    on_cpu = "cpu" in _name().lower()
    side, length = (1024, 1 << 24) if on_cpu else (8192, 1 << 29)

    def rate(work: float, function: Callable[[Any], Any], given: Any) -> float:
        run = _compiled(function)
        return work / _median(lambda: np.asarray(ops.ravel(run(given))[:1])) / 1e12

    square = {kind: ops.ones((side, side), kind) for kind in ("float32", "bfloat16")}
    peak = {kind: rate(2.0 * side**3, lambda x: ops.matmul(x, x), value) for kind, value in square.items()}
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


def _processes(options: argparse.Namespace, count: int) -> float:
    """Full trainings an hour with `count` processes on the card, once all have compiled."""
    start = time.time() + 60 + 5 * count
    command = [
        sys.executable, "-m", "benchmarks.gpu", "--images", str(options.images), "--width", str(options.width),
        "--batch", str(options.batch[0]), "--seconds", str(options.seconds), "--one", str(start),
    ]  # fmt: skip
    share = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / count:.3f}", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    running = [
        subprocess.Popen(command, env={**os.environ, **share}, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    rates = [float(process.communicate()[0].splitlines()[-1]) for process in running]
    return sum(rates) * 3600 / EPOCHS


def _epochs_until(options: argparse.Namespace, start: float) -> float:
    """Epochs a second of one training, counted for `--seconds` from the time `start` on."""
    from fer_core import compiled
    from fer_core.passes import Examples

    network = compiled.take(_config(options, options.batch[0]), 0)
    examples = Examples.on_device(*_noise(options.images))
    order = np.arange(options.images)
    network.train(examples, order, options.batch[0])
    if time.time() > start:
        raise SystemExit("the processes were not ready in time: fewer at a time, or a smaller network.")
    time.sleep(max(0.0, start - time.time()))
    begun, epochs = time.perf_counter(), 0
    while time.perf_counter() - begun < options.seconds:
        network.train(examples, order, options.batch[0])
        epochs += 1
    return epochs / (time.perf_counter() - begun)


def _vectorised(options: argparse.Namespace, count: int) -> float:
    """Full trainings an hour of `count` seeds of one configuration, trained together in one program."""
    import jax

    from fer_core import compiled
    from fer_core.passes import Examples, pure, scanned, variables

    batch = options.batch[0]
    states = []
    for seed in range(count):
        network = compiled.take(_config(options, batch), seed)
        states.append([[np.asarray(variable) for variable in group] for group in variables(network.model)])
        compiled.give_back(network, _config(options, batch))
    state = jax.tree.map(lambda *values: jax.numpy.stack(values), *states)
    examples = Examples.on_device(*_noise(options.images))
    steps = options.images // batch
    orders = [np.random.default_rng(seed).permutation(options.images)[: steps * batch] for seed in range(count)]
    batches = np.stack(orders).reshape(count, steps, batch).transpose(1, 0, 2).astype(np.int32)
    together = scanned(jax.vmap(pure(network.model.train_step), in_axes=(0, None, 0)))

    def epoch() -> None:
        nonlocal state
        state = jax.block_until_ready(together(state, examples, batches))

    return count * 3600 / _median(epoch) / EPOCHS


if __name__ == "__main__":
    main()
