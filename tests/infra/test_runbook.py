"""Every alarm has its page, and a page names nothing that is not there."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from functions import names
from infra.constructs.python_function import construct_id
from infra.local.paths import REPOSITORY
from infra.stage import reasons
from tests.infra.cloudwatch import OBSERVABILITY, Alarm, alarms
from tests.infra.test_snapshots import SNAPSHOTS

RUNBOOK = REPOSITORY / "functions" / "pages" / "guide" / "runbook"
INDEX, BUDGET = "index.md", "budget.md"
PAGES = sorted(path.name for path in RUNBOOK.glob("*.md"))
HEADINGS = ["What it means", "What to look at", "What to do"]
MOST_LINES = 30
SHELL = {"aws", "make", "logs", "output", "api"}


def page_of(alarm: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alarm).lower() + ".md"


def text(page: str) -> str:
    return (RUNBOOK / page).read_text()


@cache
def stack(name: str) -> Mapping[str, Any]:
    template: Mapping[str, Any] = json.loads((SNAPSHOTS / f"{name}.json").read_text())
    return template


def when_it_rings(alarm: Alarm) -> str:
    of = f" in {alarm.datapoints} of {alarm.periods} periods" if alarm.periods > 1 else ""
    silence = "rings" if alarm.missing == "breaching" else "is well"
    limit = f"{alarm.statistic} of {alarm.period_seconds} s above {alarm.above:g}{of}"
    return f"`{alarm.namespace} {alarm.metric}`: {limit}; no data {silence}."


def test_there_is_a_page_for_every_alarm_and_none_without_one() -> None:
    assert set(PAGES) == {*map(page_of, alarms()), INDEX, BUDGET}


def test_the_index_leads_to_every_page_once() -> None:
    linked = re.findall(r"^- \[(\w+)\]\(([a-z-]+\.md)\)$", text(INDEX), re.MULTILINE)
    assert sorted(linked) == sorted([*((name, page_of(name)) for name in alarms()), ("Budget", BUDGET)])


@pytest.mark.parametrize("name", sorted(alarms()))
def test_a_page_says_when_its_alarm_rings_and_the_alarm_names_its_page(name: str) -> None:
    title, when = text(page_of(name)).splitlines()[0:3:2]
    assert (title, when) == (f"# {name}", when_it_rings(alarms()[name]))
    resources = json.loads(OBSERVABILITY.read_text())["Resources"]
    (description,) = [
        each["Properties"]["AlarmDescription"] for key, each in resources.items() if key[:-8] == name and key != name
    ]
    assert description.endswith(f" See {(RUNBOOK / page_of(name)).relative_to(REPOSITORY)}")


@pytest.mark.parametrize("page", [page for page in PAGES if page != INDEX])
def test_a_page_is_short_and_has_three_parts(page: str) -> None:
    assert re.findall(r"^## (.*)$", text(page), re.MULTILINE) == HEADINGS
    assert all(part.strip() for part in re.split(r"^## .*$", text(page), flags=re.MULTILINE))
    assert len(text(page).splitlines()) <= MOST_LINES


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_what_is_there(page: str) -> None:
    body = text(page)
    for target in re.findall(r"\bmake ([a-z][a-z-]+)\b", body.replace("make -s ", "make ")):
        assert re.search(rf"^{target}:.*##", (REPOSITORY / "Makefile").read_text(), re.MULTILINE), target
    for linked in re.findall(r"\]\(([^)#]+)\)", body):
        assert (RUNBOOK / linked).exists(), linked
    for lifetime, output in re.findall(r"(?:`|\$\()output (\w+) (\w+)", body):
        assert output in stack(lifetime)["Outputs"], output
    for lifetime, function in re.findall(r"`logs (\w+) (\w+)`", body):
        assert f"{function}FunctionName" in stack(lifetime)["Outputs"], function
    for group in re.findall(r"/aws/vendedlogs/\S+", body):
        assert group.replace("$STAGE", "prod") in "".join(path.read_text() for path in SNAPSHOTS.glob("*.json")), group
    for path in re.findall(r'\bapi "?(/[^"`? ]+)', body):
        assert any(re.fullmatch(pattern, path) for pattern in _paths()), path
    # Handlers, settings, codes, fields and messages of log lines.
    for word in re.findall(r"`([A-Za-z]+(?:_[a-z]+)+|[a-z]+(?: [a-z]+)+)`", body):
        assert word in _sources() or word.split()[0] in SHELL, word
    for sentence in (each for each in re.split(r"(?<=[.:])\s", body) if "`stages.toml`" in each):
        assert set(re.findall(r"`(\w+)`", sentence)) <= set(reasons()), sentence
    for file in re.findall(r"`(infra/\w+(?:/\w+)*\.py)`", body):
        assert (REPOSITORY / file).exists(), file


@cache
def _sources() -> str:
    found = [path for room in ("functions", "infra") for path in (REPOSITORY / room).rglob("*.py")]
    return "".join(path.read_text() for path in found)


def _paths() -> list[str]:
    """Of the API's document, with anything where it has a parameter."""
    document = json.loads((REPOSITORY / "functions" / "handlers" / "openapi.json").read_text())
    return [re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) for path in document["paths"]]


def test_every_function_that_may_fail_alone_is_on_a_page() -> None:
    """A person has to look at each of them: functions that run by a schedule, at a door or behind the stream."""
    everything = "".join(map(text, PAGES))
    alone = [each for each in names.HANDLERS if not each.startswith(("workflow_", "deploy_"))]
    assert [each for each in alone if construct_id(each) not in everything] == []
