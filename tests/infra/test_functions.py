"""Every function of the templates: that it can be imported, what it runs on, what it is told."""

import importlib
import json
import re
from typing import Any

import pytest

from functions import names
from functions.adapters.aws import patience_of

SECRETS = {names.ENV_LEDGER_SECRET, names.ENV_ADMIN_SECRET, names.ENV_PORTAL_SECRET, names.ENV_STRIPE_SECRET}


@pytest.mark.parametrize("handler", names.HANDLERS)
def test_every_handler_named_in_a_template_imports(prod: Any, handler: str) -> None:
    path = names.HANDLERS[handler][1]
    deployed = [each["Properties"]["Handler"] for each in prod.all("AWS::Lambda::Function").values()]
    assert deployed.count(path) == 1
    module, _, function = path.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))


def test_nothing_runs_that_is_not_ours(each_stage: Any) -> None:
    handlers = {each["Properties"]["Handler"] for each in each_stage.all("AWS::Lambda::Function").values()}
    assert handlers == {path for _, path in names.HANDLERS.values()}


def test_functions_come_from_two_assets(each_stage: Any) -> None:
    assets: dict[str, set[str]] = {}
    asset_of = {path: asset for asset, path in names.HANDLERS.values()}
    for function in each_stage.all("AWS::Lambda::Function").values():
        (found,) = set(re.findall(r"[0-9a-f]{64}", json.dumps(function["Properties"]["Code"])))
        assets.setdefault(asset_of[function["Properties"]["Handler"]], set()).add(found)
    assert {name: len(hashes) for name, hashes in assets.items()} == {"stream": 1, "service": 1}
    assert assets["stream"] != assets["service"]


def test_functions_run_python_3_13_on_arm64_and_log_json_into_their_own_group(each_stage: Any) -> None:
    groups = []
    for function in each_stage.all("AWS::Lambda::Function").values():
        properties = function["Properties"]
        assert (properties["Runtime"], properties["Architectures"]) == ("python3.13", ["arm64"])
        assert "TracingConfig" not in properties
        logging = properties["LoggingConfig"]
        assert (logging["LogFormat"], logging["SystemLogLevel"]) == ("JSON", "WARN")
        groups.append(json.dumps(logging["LogGroup"]))
    assert len(set(groups)) == len(names.HANDLERS)


def test_every_log_group_forgets(each_stage: Any) -> None:
    retention = {each["Properties"].get("RetentionInDays") for each in each_stage.all("AWS::Logs::LogGroup").values()}
    assert retention == {each_stage.settings.log_retention_days}


def test_no_secret_is_in_an_environment(each_stage: Any) -> None:
    for name, function in each_stage.all("AWS::Lambda::Function").items():
        for variable, value in function["Properties"]["Environment"]["Variables"].items():
            if variable in SECRETS:
                assert "Id" in json.dumps(value["Fn::ImportValue"]), (name, variable)
            else:
                assert not re.search(r"secret|token|api_key|password", json.dumps(value), re.IGNORECASE), name
    assert "{{resolve:" not in json.dumps(each_stage.stacks)


def test_a_function_is_told_only_about_what_it_may_use(prod: Any) -> None:
    told = {
        each["Properties"]["Handler"].split(".")[-2]: set(each["Properties"]["Environment"]["Variables"])
        for each in prod.all("AWS::Lambda::Function").values()
    }
    assert {handler for handler, variables in told.items() if names.ENV_STRIPE_SECRET in variables} == {
        "workflow_push_invoice",
        "webhook_stripe",
    }
    assert {handler for handler, variables in told.items() if names.ENV_PORTAL_SECRET in variables} == {
        "http_api",
        "http_authorize",
    }
    assert {handler for handler, variables in told.items() if names.ENV_ADMIN_SECRET in variables} == {
        "deploy_bootstrap"
    }


def test_only_the_local_stage_pays_somewhere_else(prod: Any, local: Any) -> None:
    def bases(synthesized: Any) -> set[str]:
        functions = synthesized.all("AWS::Lambda::Function").values()
        environments = [each["Properties"]["Environment"]["Variables"] for each in functions]
        return {each[names.ENV_STRIPE_API_BASE] for each in environments if names.ENV_STRIPE_API_BASE in each}

    assert bases(prod) == set()
    assert bases(local) == {"http://127.0.0.1:12111"}


def test_numbers_of_the_stage_are_the_same_in_every_function(each_stage: Any) -> None:
    shared = (names.ENV_LANES, names.ENV_ACCEPT_PAST_DAYS, names.ENV_COLLECTION_SECONDS)
    found = {
        tuple(each["Properties"]["Environment"]["Variables"][name] for name in shared)
        for each in each_stage.all("AWS::Lambda::Function").values()
    }
    settings = each_stage.settings
    assert found == {
        (
            str(settings.lanes),
            str(settings.accept_past_days),
            str(settings.collection_seconds),
        )
    }


def test_no_client_outlives_its_function(each_stage: Any) -> None:
    """A hung connection ends before the function does, so that it is told and tried again."""
    for function in each_stage.all("AWS::Lambda::Function").values():
        seconds = function["Properties"]["Timeout"]
        assert function["Properties"]["Environment"]["Variables"][names.ENV_FUNCTION_SECONDS] == str(seconds)
        assert patience_of(seconds).longest < seconds
