"""Checks that this machine has the programs everything else is built with; runs on any Python with the stdlib alone."""

import re
import shutil
import subprocess
import sys

from infra.local.failure import StepFailed

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
OLDEST_NODE = 20
OLDEST_JAVA = 17


def check_python() -> None:
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        raise StepFailed(
            f"This is Python {sys.version.split()[0]}; Tollbooth needs 3.11, 3.12 or 3.13.",
            "Install one of them, or name it: `make PYTHON=/path/to/python3.12 up`.",
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        version = ".".join(map(str, sys.version_info[:2]))
        raise StepFailed(
            f"{sys.executable} cannot create environments ({error}).",
            f"On Debian and Ubuntu: `apt install python{version}-venv`.",
        ) from error


def check_node() -> None:
    remedy = f"Install Node.js {OLDEST_NODE} or newer with npm, from nodejs.org or your package manager."
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise StepFailed("Node.js or npm was not found.", remedy)
    major = _first_number(["node", "--version"])
    if major < OLDEST_NODE:
        raise StepFailed(f"Node.js {major} is too old; the CDK needs {OLDEST_NODE} or newer.", remedy)


def check_java() -> None:
    remedy = f"Install a Java {OLDEST_JAVA} runtime, for example `apt install openjdk-17-jre-headless`."
    if shutil.which("java") is None:
        raise StepFailed("Java was not found; tests and the benchmark run AWS's DynamoDB Local with it.", remedy)
    major = _first_number(["java", "-version"])
    if major < OLDEST_JAVA:
        raise StepFailed(f"Java {major} is too old; DynamoDB Local needs {OLDEST_JAVA} or newer.", remedy)


def _first_number(command: list[str]) -> int:
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    found = re.search(r"\d+", result.stdout + result.stderr)
    return int(found.group()) if found else 0
