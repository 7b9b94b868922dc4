"""The one exception for input that a person can mend.

Commands print it in a line or two on stderr and exit with status 2; a traceback is for our own mistakes.
"""


class InputError(ValueError):
    """The command or its input is wrong. The message names the thing, what was found and the way out."""
