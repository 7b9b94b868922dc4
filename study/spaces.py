"""`python -m study.spaces`: the questions there are; with a NAME, one in full."""

from fer_core.command_line import Parser, run_command
from fer_core.errors import InputError
from fer_core.script import Script
from search_spaces.catalogue import load_space, space_names, space_text
from search_spaces.space import Arm, Parameter, Space

EXAMPLES = """examples:
  python -m study.spaces                  every space with its question
  python -m study.spaces se_placement     what it compares, tunes and fixes
  python -m study.spaces my_question.py   the same for a space of your own

Exit status: 0 done, 2 the command or its input is wrong."""


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(
        prog="study.spaces",
        description="List the spaces, or show one in full.",
        examples=EXAMPLES,
    )
    parser.add_argument("name", nargs="?", metavar="NAME|FILE.py", help="a space to show in full")
    options = parser.parse_args(arguments)
    print(list_text() if options.name is None else full_text(options.name))
    return 0


def list_text() -> str:
    """A line a space; one that cannot be loaded says why."""
    names = space_names()
    width = max(map(len, names))
    return "\n".join(f"{name:{width}}  {_question(name)}" for name in names)


def full_text(name: str) -> str:
    """The docstring of a space, then its arms with what is tuned in each, constraints and fixed settings."""
    space = load_space(name)
    lines = [space_text(name), "", f"Compared ({len(space.arms)} arms, by {space.measure_title}):"]
    for arm in space.arms:
        lines.append(f"  {arm.name}" + "".join(f"\n      {setting}" for setting in _settings(arm)))
    if space.brought is not None:
        lines += ["", f"{'Trained by' if space.trainer else 'Network:'} {space.brought.__name__}{_first_line(space)}"]
    if space.nuisance:
        lines += ["", "Tuned:"]
        lines += [f"  {name} from {parameter}{_condition(parameter)}" for name, parameter in space.nuisance.items()]
    if space.constraints:
        lines += ["", "Subject to:", *(f"  {words}" for words in space.constraints)]
    if space.fixed:
        lines += ["", "Fixed:", *(f"  {name} = {value}" for name, value in space.fixed.items())]
    lines += ["", *_paper_lines(space)] if space.brought is None else []
    return "\n".join(lines)


def _first_line(space: Space) -> str:
    if isinstance(space.trainer, Script):
        return f", in {space.trainer.path.name}, run by {space.trainer.python or 'this Python'}"
    text = (space.brought.__doc__ or "").strip().partition("\n")[0]
    return f", {text[0].lower()}{text[1:]}" if text else ""


def _question(name: str) -> str:
    try:
        return load_space(name).question
    except InputError as problem:
        return f"(cannot be loaded: {problem})"


def _settings(arm: Arm) -> list[str]:
    return [f"{name} = {value}" for name, value in arm.values.items()]


def _condition(parameter: Parameter) -> str:
    conditions = [f"{name} is {' or '.join(map(str, values))}" for name, values in parameter.when.items()]
    return f", where {' and '.join(conditions)}" if conditions else ""


def _paper_lines(space: Space) -> list[str]:
    found = [f"  {title}: in the arm {arm.name}" for title, arm in space.paper_trials()]
    return (
        ["The paper's configurations in it:", *found] if found else ["The paper's configurations do not lie in it."]
    )


if __name__ == "__main__":
    run_command(main)
