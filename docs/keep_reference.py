"""Keep a study's tables in the repository.

    python docs/keep_reference.py results/STUDY results/reference/NAME [TABLE...]

Copies `study.json` and the tables (all, or those named) without what belongs to one machine: the folder of the data,
the output's path, the host's name.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from study.records.parquet import read_parquet, read_table

FILES = ("data", "labels")  # arguments that name one
BEFORE_PATHS = ("--data", "--labels", "--also-test")
TABLES = ("trials", "epochs", "predictions", "scores", "elsewhere")
HOST = "a machine with {cpus:g} CPUs and {gpus:g} GPUs"


def main(study: Path, reference: Path, tables: tuple[str, ...] = TABLES) -> None:
    reference.mkdir(parents=True, exist_ok=True)
    record = json.loads((study / "study.json").read_text())
    host = HOST.format(**record["devices"])
    arguments = {name: record["arguments"].get(name) for name in FILES}
    kept: dict[str, Any] = {name: path and Path(path).name for name, path in arguments.items()}
    others = record["arguments"].get("also_test") or []
    kept["also_test"] = [[Path(path).name, *subjects] for path, *subjects in others] or None
    words = record["command"]
    command = [
        Path(word).name if before in BEFORE_PATHS else word for before, word in zip(["", *words], words, strict=False)
    ]
    if "--out" in command:
        command[command.index("--out") + 1] = f"results/{reference.name}"
    if not {"--data", "--resume"} & set(command):  # it came by the variable FER2013
        command += ["--data", kept["data"]]
    if script := record.get("script"):
        script["python"] = script["python"] and Path(script["python"]).name
    record |= {"host": host, "command": command, "arguments": {**record["arguments"], **kept}}
    (reference / "study.json").write_text(json.dumps(record, indent=2) + "\n")
    for table in tables:
        if not (study / f"{table}.parquet").exists():
            continue
        schema = read_parquet(study, table).schema
        frame: pd.DataFrame = read_table(study, table)
        if "node" in frame:
            frame["node"] = host
        frame.to_parquet(reference / f"{table}.parquet", compression="zstd", schema=schema, index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), tuple(sys.argv[3:]) or TABLES)
