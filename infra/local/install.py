"""Installs every tool of this repository, pinned, from nothing but Python, Node and Java.

Runs on the system's Python with the stdlib alone. Each tool remembers a digest of what it was installed from, so a
second run does nothing.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local import paths, toolchain
from infra.local.commands import run_logged
from infra.local.console import report_failure, say, step
from infra.local.failure import StepFailed

INFRA = paths.REPOSITORY / "infra"
FUNCTIONS = paths.REPOSITORY / "functions"
CONSTRAINTS = INFRA / "constraints.txt"
DEV_REQUIREMENTS = INFRA / "requirements-dev.txt"
RUNTIME_REQUIREMENTS = INFRA / "local" / "requirements-runtime.txt"
EMULATOR_REQUIREMENTS = INFRA / "local" / "requirements-emulator.txt"
NODE_MANIFEST = INFRA / "local" / "package.json"

# AWS's Runtime Interface Emulator is carried by the SAM command line's wheel.
SAM_WHEEL = "aws-sam-cli==1.170.0"
RIE_OF_MACHINE = {"x86_64": "aws-lambda-rie-x86_64", "aarch64": "aws-lambda-rie-arm64", "arm64": "aws-lambda-rie-arm64"}

NETWORK_REMEDY = (
    "Check that this machine reaches the Python and npm package registries, then run the same command again."
)


def install(*, for_tests: bool, python_only: bool = False) -> None:
    """Everything that is missing or out of date, one after the other; `python_only` is what `make unit` needs."""
    toolchain.check_python()
    if python_only:
        with _one_at_a_time():
            _install("Python environment", paths.DEV_ENVIRONMENT, _dev_digest(), _install_dev_environment)
        return
    toolchain.check_node()
    if for_tests:
        toolchain.check_java()
    with _one_at_a_time():
        _install("Python environment", paths.DEV_ENVIRONMENT, _dev_digest(), _install_dev_environment)
        _install("AWS emulator", paths.EMULATOR_ENVIRONMENT, _emulator_digest(), _install_emulator)
        _install("Node tools (CDK, DynamoDB Local)", paths.NODE_TOOLS, _digest(NODE_MANIFEST), _install_node_tools)
        if for_tests:
            digest = hashlib.sha256(SAM_WHEEL.encode()).hexdigest()
            _install("Lambda runtime", paths.RUNTIME_ENVIRONMENT, _runtime_digest(), _install_runtime)
            _install("AWS Runtime Interface Emulator", paths.RUNTIME_EMULATOR, digest, _install_runtime_emulator)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two `make` in one clone must not install into each other."""
    paths.TOOLS.mkdir(exist_ok=True)
    with (paths.TOOLS / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(title: str, folder: Path, digest: str, work: Callable[[], None]) -> None:
    stamp = folder / ".installed-from"
    if stamp.exists() and stamp.read_text() == digest:
        return
    with step(f"Installing: {title}"):
        stamp.unlink(missing_ok=True)
        work()
        stamp.write_text(digest)


def note_other_python() -> None:
    """Who names a Python should know that another one stays."""
    kept, named = _version_in(paths.DEV_ENVIRONMENT), platform.python_version()
    if kept and kept.rpartition(".")[0] != named.rpartition(".")[0]:
        say(f"  .venv was made with Python {kept} and stays so. `rm -rf .venv`, and the same again, takes {named}.")


def _version_in(environment: Path) -> str:
    """Such as 3.12.1; empty where there is none."""
    configuration = environment / "pyvenv.cfg"
    text = configuration.read_text() if configuration.exists() else ""
    return next((line.partition("=")[2].strip() for line in text.splitlines() if line.startswith("version")), "")


def _install_dev_environment() -> None:
    _create_environment(Path(sys.executable), paths.DEV_ENVIRONMENT)
    _pip_install(paths.DEV_PYTHON, DEV_REQUIREMENTS, CONSTRAINTS)


def _install_emulator() -> None:
    # Functions built for one run in the other.
    _create_environment_like_development(paths.EMULATOR_ENVIRONMENT)
    _pip_install(paths.EMULATOR_PYTHON, EMULATOR_REQUIREMENTS)


def _install_runtime() -> None:
    # What AWS's runtime brings and nothing else, so that a function's missing dependency is missing here too.
    _create_environment_like_development(paths.RUNTIME_ENVIRONMENT)
    _pip_install(paths.RUNTIME_PYTHON, RUNTIME_REQUIREMENTS, CONSTRAINTS)


def _install_node_tools() -> None:
    paths.NODE_TOOLS.mkdir(parents=True, exist_ok=True)
    shutil.copy(NODE_MANIFEST, paths.NODE_TOOLS / "package.json")
    _logged(
        ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"],
        "npm install",
        folder=paths.NODE_TOOLS,
    )


def _install_runtime_emulator() -> None:
    binary = RIE_OF_MACHINE.get(platform.machine())
    if binary is None or sys.platform != "linux":
        raise StepFailed(
            f"AWS's Runtime Interface Emulator does not exist for {sys.platform} on {platform.machine()}.",
            "Run the tests on Linux (x86_64 or arm64); `make up` does not need it.",
        )
    folder = paths.RUNTIME_EMULATOR
    folder.mkdir(parents=True, exist_ok=True)
    _logged(
        [paths.DEV_PYTHON, "-m", "pip", "download", "--no-deps", "--quiet", "-d", folder, SAM_WHEEL], "pip download"
    )
    (wheel,) = folder.glob("aws_sam_cli-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        program = folder / "aws-lambda-rie"
        program.write_bytes(archive.read(f"samcli/local/rapid/{binary}"))
        program.chmod(0o755)
    wheel.unlink()


def _create_environment_like_development(folder: Path) -> None:
    if _version_in(folder) != _version_in(paths.DEV_ENVIRONMENT):
        shutil.rmtree(folder, ignore_errors=True)
    _create_environment(paths.DEV_PYTHON, folder)


def _create_environment(python: Path, folder: Path) -> None:
    if not _runs(folder / "bin" / "python"):
        _logged([python, "-m", "venv", "--clear", folder], "Creating the environment")


def _runs(python: Path) -> bool:
    """False as well for an environment whose base Python has gone."""
    return python.exists() and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0


def _pip_install(python: Path, requirements: Path, constraints: Path | None = None) -> None:
    pins: list[str | Path] = ["-c", constraints] if constraints else []
    # Most modules are never imported: those that are get compiled then.
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"]
    _logged([python, "-m", "pip", "install", *quiet, "-r", requirements, *pins], "pip install")


def _logged(command: list[str | Path], what: str, folder: Path = paths.REPOSITORY) -> None:
    log = paths.TOOLS / "logs" / "install.log"
    run_logged(command, log=log, what=what, remedy=NETWORK_REMEDY, environment=dict(os.environ), folder=folder)


def _dev_digest() -> str:
    return _digest(DEV_REQUIREMENTS, CONSTRAINTS, *sorted(FUNCTIONS.glob("requirements-*.txt")))


def _emulator_digest() -> str:
    return _digest(EMULATOR_REQUIREMENTS) + _development_python()


def _runtime_digest() -> str:
    return _digest(RUNTIME_REQUIREMENTS, CONSTRAINTS) + _development_python()


def _development_python() -> str:
    """Functions are built for this version, so the Python that runs them must have it, too."""
    configuration = paths.DEV_ENVIRONMENT / "pyvenv.cfg"
    return configuration.read_text() if configuration.exists() else ""


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def main() -> int:
    if "--named" in sys.argv[1:]:
        note_other_python()
    try:
        install(for_tests="--for-tests" in sys.argv[1:], python_only="--python-only" in sys.argv[1:])
    except StepFailed as failure:
        return report_failure(failure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
