"""What a training is: `TrialConfig`, frozen, with the paper's value as every default.

The same dotted names (`model.se_placement`, `train.learning_rate`) stand for a setting everywhere: in a
search space, on the command line, in Optuna's journal and as columns of `trials.parquet`.

Where a network or a trainer of the user's own stands in for the paper's, it has settings of any other names, and of
those here the ones that `names_beside` says.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, get_args, get_type_hints

from fer_core.errors import InputError
from fer_core.form import Form

Value = str | int | float | bool | None
# A network of the user's own: from a Keras tensor, scaled images (batch, side, side, channels) or whatever the data
# holds, and its settings to another one, features (batch, n). Keras is none of this module's business.
Network = Callable[[Any, dict[str, Value]], Any]

FOLDS = "folds"  # the protocol in which every image is tested once
LABEL, DISTRIBUTION, DRAWN = "label", "distribution", "drawn"  # what is trained towards (fer_core.targets)
TARGETS = "train.targets"
MONITOR, LAST = "train.monitor", "last"  # what says which epoch is tested, and that none is chosen
HIGHEST_SCORE, LOWEST_SCORE = "highest_score", "lowest_score"  # that a trainer of the user's own gives, by which way


class Fold(NamedTuple):
    """Part `number`, from 0, of as many as `of`: the one that is tested."""

    number: int
    of: int


class View(NamedTuple):
    """Images divided by this protocol, in this form; fold: which part is tested, in the protocol FOLDS."""

    protocol: str
    form: Form
    fold: Fold | None = None


PARTS = ("data", "model", "augment", "train")
# The kinds of what a user may bring, and the names under which a flat configuration says what it is.
NETWORK, TRAINER = "network", "trainer"
# What holds whoever trains: which images, for how many epochs, and when it may end before.
SHARED = (
    *("data.protocol", "data.train_images", "data.val_images", "data.side", "data.colour", "data.interpolation"),
    *("data.folds", "data.fold"),
    *("train.epochs", "train.stop_patience", MONITOR),
)

BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NOUNS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def _setting(
    default: Value, doc: str, *, among: tuple = (), low: float = -1e308, high: float = 1e308, added: bool = False
) -> Any:
    """A field with its meaning and its allowed values: one `among`, or a number from `low` to `high`.

    added: after the first studies were run, which had its default in effect. At that, digests are as theirs were.
    """
    metadata = {"doc": doc, "among": among, "low": low, "high": high, "added": added}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class DataConfig:
    protocol: str = _setting(
        "challenge",
        "which images train, choose and are tested (fer_core.data.protocols)",
        among=("challenge", "paper", "holdout", FOLDS),
    )
    train_images: int | None = _setting(
        None, "train on this many images, every class keeping its share; none: on all of them", low=7
    )
    val_images: int | None = _setting(
        None, "choose by this many images, every class keeping its share; none: by all of them", low=7
    )
    side: int = _setting(
        48, "images are brought to this many pixels a side; 48 is FER2013's", low=8, high=1024, added=True
    )
    colour: bool = _setting(False, "see images in colour; the paper's are grey", added=True)
    interpolation: str = _setting(
        "nearest",
        "how images of another size are brought to it: nearest, as the paper's loader does, or smoothly",
        among=("nearest", "bilinear", "bicubic", "lanczos"),
        added=True,
    )
    folds: int = _setting(10, "parts into which the protocol folds divides all images", low=3, added=True)
    fold: int = _setting(0, "which of these parts is tested, from 0; the next one chooses", low=0, added=True)

    @property
    def form(self) -> Form:
        """In which form images are seen."""
        return Form(self.side, self.colour, self.interpolation)

    @property
    def view(self) -> View:
        """Which images a training sees: configurations that agree in this share them."""
        return View(self.protocol, self.form, Fold(self.fold, self.folds) if self.protocol == FOLDS else None)


@dataclass(frozen=True)
class ModelConfig:
    se_placement: str = _setting(
        "none",
        "SE blocks: none, one per block before its pooling (Figure 2), or after every convolution",
        among=("none", "block", "conv"),
    )
    se_reduction: int = _setting(16, "reduction ratio r of the SE blocks; left open, 16 in Hu et al. (2018)", low=1)
    se_squeeze: str = _setting(
        "mean", "what an SE block takes of each channel; Hu et al. (2018), eq. 2", among=("mean", "max")
    )
    width: float = _setting(
        1.0, "multiplies every channel and unit count; 1 is the paper's network", low=0.01, high=8
    )
    kernel_size: int = _setting(3, "side of the convolutions' kernels; left open", low=1, high=11)
    dense_units: int = _setting(256, "units of the fully-connected layer at width 1; left open", low=1)
    batch_norm: bool = _setting(
        True,
        "normalise after every convolution; not in Figure 2, but without it Adam at 0.002 stays at chance",
    )
    dense_norm: bool = _setting(
        True,
        "normalise the fully-connected layer too; not in Figure 2, but without it Adam at 0.002 stays constant",
    )
    batch_norm_momentum: float = _setting(0.99, "of the moving mean and variance; Keras' default", low=0, high=0.9999)
    dropout: float = _setting(0.25, "rate after every pooling; left open", low=0, high=0.95)
    dense_dropout: float = _setting(0.5, "rate before the softmax; left open", low=0, high=0.95)


@dataclass(frozen=True)
class AugmentConfig:
    shift: float = _setting(
        0.1,
        "largest shift along each axis, as a fraction of the side (section 2.1); left open",
        low=0,
        high=0.5,
    )
    flip: bool = _setting(False, "mirror every second training image left to right; not in the paper")


@dataclass(frozen=True)
class TrainConfig:
    learning_rate: float = _setting(0.002, "the optimiser's, at the start (section 2.3)", low=1e-8, high=10)
    optimizer: str = _setting(
        "adam",
        "adam (section 2.3), rmsprop, or sgd with a Nesterov momentum of 0.9",
        among=("adam", "rmsprop", "sgd"),
    )
    weight_decay: float = _setting(
        0.0, "share of a kernel taken off it at each step, times the rate (Loshchilov and Hutter 2019)", low=0, high=1
    )
    label_smoothing: float = _setting(
        0.0, "share of a label spread over all classes (Szegedy et al. 2016)", low=0, high=0.99
    )
    targets: str = _setting(
        LABEL,
        "towards what: an image's label, the distribution of its annotators' votes, or one of them drawn every epoch",
        among=(LABEL, DISTRIBUTION, DRAWN),
        added=True,
    )
    regression_loss: str = _setting(
        "squared",
        "what is lowered where numbers are learned in the place of classes: their squared or absolute error, or 1 "
        "less the concordance of a batch (Lin 1989)",
        among=("squared", "absolute", "concordance"),
        added=True,
    )
    class_weights: str = _setting(
        "none",
        "weight of an image in the loss: none, one over its class's share (balanced), or the root of that (sqrt)",
        among=("none", "sqrt", "balanced"),
    )
    batch_size: int = _setting(64, "images a step (section 2.1)", low=1)
    precision: str = _setting(
        "float32",
        "of the layers' arithmetic; mixed_bfloat16 is for GPUs, and keeps variables in float32 (Micikevicius 2018)",
        among=("float32", "mixed_bfloat16"),
        added=True,
    )
    epochs: int = _setting(100, "at most (section 2.3)", low=1)
    stop_patience: int = _setting(16, "epochs without a better one before training ends (section 2.3)", low=1)
    monitor: str = _setting(
        "accuracy",
        "by what an epoch is better, on validation images (section 2.3: accuracy), and the best is tested; "
        "last: the last is tested, and no training ends early; a score where one judges",
        among=("accuracy", "loss", "macro_f1", "balanced_accuracy", LAST, HIGHEST_SCORE, LOWEST_SCORE),
        added=True,
    )
    schedule: str = _setting(
        "plateau",
        "how the rate falls: on a plateau of validation accuracy (section 2.3), along a cosine, or not at all",
        among=("plateau", "cosine", "constant"),
    )
    plateau_patience: int = _setting(
        10,
        "epochs without a better validation accuracy before the rate drops; left open, Keras' default",
        low=1,
    )
    plateau_factor: float = _setting(
        0.1, "what the rate is then multiplied by; left open, Keras' default", low=0, high=0.999
    )


@dataclass(frozen=True)
class Own:
    """What the user has brought, a NETWORK or a TRAINER, by its name, and what it is set to: None where the space has
    nothing to say.
    """

    kind: str
    name: str
    settings: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class TrialConfig:
    """Everything that decides a training but its seed. The defaults are the paper's original CNN.

    own: the user's, where it stands in for the paper's; then only `names_beside` count of the other parts.
    """

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    own: Own | None = None

    def flat(self) -> dict[str, Value]:
        """The settings that count, as one dictionary of dotted names, in the order of declaration."""
        values = {
            f"{part}.{setting.name}": getattr(getattr(self, part), setting.name)
            for part in PARTS
            for setting in fields(getattr(self, part))
        }
        if self.own is None:
            return values
        shared = {name: values[name] for name in names_beside(self.own.kind)}
        return {**shared, self.own.kind: self.own.name, **dict(self.own.settings)}

    @classmethod
    def from_flat(cls, values: Mapping[str, Value]) -> "TrialConfig":
        """The inverse of `flat`; settings not named keep their defaults. Raises InputError."""
        kind = own_kind(values)
        if kind is None:
            return cls().override(values)
        own = {name: value for name, value in values.items() if not _is_standard(name) and name != kind}
        shared = {name: value for name, value in values.items() if _is_standard(name)}
        return cls(own=Own(kind, str(values[kind]), tuple(own.items()))).override(shared)

    def override(self, values: Mapping[str, Any]) -> "TrialConfig":
        """A copy with the dotted names in `values` set, each checked. Raises InputError.

        The settings of what the user has brought are taken as they are.
        """
        parts: dict[str, dict[str, Value]] = {}
        own = {} if self.own is None else dict(self.own.settings)
        for name, value in values.items():
            if name in own:
                own[name] = value
                continue
            if self.own is not None and name not in (beside := names_beside(self.own.kind)):
                raise InputError(f"{name}: no setting of {self.own.name}. It has: {', '.join([*beside, *own])}.")
            part, setting = _split(name)
            parts.setdefault(part, {})[setting] = check(name, value)
        changed = replace(self, **{part: replace(getattr(self, part), **new) for part, new in parts.items()})
        return changed if self.own is None else replace(changed, own=replace(self.own, settings=tuple(own.items())))

    def digest(self) -> str:
        """Ten hexadecimal digits of the content's SHA-256: equal settings, equal digest."""
        content = {name: value for name, value in self.flat().items() if not _unchanged_addition(name, value)}
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]


def trial_id(config: TrialConfig, seed: int) -> str:
    """The identity of one training of `config` with `seed`, by which it is recognised wherever it comes back."""
    return f"{config.digest()}-{seed}"


def setting_names() -> list[str]:
    """Those of the paper's network; the space knows those of what its user has brought."""
    return list(TrialConfig().flat())


@cache
def names_beside(kind: str) -> tuple[str, ...]:
    """Which of these count beside a user's own network (all but the network's) or trainer."""
    return SHARED if kind == TRAINER else tuple(name for name in setting_names() if not name.startswith("model."))


def own_kind(settings: Mapping[str, Any]) -> str | None:
    """What the user has brought to a flat configuration: a NETWORK, a TRAINER, or nothing."""
    return next((kind for kind in (NETWORK, TRAINER) if kind in settings), None)


def setting_type(name: str) -> Any:
    """The annotation of the setting: a type, or a union of one with None."""
    return _type(name)


def in_cell(name: str, cell: Any) -> Value:
    """The value of a setting from a table's cell, which may hold a whole number as another one, or nothing as NaN."""
    if cell is None or cell != cell:
        return None
    return check(name, cell) if _is_standard(name) else cell


def read_value(name: str, value: Any, kind: type) -> Value:
    """`value` of a user's own setting `name` in its `kind`, read from text if need be. Raises InputError."""
    try:
        return None if value is None else _convert(value, kind)
    except (TypeError, ValueError, KeyError, OverflowError):
        raise InputError(f"{name}={value}: expected {_NOUNS[kind]}.") from None


def value_before(name: str) -> Value:
    """What a study had in effect that was run before there was this setting; None where that is not known."""
    setting = _field(name)
    return setting.default if setting.metadata["added"] else None


def completed(settings: Mapping[str, Value]) -> dict[str, Value]:
    """The settings that a study has recorded, with what it had in effect of those that came later."""
    kind = own_kind(settings)
    names = setting_names() if kind is None else names_beside(kind)
    later = {name: value_before(name) for name in names if name not in settings}
    return {**settings, **{name: value for name, value in later.items() if value is not None}}


def setting_doc(name: str) -> str:
    return _field(name).metadata["doc"]


def check(name: str, value: Any) -> Value:
    """`value` in the type of the setting `name`, read from text if need be. Raises InputError."""
    meta, kind = _field(name).metadata, _type(name)
    try:
        value = _convert(value, kind)
    except (TypeError, ValueError, KeyError, OverflowError):
        raise InputError(f"{name}={value}: expected {_expected(name)}.") from None
    bad = (meta["among"] and value not in meta["among"]) or (
        isinstance(value, int | float) and not meta["low"] <= value <= meta["high"]
    )
    if bad:
        raise InputError(f"{name}={value}: expected {_expected(name)}.")
    return value


def _is_standard(name: str) -> bool:
    return name.partition(".")[0] in PARTS


def _split(name: str) -> tuple[str, str]:
    if name not in setting_names():
        raise InputError(f"{name}: no such setting. There are: {', '.join(setting_names())}.")
    part, _, setting = name.partition(".")
    return part, setting


def _part_class(part: str) -> type:
    return get_type_hints(TrialConfig)[part]


@cache
def _field(name: str) -> Any:
    part, setting = _split(name)
    return next(f for f in fields(_part_class(part)) if f.name == setting)


def _unchanged_addition(name: str, value: Value) -> bool:
    if not _is_standard(name):
        return value is None  # nothing said: a space may come to say more later
    setting = _field(name)
    return setting.metadata["added"] and value == setting.default


@cache
def _type(name: str) -> Any:
    part, setting = _split(name)
    return get_type_hints(_part_class(part))[setting]


def _convert(value: Any, kind: Any) -> Value:
    if isinstance(kind, UnionType):
        if value is None or str(value).lower() == "none":
            return None
        kind = next(option for option in get_args(kind) if option is not NoneType)
    if value is None or (isinstance(value, bool) and kind is not bool):
        raise ValueError
    if kind is bool:
        return BOOLEANS[str(value).lower()]
    if kind is int:
        if float(value) != int(float(value)):
            raise ValueError
        return int(float(value))
    return kind(value)


def _expected(name: str) -> str:
    meta, kind = _field(name).metadata, _type(name)
    if meta["among"]:
        return "one of " + ", ".join(map(str, meta["among"]))
    optional = isinstance(kind, UnionType)
    plain = next(k for k in get_args(kind) if k is not NoneType) if optional else kind
    if plain is bool:
        return _NOUNS[bool]
    bounds = [f"at least {meta['low']:g}"] if meta["low"] > -1e308 else []
    bounds += [f"at most {meta['high']:g}"] if meta["high"] < 1e308 else []
    return " ".join(filter(None, [_NOUNS[plain], " and ".join(bounds)])) + (", or none" if optional else "")
