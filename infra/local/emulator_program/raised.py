"""Which exception a function's log ends with; without the emulator, so that tests can import it."""

import re

BEGINNING = "Traceback (most recent call last):\n"
# Frames are indented; what was raised is not.
RAISED = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)", re.MULTILINE)


def class_raised(log: str) -> str | None:
    """The bare name of the exception's class; None for a log without a traceback."""
    _, traceback, after = log.rpartition(BEGINNING)
    found = RAISED.search(after) if traceback else None
    return found[1].rpartition(".")[2] if found else None
