"""What each of them pays before its first epoch: Python, TensorFlow, a network built."""

from benchmarks.rivals.network import build

if __name__ == "__main__":
    build(learning_rate=0.002)
