"""Where things lie on this machine: the tools all local stacks share, and the folder of one stack."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

# Shared by every stack of this clone: installed once, never written to by a running stack.
TOOLS = REPOSITORY / ".local"
DEV_ENVIRONMENT = REPOSITORY / ".venv"
EMULATOR_ENVIRONMENT = TOOLS / "emulator"
RUNTIME_ENVIRONMENT = TOOLS / "lambda-runtime"
NODE_TOOLS = TOOLS / "node"
RUNTIME_EMULATOR = TOOLS / "aws-lambda-rie"

DEV_PYTHON = DEV_ENVIRONMENT / "bin" / "python"
EMULATOR_PYTHON = EMULATOR_ENVIRONMENT / "bin" / "python"
RUNTIME_PYTHON = RUNTIME_ENVIRONMENT / "bin" / "python"
CDK = NODE_TOOLS / "node_modules" / ".bin" / "cdk"


def home() -> Path:
    """The folder of one stack: state, logs, cloud assembly. TOLLBOOTH_HOME puts a second stack beside the first."""
    return Path(os.environ.get("TOLLBOOTH_HOME") or TOOLS).resolve()


def stack_file() -> Path:
    return home() / "stack.json"


def log_file(name: str) -> Path:
    return home() / "logs" / f"{name}.log"


def shown(path: Path) -> str:
    """The path as a person in the repository would type it."""
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else str(path)
