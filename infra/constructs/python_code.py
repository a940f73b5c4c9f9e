"""Builds the two Lambda assets (our package plus pinned wheels) without Docker, once per content and platform."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, ILocalBundling, aws_lambda

from functions import names
from infra.constructs.bytecode import LAMBDA_PYTHON, compiler_for
from infra.constructs.reach import reached

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = REPOSITORY / "functions"
CACHE = REPOSITORY / ".local" / "assets"
# Pins what the pinned requirements bring along.
CONSTRAINTS = REPOSITORY / "infra" / "constraints.txt"
# What both lead to, every wheel by its hash: `make pin` writes them.
LOCKS = REPOSITORY / "infra" / "locks"

# Part of every asset hash: raise it when the way of building changes.
RECIPE = "4"

# What a function never reads; leaving it out keeps cold starts short.
LEFT_OUT_FOLDERS = {"__pycache__", "tests"}
LEFT_OUT_FILES = {"RECORD", "INSTALLER", "REQUESTED", "WHEEL", "direct_url.json"}
LEFT_OUT_SUFFIXES = {".pyc", ".pyi"}
# zstandard's second backend (10 MB), loaded on PyPy only; boto3's resources, which nothing here uses.
LEFT_OUT_PATTERNS = ("zstandard/_cffi*.so", "boto3/data", "boto3/examples")
# Of botocore's descriptions of services (27 MB) the ones that functions speak to.
SERVICES = frozenset({"athena", "dynamodb", "kinesis", "s3", "secretsmanager", "stepfunctions"})
SERVICE_DATA = "botocore/data"


@dataclass(frozen=True)
class Platform:
    """Where an asset runs: a name for its hash, its Python, and how pip is told."""

    name: str
    python: tuple[int, int]
    pip_arguments: tuple[str, ...]


# manylinux_2_28 as well: Amazon Linux 2023 has glibc 2.34 and some wheels no longer come as 2014.
LAMBDA_ARM64 = Platform(
    "cp313-manylinux-aarch64",
    LAMBDA_PYTHON,
    (
        *("--platform", "manylinux2014_aarch64", "--platform", "manylinux_2_28_aarch64"),
        *("--implementation", "cp", "--python-version", "3.13"),
    ),
)


def this_host() -> Platform:
    """The Python that runs this, for the emulator and for replaying events from the built asset."""
    python = sys.version_info[:2]
    return Platform(f"cp{python[0]}{python[1]}-{sys.platform}-host", python, ())


def platform_for(build_for_host: bool) -> Platform:
    return this_host() if build_for_host else LAMBDA_ARM64


@cache
def asset_hash(asset: str, platform: Platform) -> str:
    """Of sources, wheels, platform and whether it is compiled, so that machines that build the same say the same."""
    digest = hashlib.sha256(f"{RECIPE}\0{asset}\0{platform.name}\0{bool(compiler_for(platform.python))}\0".encode())
    digest.update(lock_of(asset).read_bytes())
    for source in sources(asset):
        content = source.read_bytes()
        digest.update(f"\0{source.relative_to(REPOSITORY).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def build(asset: str, platform: Platform) -> Path:
    """The folder with the built asset; built when this content has not been built on this machine yet."""
    built = CACHE / f"{asset}-{platform.name}-{asset_hash(asset, platform)[:16]}"
    if built.exists():
        return built
    CACHE.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{asset}-", dir=CACHE))
    try:
        shutil.copytree(_wheels(asset, platform), work / "asset")
        for source in sources(asset):
            target = work / "asset" / source.relative_to(REPOSITORY)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        _compile(work / "asset" / SOURCES.name, platform)
        _publish(work / "asset", built)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return built


def megabytes(folder: Path) -> float:
    """Unzipped size, as Lambda counts it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1_000_000


def code(asset: str, platform: Platform) -> aws_lambda.Code:
    """The asset as CDK code; CDK wants one object per stack, the build itself is shared."""
    return aws_lambda.Code.from_asset(
        str(SOURCES),
        asset_hash=asset_hash(asset, platform),
        asset_hash_type=AssetHashType.CUSTOM,
        exclude=["**/__pycache__", "**/*.pyc"],
        bundling=BundlingOptions(
            image=DockerImage.from_registry("docker-is-never-asked"), local=_LocalBundling(asset, platform)
        ),
    )


@jsii.implements(ILocalBundling)
class _LocalBundling:
    def __init__(self, asset: str, platform: Platform) -> None:
        self._asset = asset
        self._platform = platform

    def try_bundle(self, output_dir: str, *_by_position: Any, **_by_name: Any) -> bool:
        shutil.copytree(build(self._asset, self._platform), output_dir, dirs_exist_ok=True)
        return True


def requirements_of(asset: str) -> Path:
    return SOURCES / f"requirements-{asset}.txt"


def lock_of(asset: str) -> Path:
    return LOCKS / f"{asset}.txt"


@cache
def sources(asset: str) -> tuple[Path, ...]:
    """What the functions of an asset can come to, and no more, in one order on every machine."""
    handlers = (path.rpartition(".")[0] for of, path in names.HANDLERS.values() if of == asset)
    return tuple(sorted(reached(handlers, REPOSITORY)))


def _compile(folder: Path, platform: Platform) -> None:
    """A function may write nothing beside its code, so it would compile everything anew at each cold start.

    The bytecode is never held against its source: the times of files do not survive the way to AWS (PEP 552).
    """
    if compiler := compiler_for(platform.python):
        command = [
            compiler,
            "-m",
            "compileall",
            "-q",
            "--invalidation-mode",
            "unchecked-hash",
            "-s",
            str(folder.parent),
        ]
        subprocess.run([*command, str(folder)], check=True)  # noqa: S603 - our own command line


def _wheels(asset: str, platform: Platform) -> Path:
    """The unpacked dependencies, kept apart from our sources so that an edit does not ask pip again."""
    lock = lock_of(asset)
    recipe = f"{RECIPE}\0{platform.name}\0{bool(compiler_for(platform.python))}\0"
    digest = hashlib.sha256(recipe.encode() + lock.read_bytes())
    wheels = CACHE / f"wheels-{asset}-{platform.name}-{digest.hexdigest()[:16]}"
    if wheels.exists():
        return wheels
    work = Path(tempfile.mkdtemp(prefix=f"wheels-{asset}-", dir=CACHE))
    try:
        _pip_install(lock, platform, work / "wheels")
        _strip(work / "wheels")
        _compile(work / "wheels", platform)
        _publish(work / "wheels", wheels)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return wheels


def _pip_install(lock: Path, platform: Platform, target: Path) -> None:
    """Nothing but wheels of the lock: another file under the same name and version is refused."""
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"),
        *("--only-binary=:all:", *platform.pip_arguments, "--target", str(target)),
        *("--require-hashes", "--requirement", str(lock)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command line
    if done.returncode != 0:
        raise RuntimeError(
            f"pip could not collect the wheels of {lock.name} for {platform.name}:\n{done.stderr.strip()}"
        )


def _strip(folder: Path) -> None:
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for pattern in LEFT_OUT_PATTERNS:
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for service in (folder / SERVICE_DATA).glob("*/"):
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and path.name in LEFT_OUT_FOLDERS:
            shutil.rmtree(path)
        elif path.is_file() and (path.suffix in LEFT_OUT_SUFFIXES or path.name in LEFT_OUT_FILES):
            path.unlink()


def _publish(work: Path, final: Path) -> None:
    """One rename, so that a killed build never looks finished; a parallel build may have been faster."""
    try:
        work.rename(final)
    except OSError:
        if not final.exists():
            raise
