"""`make pin`: write the locks of the Lambda assets anew, every wheel with its SHA-256, after a change of requirements.

A lock lists what `functions/requirements-<asset>.txt` and `infra/constraints.txt` lead to, with the wheels of each
platform an asset is built for: Lambda's, and every machine's that runs the local stack or replays events.
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from functions import names
from infra.constructs.python_code import CONSTRAINTS, LAMBDA_ARM64, REPOSITORY, lock_of, requirements_of
from infra.local.console import report_failure, say
from infra.local.failure import StepFailed

ASSETS = (names.STREAM_ASSET, names.SERVICE_ASSET)
PYTHONS = ("3.11", "3.12", "3.13")
# pip takes older tags of the same kind for granted; manylinux_2_28 says nothing of manylinux2014.
HOSTS = (
    ("manylinux2014_x86_64", "manylinux_2_28_x86_64"),
    ("manylinux2014_aarch64", "manylinux_2_28_aarch64"),
    ("macosx_14_0_arm64",),
    ("macosx_14_0_x86_64",),
)
HEADER = """\
# Every wheel of the {asset} asset by its hash; pip refuses any other. Written by `make pin` from
# functions/requirements-{asset}.txt and infra/constraints.txt, never by hand.
"""

# (name, version) -> hashes of its wheels
Wheels = Mapping[tuple[str, str], frozenset[str]]


def main() -> int:
    try:
        for asset in ASSETS:
            lock = lock_of(asset)
            lock.write_text(written(asset, wheels_of(asset)))
            say(f"{lock.relative_to(REPOSITORY)} is up to date")
    except StepFailed as failure:
        return report_failure(failure)
    return 0


def wheels_of(asset: str) -> Wheels:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for arguments in platforms():
        for package, digest in _resolved(requirements_of(asset), arguments):
            found[package].add(digest)
    return {package: frozenset(digests) for package, digests in found.items()}


def platforms() -> Iterator[Sequence[str]]:
    """How pip is told of each."""
    yield LAMBDA_ARM64.pip_arguments
    for tags, version in product(HOSTS, PYTHONS):
        named = (word for tag in tags for word in ("--platform", tag))
        yield (*named, "--implementation", "cp", "--python-version", version)


def written(asset: str, wheels: Wheels) -> str:
    lines = [HEADER.format(asset=asset)]
    for (name, version), digests in sorted(wheels.items()):
        hashes = "".join(f" \\\n    --hash=sha256:{digest}" for digest in sorted(digests))
        lines.append(f"{name}=={version}{hashes}\n")
    return "".join(lines)


def _resolved(requirements: Path, platform: Sequence[str]) -> Iterator[tuple[tuple[str, str], str]]:
    """What pip would install there, from its own report; nothing is installed."""
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--dry-run"),
        *("--ignore-installed", "--only-binary=:all:", *platform, "--target", "never-written", "--report", "-"),
        *("--requirement", str(requirements), "--constraint", str(CONSTRAINTS)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StepFailed(
            f"pip could not resolve {requirements.name} for {' '.join(platform)}:\n{done.stderr.strip()}",
            "Pin a version that has wheels for it, and write it to infra/constraints.txt when it is a dependency's.",
        )
    return _reported(json.loads(done.stdout)["install"])


def _reported(installed: Iterable[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], str]]:
    for each in installed:
        name = each["metadata"]["name"].lower().replace("_", "-")
        yield (name, each["metadata"]["version"]), each["download_info"]["archive_info"]["hashes"]["sha256"]


if __name__ == "__main__":
    sys.exit(main())
