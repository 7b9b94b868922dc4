"""What every command shares: one-line errors on stderr, exit status 2, and no traceback for bad input."""

import argparse
import gc
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from fer_core.errors import InputError


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage; `examples` close its help as they are."""

    def __init__(self, prog: str, description: str, examples: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see --help)", file=sys.stderr)
        raise SystemExit(2)


def run_command(main: Callable[[], int]) -> NoReturn:
    """Call `main` and exit with its status; bad input becomes a line on stderr and status 2."""
    try:
        status = main()
        sys.stdout.flush()
    except InputError as problem:
        print(f"error: {problem}", file=sys.stderr)
        status = 2
    except BrokenPipeError:  # the reader of our output has gone, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except KeyboardInterrupt:
        status = 130
    gc.freeze()  # else the interpreter looks through everything once more at its end, half a second with Ray
    raise SystemExit(status)


def at_least(minimum: int) -> Callable[[str], int]:
    """An argparse type: a whole number not below `minimum`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if value < minimum:
            raise argparse.ArgumentTypeError(f"'{text}', expected a whole number of at least {minimum}")
        return value

    return parse


UNITS = {"h": 3600, "m": 60, "s": 1}


def duration(text: str) -> float:
    """An argparse type: a duration such as 2h, 1h30m or 45s, in seconds."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", text.lower())
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if not seconds or "".join(number + unit for number, unit in parts) != text.lower():
        raise argparse.ArgumentTypeError(f"'{text}', expected a duration such as 2h, 1h30m or 45s")
    return seconds


def positive(text: str) -> float:
    """An argparse type: a number above zero."""
    if not 0 < (value := _number(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}', expected a number above 0")
    return value


def share(text: str) -> float:
    """An argparse type: zero or a number above."""
    if not 0 <= (value := _number(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}', expected 0 or a number above")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def assignments(texts: Iterable[str] | None) -> dict[str, str]:
    """What `--set NAME=VALUE`, given several times, sets. Raises InputError."""
    found = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: expected NAME=VALUE, such as model.width=0.5.")
        found[name] = value
    return found
