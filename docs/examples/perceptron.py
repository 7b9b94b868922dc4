"""A training script as it might lie around: a perceptron in NumPy, which imports nothing of the study.

`another_python.py` has it run by a Python of its own. The study asks its class for these five methods.
"""

import numpy as np

BATCH = 64
MOMENTUM = 0.9


class Perceptron:
    """Hidden layers of rectified units on the standardised pixels, trained by SGD with momentum (He et al. 2015)."""

    def __init__(self, settings, seed, images, labels, classes):
        self.rate, self.decay = settings["rate"], settings["decay"]
        self.mean, self.spread = images.mean(axis=0, dtype=np.float32), images.std(axis=0, dtype=np.float32) + 1e-3
        self.inputs, self.targets = self.seen(images), np.eye(len(classes), dtype=np.float32)[labels]
        sizes = [self.inputs.shape[1], *[settings["units"]] * settings["layers"], len(classes)]
        self.weights = []
        for layer, units in enumerate(sizes[1:]):
            drawn = np.random.normal(0, np.sqrt(2 / sizes[layer]), (sizes[layer], units))
            self.weights += [drawn.astype(np.float32), np.zeros(units, np.float32)]
        self.momenta = [np.zeros_like(weight) for weight in self.weights]
        self.parameters, self.learning_rate = sum(weight.size for weight in self.weights), self.rate

    def train_epoch(self, number):
        order = np.random.permutation(len(self.inputs))
        for rows in np.split(order, range(BATCH, len(order), BATCH)):
            values = self.forward(self.inputs[rows])
            error = (softmax(values[-1]) - self.targets[rows]) / len(rows)
            for layer in reversed(range(len(values) - 1)):
                weight = self.weights[2 * layer]
                slopes = values[layer].T @ error + self.decay * weight, error.sum(axis=0)
                error = (error @ weight.T) * (values[layer] > 0)
                for place, slope in enumerate(slopes, 2 * layer):
                    self.momenta[place] = MOMENTUM * self.momenta[place] - self.rate * slope
                    self.weights[place] = self.weights[place] + self.momenta[place]

    def predict(self, images):
        return softmax(self.forward(self.seen(images))[-1])

    def save(self, path):
        with open(path, "wb") as file:
            np.savez(file, *self.weights, *self.momenta)

    def load(self, path):
        with np.load(path) as saved:
            arrays = [saved[name] for name in saved.files]
        self.weights, self.momenta = arrays[: len(self.weights)], arrays[len(self.weights) :]

    def seen(self, images):
        return ((images - self.mean) / self.spread).reshape(len(images), -1)

    def forward(self, values):
        """The inputs, what every hidden layer makes of them, and the logits."""
        found = [values]
        for layer in range(0, len(self.weights), 2):
            values = values @ self.weights[layer] + self.weights[layer + 1]
            if layer < len(self.weights) - 2:
                values = np.maximum(values, 0)
            found.append(values)
        return found


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
