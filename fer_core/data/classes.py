"""The classes of a data set: the emotions of FER2013 under the names that people give them, or others.

Seven folders or labels that stand for FER2013's emotions are put in its order, whatever they are called; any others
keep their names.
"""

import re
from collections.abc import Collection, Sequence

from fer_core.data.dataset import EMOTIONS

MOST_CLASSES = 127  # the tables hold a class in a signed byte
SYNONYMS = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}


def emotion(name: str) -> str | None:
    """The emotion that a name such as `happy`, `HAPPY`, `Surprised`, `3 happy` or `3` stands for, if any."""
    name = name.lower()
    word = re.sub(r"^[\W\d_]+", "", name)
    if not word and re.fullmatch(r"[0-6]", name):
        return EMOTIONS[int(name)]
    word = SYNONYMS.get(word, word)
    return word if word in EMOTIONS else None


def are_emotions(names: Collection[str]) -> bool:
    """Whether the names are those of FER2013's seven, each once: words, as other data have classes 0 to 6, too."""
    if any(name.isdecimal() for name in names):
        return False
    return len(names) == len(EMOTIONS) and {emotion(name) for name in names} == set(EMOTIONS)


def in_order(names: Collection[str]) -> list[str]:
    """By their words and numbers: 2 before 10, and words before numbers."""
    return sorted(names, key=lambda name: [_rank(part) for part in re.findall(r"\d+|\D+", name)])


def _rank(part: str) -> tuple[int, str]:
    return (int(part), "") if part.isdecimal() else (-1, part)


def named(names: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """The classes that labels 0, 1, ... called `names` stand for, and the new label of each."""
    if are_emotions(names):
        return EMOTIONS, [EMOTIONS.index(str(emotion(name))) for name in names]
    return tuple(names), list(range(len(names)))
