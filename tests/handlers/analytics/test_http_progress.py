"""Progress in OpenMeter's words: that of questions to the archive, because all others are answered at once."""

import pytest
from openmeter._generated import models

from functions import names
from functions.application.ports.archive_query import Look
from functions.domain.analytics.archive_query import Progress
from functions.handlers.wiring import analytics
from tests.handlers.analytics.test_http_archive import METER, USAGE, Script
from tests.handlers.gateway import Client
from tests.handlers.genuine import problems

PATH = "/api/v1/info/progress"


@pytest.fixture
def engine(api: Client, monkeypatch: pytest.MonkeyPatch) -> Script:
    assert api.post("/api/v1/meters", METER).status == 201
    monkeypatch.setenv(names.ENV_LANES, "8")
    script = Script()
    monkeypatch.setattr(analytics, "engine", lambda: script)
    return script


@pytest.fixture
def asked(api: Client, engine: Script) -> str:
    return str(api.post("/api/v1/archive/queries", USAGE).json["id"])


@pytest.mark.parametrize(
    ("progress", "success", "failed"),
    [
        (Progress.QUEUED, 0, 0),
        (Progress.RUNNING, 0, 0),
        (Progress.SUCCEEDED, 1, 0),
        (Progress.FAILED, 0, 1),
        (Progress.CANCELLED, 0, 1),
    ],
)
def test_a_question_to_the_archive_is_one_item(
    api: Client, engine: Script, asked: str, progress: Progress, success: int, failed: int
) -> None:
    engine.looks = Look(progress)
    answer = api.acting_as("read").get(f"{PATH}/{asked.lower()}")
    assert answer.status == 200
    assert {**answer.json, "updatedAt": ""} == {"success": success, "failed": failed, "total": 1, "updatedAt": ""}
    assert problems(models.Progress, answer.json) == []
    assert engine.seen == [], "no rows are read for it"


def test_a_client_id_of_a_query_has_no_progress_and_is_told_why(api: Client, engine: Script) -> None:
    answer = api.get(f"{PATH}/mine")
    assert answer.status == 404
    assert "'mine'" in answer.json["detail"] and "answered at once" in answer.json["detail"]


def test_a_tenant_does_not_see_the_progress_of_another(api: Client, asked: str) -> None:
    assert api.acting_as("admin", "other").get(f"{PATH}/{asked}").status == 404
    assert api.get(f"{PATH}/{asked}").status == 200
