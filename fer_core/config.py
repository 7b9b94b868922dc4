"""What a training is: `TrialConfig`, frozen, with the paper's value as every default.

The same dotted names (`model.se_placement`, `train.learning_rate`) stand for a setting everywhere: in a
search space, on the command line, in Optuna's journal and as columns of `trials.parquet`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

from fer_core.errors import InputError

Value = str | int | float | bool | None

BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


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
        among=("challenge", "paper", "holdout"),
    )
    train_images: int | None = _setting(
        None, "train on this many images, every class keeping its share; none: on all of them", low=7
    )
    val_images: int | None = _setting(
        None, "choose by this many images, every class keeping its share; none: by all of them", low=7
    )


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
    stop_patience: int = _setting(
        16, "epochs without a better validation accuracy before training ends (section 2.3)", low=1
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
class TrialConfig:
    """Everything that decides a training but its seed. The defaults are the paper's original CNN."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def flat(self) -> dict[str, Value]:
        """The settings as one dictionary of dotted names, in the order of declaration."""
        return {
            f"{part.name}.{setting.name}": getattr(getattr(self, part.name), setting.name)
            for part in fields(self)
            for setting in fields(getattr(self, part.name))
        }

    @classmethod
    def from_flat(cls, values: Mapping[str, Value]) -> "TrialConfig":
        """The inverse of `flat`; settings not named keep their defaults. Raises InputError."""
        return cls().override(values)

    def override(self, values: Mapping[str, Any]) -> "TrialConfig":
        """A copy with the dotted names in `values` set, each checked. Raises InputError."""
        parts: dict[str, dict[str, Value]] = {}
        for name, value in values.items():
            part, setting = _split(name)
            parts.setdefault(part, {})[setting] = check(name, value)
        return replace(self, **{part: replace(getattr(self, part), **new) for part, new in parts.items()})

    def digest(self) -> str:
        """Ten hexadecimal digits of the content's SHA-256: equal settings, equal digest."""
        content = {name: value for name, value in self.flat().items() if not _unchanged_addition(name, value)}
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]


def trial_id(config: TrialConfig, seed: int) -> str:
    """The identity of one training of `config` with `seed`, by which it is recognised wherever it comes back."""
    return f"{config.digest()}-{seed}"


def setting_names() -> list[str]:
    return list(TrialConfig().flat())


def setting_type(name: str) -> Any:
    """The annotation of the setting: a type, or a union of one with None."""
    return _type(name)


def value_before(name: str) -> Value:
    """What a study had in effect that was run before there was this setting; None where that is not known."""
    setting = _field(name)
    return setting.default if setting.metadata["added"] else None


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
        return "true or false"
    bounds = [f"at least {meta['low']:g}"] if meta["low"] > -1e308 else []
    bounds += [f"at most {meta['high']:g}"] if meta["high"] < 1e308 else []
    noun = {int: "a whole number", float: "a number", str: "text"}[plain]
    return " ".join(filter(None, [noun, " and ".join(bounds)])) + (", or none" if optional else "")
