"""Does attention help a small residual network on facial emotions, and which: SE or CBAM?

A space with a trainer in PyTorch (`pip install torch`), as one's own script would have it: a network, an optimiser, a
loop over batches. `Residual` is written as if there were no study; what the study asks of it are its five methods.
SE blocks are those of Hu et al. (2018); those of CBAM also squeeze by the maximum, and weigh places (Woo et
al. 2018).

Command:  python -m study.run --space docs/examples/attention.py --data fer2013.csv --budget standard
Cost:     12 epochs of 10,000 images, 6 trials an arm and 5 seeds, on two CPU cores: 52 minutes beside other work
Outcome:  at that scale (results/reference/attention-fer2013) none 56.35 %, SE 56.27 %, CBAM 55.93 %: SE less none
          -0.08 (-0.70 to +0.53), no difference larger than 0.70; CBAM less none -0.42 (-1.11 to +0.27), undecided
"""

import math
from pathlib import Path

from fer_core.trainer import Trainer
from search_spaces.space import Choice, Float, Space

BATCH = 128


class Residual(Trainer):
    """A residual network in PyTorch, trained by SGD along a cosine, with shifted and mirrored images."""

    def __init__(self, settings, seed, images, labels, classes):
        import torch

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.images = self._on_device(images)
        self.labels = torch.as_tensor(labels, dtype=torch.long, device=self.device)
        shape = self.images.shape[1], len(classes)
        self.network = network(settings["attention"], settings["width"], *shape).to(self.device)
        self.parameters = sum(p.numel() for p in self.network.parameters())
        self.rate, self.epochs, self.smoothing = settings["rate"], settings["train.epochs"], settings["smoothing"]
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), self.rate, momentum=0.9, nesterov=True, weight_decay=settings["decay"]
        )

    def train_epoch(self, number):
        import torch

        self.learning_rate = self.rate * 0.5 * (1 + math.cos(math.pi * (number - 1) / self.epochs))
        self.optimizer.param_groups[0]["lr"] = self.learning_rate
        self.network.train()
        for rows in torch.randperm(len(self.images)).to(self.device).split(BATCH):
            if len(rows) < 2:  # of which a normalisation makes nothing
                continue
            answers = self.network(augmented(self.images[rows]))
            loss = torch.nn.functional.cross_entropy(answers, self.labels[rows], label_smoothing=self.smoothing)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    def predict(self, images):
        import torch

        self.network.eval()
        with torch.no_grad():
            return self.network(self._on_device(images)).softmax(dim=1).cpu().numpy()

    def save(self, path: Path):
        import torch

        torch.save({"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}, path)

    def load(self, path: Path):
        import torch

        saved = torch.load(path, map_location=self.device)
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])

    def _on_device(self, images):
        import torch

        given = torch.tensor(images, device=self.device)
        return (given[:, None] if given.ndim == 3 else given.permute(0, 3, 1, 2)) / 255 - 0.5


def augmented(images):
    """The batch, every image shifted by up to four pixels, and half of them mirrored."""
    import torch

    batch, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (4, 4, 4, 4), mode="replicate")
    down, right = torch.randint(0, 9, (2, batch, 1), device=images.device)
    rows = down + torch.arange(height, device=images.device)
    columns = right + torch.arange(width, device=images.device)
    columns = torch.where(torch.rand(batch, 1, device=images.device) < 0.5, columns, columns.flip(1))
    every = torch.arange(batch, device=images.device)[:, None, None]
    return padded[every, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def network(attention, width, colours, classes):
    """From (batch, colours, side, side) to logits: three stages of `width`, twice and four times as many channels."""
    import torch
    from torch import nn

    class Attention(nn.Module):
        """Channels rescaled by their means, with CBAM by their maxima, too, and then places by both over channels."""

        def __init__(self, channels):
            super().__init__()
            hidden = max(4, channels // 16)
            self.excite = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
            self.places = nn.Conv2d(2, 1, 7, padding=3) if attention == "cbam" else None

        def forward(self, x):
            said = self.excite(x.mean(dim=(2, 3)))
            if self.places is None:
                return x * said.sigmoid()[:, :, None, None]
            said = said + self.excite(x.amax(dim=(2, 3)))
            x = x * said.sigmoid()[:, :, None, None]
            over = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
            return x * self.places(over).sigmoid()

    class Block(nn.Module):
        def __init__(self, channels, out, stride):
            super().__init__()
            self.straight = nn.Sequential(
                *(nn.Conv2d(channels, out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()),
                *(nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)),
                Attention(out) if attention != "none" else nn.Identity(),
            )
            same = channels == out and stride == 1
            self.shortcut = nn.Identity() if same else nn.Conv2d(channels, out, 1, stride, bias=False)

        def forward(self, x):
            return (self.straight(x) + self.shortcut(x)).relu()

    layers = [nn.Conv2d(colours, width, 3, 2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    channels = width
    for stage in range(3):
        for stride in (1 if stage == 0 else 2, 1):
            layers.append(Block(channels, width * 2**stage, stride))
            channels = width * 2**stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


SPACE = Space(
    name="attention",
    question="Does attention help a small residual network on facial emotions, and which: SE or CBAM?",
    trainer=Residual,
    scientific={"attention": ("none", "se", "cbam")},
    nuisance={
        "rate": Float(0.01, 0.3, log=True),
        "decay": Float(1e-5, 1e-2, log=True),
        "smoothing": Choice((0.0, 0.1)),
    },
    fixed={"width": 16},
    published={"rate": 0.1, "decay": 5e-4, "smoothing": 0.0},
)
