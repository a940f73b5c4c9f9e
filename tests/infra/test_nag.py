"""cdk-nag is clean in every stage, and every acknowledgement says why and is still needed."""

import re
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from infra import nag, stage
from infra.service import Service

FINDING = re.compile(r"^ +(\S+) .*\n +Acknowledge with '([^']+)'", re.MULTILINE)


def test_no_stage_has_an_unexplained_finding(each_stage: Any) -> None:
    # The synth of the fixture raises otherwise.
    assert set(each_stage.stacks) == {"data", "ingestion", "billing", "backfill", "migration", "api", "observability"}


def test_every_acknowledgement_has_a_reason() -> None:
    for settings in (stage.dev(), stage.prod(), stage.local()):
        acknowledged = list(nag.acknowledged(settings))
        assert acknowledged
        assert all(len(each.reason) > 30 and each.reason.endswith(".") for each in acknowledged)
        assert not [each for each in acknowledged if each.finding.endswith("IAM5")]


def test_nothing_is_acknowledged_that_is_not_found() -> None:
    found = _findings(stage.local())
    unused = [
        each
        for each in nag.acknowledged(stage.local())
        if not any(finding == each.finding and path.startswith(_path(each)) for path, finding in found)
    ]
    assert unused == []


def test_a_finding_that_nobody_acknowledged_stops_the_synth() -> None:
    assert ("tollbooth-prod/data/Archive/Resource", "AwsSolutions::AwsSolutions-S1") in _findings(stage.prod())


def _path(one: nag.Acknowledged) -> str:
    return f"tollbooth-local/{one.path}" if one.path else "tollbooth-local/"


def _findings(settings: stage.StageSettings) -> set[tuple[str, str]]:
    """(path, rule) of what the checks say when nobody acknowledged anything."""
    with TemporaryDirectory(prefix="tollbooth-nag-") as out:
        app = App(context={"aws:cdk:bundling-stacks": []}, outdir=out)
        Service(app, settings)
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        with pytest.raises(RuntimeError, match="ValidationFailed") as refused:
            app.synth()
    return set(FINDING.findall(str(refused.value)))
