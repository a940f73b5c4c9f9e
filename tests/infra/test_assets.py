"""The built assets: small enough, for the right machine, with what their functions import and nothing else."""

import struct
from pathlib import Path

import pytest

from functions import names
from infra.constructs import python_code

MAX_STREAM_MEGABYTES = 30
AARCH64 = 183


@pytest.fixture(scope="module")
def stream() -> Path:
    return python_code.build(names.STREAM_ASSET, python_code.this_host())


@pytest.fixture(scope="module")
def stream_for_lambda() -> Path:
    return python_code.build(names.STREAM_ASSET, python_code.LAMBDA_ARM64)


def test_the_stream_asset_is_small(stream: Path, stream_for_lambda: Path) -> None:
    assert python_code.megabytes(stream) <= MAX_STREAM_MEGABYTES
    assert python_code.megabytes(stream_for_lambda) <= MAX_STREAM_MEGABYTES


def test_the_stream_asset_carries_no_weight_of_the_service(stream: Path) -> None:
    carried = {path.name for path in stream.iterdir()}
    assert {"functions", "jsonpath_rfc9535", "msgspec", "zstandard"} <= carried
    assert carried.isdisjoint({"pydantic", "stripe", "aws_lambda_powertools", "boto3", "botocore", "tests", "bin"})


def test_wheels_for_lambda_are_arm64_python_3_13(stream_for_lambda: Path) -> None:
    libraries = list(stream_for_lambda.rglob("*.so"))
    assert libraries
    assert {struct.unpack_from("<H", library.read_bytes(), 18)[0] for library in libraries} == {AARCH64}
    assert all("cpython-313" in library.name or ".abi3." in library.name for library in libraries)


def test_every_module_of_ours_is_in_the_asset_once(stream: Path) -> None:
    ours = {path.relative_to(python_code.REPOSITORY) for path in python_code.SOURCES.rglob("*.py")}
    assert {path.relative_to(stream) for path in (stream / "functions").rglob("*.py")} == ours


def test_nothing_compiled_or_left_over_is_in_the_asset(stream: Path) -> None:
    assert [path for path in stream.rglob("*") if path.suffix == ".pyc" or path.name in ("RECORD", "tests")] == []


def test_the_hash_tells_assets_and_platforms_apart() -> None:
    platforms = (python_code.this_host(), python_code.LAMBDA_ARM64)
    hashes = {
        python_code.asset_hash(asset, platform)
        for asset in (names.STREAM_ASSET, names.SERVICE_ASSET)
        for platform in platforms
    }
    assert len(hashes) == 4


def test_the_same_content_is_built_once(stream: Path) -> None:
    assert python_code.build(names.STREAM_ASSET, python_code.this_host()) == stream


def test_a_requirement_that_cannot_be_had_says_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "requirements-stream.txt").write_text("./there-is-no-such-folder\n")
    monkeypatch.setattr(python_code, "SOURCES", tmp_path)
    monkeypatch.setattr(python_code, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(python_code, "asset_hash", lambda asset, platform: "0" * 64)
    with pytest.raises(RuntimeError, match=r"requirements-stream\.txt"):
        python_code.build(names.STREAM_ASSET, python_code.this_host())
    assert not list((tmp_path / "cache").iterdir())
