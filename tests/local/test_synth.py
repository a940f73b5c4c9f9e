"""`make synth` says in one line what it made, and shows the CDK's own words only when it failed."""

from pathlib import Path

import pytest

from infra.local import paths, synth
from infra.local.failure import StepFailed


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "TOOLS", tmp_path)
    monkeypatch.setattr(paths, "CDK", tmp_path / "cdk")
    return tmp_path


def cdk(tools: Path, script: str) -> None:
    (tools / "cdk").write_text(f"#!/bin/sh\n{script}\n")
    (tools / "cdk").chmod(0o755)


def test_advice_goes_into_the_log(tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cdk(tools, 'echo "77 feature flags are not configured."; echo "asked for $*" >&2')
    synth.synth("prod")
    printed = capsys.readouterr().out
    assert "templates in cdk.out" in printed
    assert "feature flags" not in printed
    log = (tools / "logs" / "synth.log").read_text()
    assert "feature flags" in log
    assert "stage=prod" in log.partition("asked for")[2]


def test_a_failure_shows_the_words_of_this_run_only(tools: Path) -> None:
    cdk(tools, "echo AwsSolutions-S1: the bucket has no access logs; exit 1")
    for _ in range(2):
        with pytest.raises(StepFailed) as failure:
            synth.synth("dev")
    assert failure.value.reason.count("AwsSolutions-S1") == 1
    assert "cdk synth failed (exit code 1)" in failure.value.reason
