"""Which Python of this machine compiles what a function runs."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# The Python of the functions in AWS.
LAMBDA_PYTHON = (3, 13)


@cache
def compiler_for(python: tuple[int, int]) -> str | None:
    """A Python of that version, if this machine has one."""
    if sys.version_info[:2] == python:
        return sys.executable
    name = "python{}.{}".format(*python)
    probe = f"import sys; print(sys.version_info[:2] == {python})"
    for found in _programs(name):
        done = subprocess.run([found, "-c", probe], capture_output=True, text=True, check=False)  # noqa: S603 - ours
        if done.stdout.strip() == "True":
            return found
    return None


def _programs(name: str) -> Iterator[str]:
    """On the path, and where pyenv keeps its own: it shows only those that somebody chose."""
    if found := shutil.which(name):
        yield found
    yield from map(str, sorted(Path.home().glob(f".pyenv/versions/*/bin/{name}"), reverse=True))
