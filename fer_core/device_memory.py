"""The memory of the GPU that this process sees, where there is one: its size, a limit, the use, and when it is out.

Backends take all of it unless they are told otherwise, and Ray, which hands out fractions of a GPU, limits nothing.
"""

import os
import subprocess

# What CUDA's context and the libraries take beside the backend's own allocations, in bytes.
CONTEXT = 700 << 20
_EXHAUSTED = (
    "RESOURCE_EXHAUSTED",
    "OUT_OF_MEMORY",
    "OOM when allocating",
    "STATUS_ALLOC_FAILED",
    "CUDA out of memory",
)


def total() -> int | None:
    """Bytes of the first GPU that this process may see, as nvidia-smi says; None without one."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits", "-i", first]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
        return int(answer.split()[0]) << 20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def limit(share: float) -> int | None:
    """Let this process take no more than its share (0 to 1) of the GPU. Returns the limit in bytes.

    Before the backend's first operation, with JAX before its import. None, and no limit, for a whole GPU or without.
    """
    size = total() if 0 < share < 1 else None
    if size is None:
        return None
    allowed = max(int(share * size) - CONTEXT, size // 100)
    if os.environ.get("KERAS_BACKEND") == "jax":
        os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{allowed / size:.4f}"
    else:
        import tensorflow as tf

        configuration = tf.config.LogicalDeviceConfiguration(memory_limit=allowed >> 20)
        for gpu in tf.config.list_physical_devices("GPU")[:1]:
            tf.config.set_logical_device_configuration(gpu, [configuration])
    return allowed


def peak() -> int | None:
    """The most bytes that the backend has held on the GPU so far in this process; None without one."""
    if os.environ.get("KERAS_BACKEND") == "jax":
        import jax

        device = jax.local_devices()[0]
        return None if device.platform == "cpu" else (device.memory_stats() or {}).get("peak_bytes_in_use")
    import tensorflow as tf

    if not tf.config.list_logical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def is_exhausted(error: BaseException) -> bool:
    """Whether `error` says, in the words of a framework or of CUDA, that the device's memory was too small."""
    text = f"{type(error).__name__} {error}"
    return any(sign in text for sign in (*_EXHAUSTED, "ResourceExhaustedError"))
