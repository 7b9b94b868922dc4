"""The kernels of a training step on an H100, listed on any machine: XLA compiles for a card that it is told of.

Needs JAX's packages for CUDA, and no card: pip install 'jax[cuda13]'. What is printed is what XLA joins into one
kernel and what that reads and writes, in megabytes, a batch's images counted as all there are; not how long it
takes, and not which convolution cuDNN would choose.

    python -m benchmarks.kernels                                          # SE per block, mixed_bfloat16
    python -m benchmarks.kernels --placement conv --precision float32 --most 40
"""

import argparse
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

IMAGES = 28_709
BYTES = {"f32": 4, "bf16": 2, "s32": 4, "u32": 4, "u8": 1, "s8": 1, "pred": 1, "u64": 8, "s64": 8}
NO_KERNELS = {"get-tuple-element", "parameter", "tuple", "bitcast", "constant"}
# A line of compiled HLO: the name of a value, its type, its operation, the operands, the rest.
LINE = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*?) ([\w\-]+)\(([^)]*)\)(.*)$")
H100 = """
gpu_device_info {
  threads_per_block_limit: 1024  threads_per_warp: 32  threads_per_core_limit: 2048
  shared_memory_per_block: 49152  shared_memory_per_core: 233472  shared_memory_per_block_optin: 232448
  core_count: 132  fpus_per_core: 128
  block_dim_limit_x: 2147483647  block_dim_limit_y: 65535  block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000  l2_cache_size: 52428800  clock_rate_ghz: 1.98  device_memory_size: 84929347584
  cuda_compute_capability { major: 9 }  registers_per_core_limit: 65536  registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 19 }
runtime_version { major: 13 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


class Kernel(NamedTuple):
    """source: the operation of the network that it comes from. read, written: megabytes."""

    name: str
    source: str
    read: float
    written: float


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.kernels", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--placement", default="block", choices=("none", "block", "conv"), help="of SE blocks")
    parser.add_argument("--precision", default="mixed_bfloat16", choices=("float32", "mixed_bfloat16"))
    parser.add_argument("--width", type=float, default=1.0, help="of the network (default: the paper's)")
    parser.add_argument("--batch", type=int, default=64, help="images a step (default: the paper's)")
    parser.add_argument("--most", type=int, default=20, help="how many of the largest are listed (default: 20)")
    options = parser.parse_args()
    os.environ |= {"KERAS_BACKEND": "jax", "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_gpu_autotune_level=0"  # for want of a card
    found = list(kernels(compiled_epoch(options)))
    layers = defaultdict(list)
    for kernel in found:
        layers[_layer(kernel)].append(kernel)
    print(f"{len(found)} kernels a step")
    for layer, part in sorted(layers.items(), key=lambda item: -sum(k.read + k.written for k in item[1])):
        print(f"  {layer:20} {len(part):4} {sum(k.read + k.written for k in part):8.1f} MB")
    print("   read written")
    for kernel in sorted(found, key=lambda k: -k.read - k.written)[: options.most]:
        print(f"{kernel.read:7.1f} {kernel.written:7.1f}  {kernel.name:34} {kernel.source}")


def compiled_epoch(options: argparse.Namespace) -> str:
    """The program of an epoch, as XLA has compiled it."""
    card = _card()
    import jax
    import numpy as np

    from fer_core import compiled
    from fer_core.config import TrialConfig
    from fer_core.loops_jax import scanned, training_step, variables
    from fer_core.passes import Examples

    there = jax.sharding.SingleDeviceSharding(card)

    def like(shape: tuple[int, ...], kind: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, kind, sharding=there)

    settings = {"model.se_placement": options.placement, "model.width": options.width}
    model = compiled.take(TrialConfig.from_flat({**settings, "train.precision": options.precision}), 0).model
    state = [[like(variable.shape, variable.value.dtype) for variable in group] for group in variables(model)]
    examples = Examples(like((IMAGES, 48, 48, 1), np.uint8), like((IMAGES, 7), np.float32))
    batches = like((IMAGES // options.batch, options.batch), np.int32)
    return scanned(training_step(model)).lower(state, examples, batches).compile().as_text()


def _card() -> Any:
    """A device for JAX to compile for. Without JAX, or where its part for CUDA is missing or does not load, ends."""
    try:
        from jax.experimental import topologies

        return topologies.get_topology_desc(platform="cuda", target_config=H100, topology="1x1x1").devices[0]
    except (ImportError, NotImplementedError) as problem:
        raise SystemExit(
            f"error: JAX cannot compile for CUDA here ({problem}). It needs pip install 'jax[cuda13]'."
        ) from None


def kernels(program: str) -> Iterator[Kernel]:
    """The kernels in the body of the only loop of a compiled program."""
    parts: dict[str, list[re.Match[str]]] = defaultdict(list)
    part = ""
    for line in program.splitlines():
        if head := re.match(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$", line):
            part = head[1]
        elif found := LINE.match(line):
            parts[part].append(found)
    sizes = {
        name: _megabytes(kind) for lines in parts.values() for name, kind, *_ in (line.groups() for line in lines)
    }
    [body] = re.findall(r"while\(.*body=%?([\w.\-]+)", program)
    for name, kind, operation, operands, rest in (line.groups() for line in parts[body]):
        if operation not in NO_KERNELS:
            source = re.search(r'op_name="[^"]*closed_call/([^"]*)"', rest)
            read = sum(sizes.get(operand, 0.0) for operand in re.findall(r"%([\w.\-]+)", operands))
            yield Kernel(name, source[1] if source else "", read, _megabytes(kind))


def _megabytes(kind: str) -> float:
    """Of a type such as `(bf16[64,24,24,64]{3,2,1,0}, f32[])`."""
    arrays = re.findall(rf"\b({'|'.join(BYTES)})\[([\d,]*)\]", kind)
    return (
        sum(BYTES[element] * math.prod(map(int, filter(None, shape.split(",")))) for element, shape in arrays) / 1e6
    )


def _layer(kernel: Kernel) -> str:
    """The kind of layer: its name without numbers, or `adam`, or what else the step does."""
    if "cudnn" in kernel.name:
        return "convolution"
    inside = re.search(r"jvp\(([^)]+)\)", kernel.source)
    name = inside[1] if inside else kernel.source.partition("/")[0]
    return re.sub(r"[\d_]*\d(?=_|$)", "", name) or "other"


if __name__ == "__main__":
    main()
