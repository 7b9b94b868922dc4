"""`python -m study.export DIR --arm ARM`: an arm's best configuration as a file, and its network.

The file is what `study.run --fixed` takes; the network what `fer_core.predict` takes.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.command_line import Parser, run_command
from fer_core.config import TRAINER, TrialConfig, in_cell
from fer_core.errors import InputError
from search_spaces.score import SCORE
from study.plan import study_seed
from study.records.find_place import find_place
from study.records.folder import JUDGED, MODELS, network_file, read_study, settings_in
from study.search.selection import best_confirmation, best_winner, goal_of, winners

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = """examples:
  python -m study.export results/NAME --arm block                  block.json and block.keras, here
  python -m study.export results/NAME --arm block --out best/net   best/net.json and best/net.keras
  python -m study.run --space se_placement --fixed block.json      run it as a fixed trial of another study
  python -m fer_core.predict block.keras face.jpg

Exit status: 0 done, 2 the command or its input is wrong."""


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(
        prog="study.export",
        description="Write an arm's best configuration, chosen on validation, and its network to files.",
        examples=EXAMPLES,
    )
    parser.add_argument("folder", metavar="DIR|URI", help="a study's folder")
    parser.add_argument("--arm", required=True, help="which arm")
    parser.add_argument("--out", metavar="PATH", type=Path, help="where to, without a suffix (default: ARM, here)")
    options = parser.parse_args(arguments)
    place = find_place(options.folder)
    study = read_study(place.folder)
    if study is None:
        raise InputError(f"{options.folder}: there is no study in it.")
    if JUDGED in study:
        raise InputError(f"{options.folder}: trainings that ran elsewhere have no configuration here.")
    if options.arm not in study["arms"]:
        raise InputError(f"--arm {options.arm}: the study has {', '.join(study['arms'])}.")
    out = options.out or Path(options.arm)

    from study.records.parquet import read_table

    trials, epochs = (read_table(place.folder, name) for name in ("trials", "epochs"))
    record = best_of_arm(study, trials, epochs, options.arm)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        file = out.with_name(out.name + ".json")
        file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    except OSError as problem:
        raise InputError(f"--out {out}: cannot be written ({problem.strerror}).") from None
    print(f"configuration: {file}")
    trainer = record["settings"].get(TRAINER)
    network = place.bring(f"{MODELS}/{network_file(record['network_of'], bool(trainer))}")
    if network.is_file():
        copied = out.with_name(out.name + network.suffix)
        shutil.copyfile(network, copied)
        print(f"network: {copied}" + (f", for {trainer}.load" if trainer else ""))
    else:
        print("network: none; the arm has no confirmation yet that ended")
    return 0


def best_of_arm(study: dict[str, Any], trials: "pd.DataFrame", epochs: "pd.DataFrame", arm: str) -> dict[str, Any]:
    """The arm's best configuration with what is known of it, from the study's tables. Raises InputError.

    The best by validation of the winners of its searches.
    """
    goal, found = goal_of(study), winners(study, arm, trials, epochs)
    chosen = best_winner(found, goal)
    if chosen is None:
        raise InputError(f"arm {arm}: no trial has ended well yet.")
    best = found[chosen]
    rows = trials[(trials["arm"] == arm) & (trials["phase"] == "confirm")].to_dict("records")
    confirmed = [row for row in rows if _origin(row) == _origin(best)]
    network = best_confirmation(confirmed, goal)
    told = SCORE if SCORE in study else "accuracy"
    tested = [row[f"test_{told}"] for row in confirmed if row["status"] == "completed"]
    config = TrialConfig.from_flat({name: in_cell(name, best[f"config.{name}"]) for name in settings_in(study)})
    return {
        "space": study["space"],
        "arm": arm,
        "data": study["data"],
        "fingerprint": study["fingerprint"],
        f"validation_{told}": best[f"val_{told}"],
        f"test_{told}_by_seed": tested,
        "network_of": None if network is None else network["trial"],
        "settings": config.flat(),
    }


def _origin(row: Mapping[str, Any]) -> tuple[str, int]:
    """The digest of a trial's configuration, and the search that it belongs to."""
    return row["trial"].partition("-")[0], study_seed(row["seed"])


def read_configuration(path: Path) -> TrialConfig:
    """The configuration in a file that `study.export` wrote, or in a JSON object of settings. Raises InputError."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError(f"--fixed {path}: cannot be read ({problem.strerror}).") from None
    except ValueError:
        raise InputError(f"--fixed {path}: is no JSON. Expected what study.export writes.") from None
    settings = record.get("settings", record) if isinstance(record, dict) else None
    if not isinstance(settings, dict):
        raise InputError(f"--fixed {path}: expected an object of settings, as study.export writes.")
    try:
        return TrialConfig.from_flat(settings)
    except InputError as problem:
        raise InputError(f"--fixed {path}: {problem}") from None


if __name__ == "__main__":
    run_command(main)
