"""`stages.toml`: what the operator changes, without touching what is shipped."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from infra import stage, stages
from infra.local import deployed
from infra.local.failure import StepFailed


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        file = tmp_path / "stages.toml"
        file.write_text(text)
        return file

    return write


def test_without_the_file_stages_are_as_shipped(tmp_path: Path) -> None:
    nothing = tmp_path / "stages.toml"
    assert (stages.named("dev", nothing), stages.named("prod", nothing)) == (stage.dev(), stage.prod())


def test_a_shipped_stage_is_changed_and_one_of_its_own_is_like_a_shipped_one(written: Any) -> None:
    staging = '[staging]\nlike = "prod"\nmonthly_budget_dollars = 50'
    file = written(f'[prod]\nalarm_emails = ["a@example.com"]\n{staging}\n[two]')
    assert stages.named("prod", file) == replace(stage.prod(), alarm_emails=("a@example.com",))
    assert stages.named("staging", file) == replace(stage.prod(), name="staging", monthly_budget_dollars=50)
    assert stages.named("two", file) == replace(stage.dev(), name="two")
    assert stages.named("dev", file) == stage.dev()


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("[prod]\nalarm_mails = []", "prod", "has no setting alarm_mails"),
        ('[prod]\nname = "other"', "prod", "has no setting name"),
        ('[prod]\nlike = "dev"', "prod", "a stage of its own is like dev or prod"),
        ('[two]\nlike = "three"', "two", "like dev or prod"),
        ('[prod]\nevents_per_second = "many"', "prod", "stages.toml, prod: events_per_second is 'many'"),
        ("[two]\nlike = []", "two", "like dev or prod"),
        ("[prod.log_retention_days]", "prod", "log_retention_days is {}, which is no whole number"),
        ("prod = 1", "prod", "'prod' is no stage"),
        ("[Up-Per]", "prod", "'Up-Per' is no stage"),
        ("[local]", "prod", "'local' is no stage"),
        ("[prod", "prod", "is no TOML"),
        ("[staging]", "produ", "There is no stage 'produ'; there are dev, prod, staging"),
    ],
)
def test_what_is_wrong_is_said_before_anything_slow_begins(
    written: Any, monkeypatch: pytest.MonkeyPatch, text: str, name: str, told: str
) -> None:
    file = written(text)
    with pytest.raises(ValueError, match=told):
        stages.named(name, file)
    found = stages.named
    monkeypatch.setattr(stages, "named", lambda name: found(name, file))
    for check in (deployed.check_stage, deployed.check_deployable):
        with pytest.raises(StepFailed, match=told):
            check(name)


def test_the_local_stage_goes_to_no_account() -> None:
    deployed.check_stage("local")
    with pytest.raises(StepFailed, match="for this machine"):
        deployed.check_deployable("local")


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("accept_past_days", -1, "it must be from 1 to 45"),
        ("accept_past_days", 400, "it must be from 1 to 45"),
        ("collection_seconds", -5, "from 0 to"),
        ("batching_window_seconds", 61, "from 0 to 60"),
        ("fixed_lanes", 100, "from 1 to 64"),
        ("alarm_emails", "ops@example.com", "a list of addresses"),
        ("alarm_emails", ("not an address",), "'not an address' is no address"),
        ("alarm_emails", ("a@example.com", "a@example.com"), "an address twice"),
        ("portal_origins", "https://app.example.com", "a list of origins"),
        ("portal_origins", ("https://app.example.com/",), "'https://app.example.com/' is no origin"),
        ("portal_origins", ("http://app.example.com",), "is no origin"),
        ("portal_origins", ("https://*.example.com",), "is no origin"),
        ("portal_origins", ("*", "*"), "an origin twice"),
        ("log_retention_days", 10, "CloudWatch Logs takes 1, 3, 5"),
        ("monthly_budget_dollars", "100", "no whole number"),
        ("events_per_second", True, "no whole number"),
        ("protect_data", 1, "no bool"),
        ("stripe_api_base", None, "no str"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(setting: str, value: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        replace(stage.prod(), **{setting: value})
    assert str(refused.value).startswith(setting)


def test_addresses_that_nothing_would_wake_are_refused() -> None:
    with pytest.raises(ValueError, match="alarm_emails names whom nothing wakes"):
        replace(stage.dev(), alarm_emails=("a@example.com",))


def test_every_bound_is_of_a_setting_and_lets_what_is_shipped_pass() -> None:
    assert stage.BOUNDS.keys() <= asdict(stage.dev()).keys()
    for setting, (least, most) in stage.BOUNDS.items():
        assert least < most, setting
