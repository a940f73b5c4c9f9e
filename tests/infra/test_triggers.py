"""What starts a function: the stream, the schedules, the routes; and what happens when it cannot be started."""

import json
from dataclasses import replace
from typing import Any

import pytest

from functions import names
from functions.names import ENV_RATE_LIMITS, LEDGER_FORMAT
from infra import stage
from infra.constructs import python_code
from infra.stacks.ingestion import deployed
from tests.infra.conftest import synthesized


def test_the_stream_is_read_in_large_batches_and_gives_up_an_hour_before_it_forgets(each_stage: Any) -> None:
    (stream,) = each_stage.all("AWS::Kinesis::Stream").values()
    (mapping,) = each_stage.all("AWS::Lambda::EventSourceMapping").values()
    properties = mapping["Properties"]
    assert properties["MaximumRecordAgeInSeconds"] == (stream["Properties"]["RetentionPeriodHours"] - 1) * 3600
    assert properties["MaximumRetryAttempts"] == -1
    assert properties["BisectBatchOnFunctionError"] is False, "an outage would make commits of single records"
    assert properties["BatchSize"] == 10_000
    assert properties["ParallelizationFactor"] == 1
    assert properties["MaximumBatchingWindowInSeconds"] == each_stage.settings.batching_window_seconds


def test_a_batch_that_cannot_be_processed_is_kept_in_the_archive_bucket(each_stage: Any) -> None:
    (mapping,) = each_stage.all("AWS::Lambda::EventSourceMapping").values()
    assert "Archive" in json.dumps(mapping["Properties"]["DestinationConfig"]["OnFailure"]["Destination"])


def test_the_stream_has_one_shard_aws_managed_encryption_and_a_day_or_in_prod_a_week(dev: Any, prod: Any) -> None:
    (stream,) = dev.all("AWS::Kinesis::Stream").values()
    properties = stream["Properties"]
    assert (properties["ShardCount"], properties["RetentionPeriodHours"]) == (1, 24)
    (kept_longer,) = prod.all("AWS::Kinesis::Stream").values()
    assert kept_longer["Properties"]["RetentionPeriodHours"] == 168
    assert properties["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}


def test_schedules_say_how_often_and_keep_what_they_could_not_deliver(each_stage: Any) -> None:
    schedules = [each["Properties"] for each in each_stage.all("AWS::Scheduler::Schedule").values()]
    assert sorted(each["ScheduleExpression"] for each in schedules) == [
        "rate(1 minute)",
        "rate(15 minutes)",
        "rate(15 minutes)",
        "rate(5 minutes)",
        "rate(60 minutes)",
        "rate(60 minutes)",
    ]
    assert all("DeadLetterConfig" in each["Target"] for each in schedules)


def test_only_the_webhook_the_document_and_the_health_are_open(each_stage: Any) -> None:
    routes = {
        each["Properties"]["RouteKey"]: each["Properties"]["AuthorizationType"]
        for each in each_stage.all("AWS::ApiGatewayV2::Route").values()
    }
    assert routes == {
        "POST /api/v1/events": "CUSTOM",
        "POST /api/v1/apps/{id}/stripe/webhook": "NONE",
        "GET /api/v1/openapi.json": "NONE",
        "GET /healthz": "NONE",
        "ANY /api/{proxy+}": "CUSTOM",
        "ANY /v3/{proxy+}": "CUSTOM",
        "$default": "CUSTOM",
    }


def test_the_authorizer_is_asked_for_every_request_with_the_key_in_any_header(each_stage: Any) -> None:
    (authorizer,) = each_stage.all("AWS::ApiGatewayV2::Authorizer").values()
    properties = authorizer["Properties"]
    assert properties["AuthorizerResultTtlInSeconds"] == 0
    assert properties["EnableSimpleResponses"] is True
    assert properties["AuthorizerPayloadFormatVersion"] == "2.0"
    assert properties["IdentitySource"] == [], "the emulator takes a missing one for Authorization"


def test_the_door_is_throttled_and_its_log_holds_no_header(each_stage: Any) -> None:
    (door,) = each_stage.all("AWS::ApiGatewayV2::Stage").values()
    properties = door["Properties"]
    assert properties["DefaultRouteSettings"] == {"ThrottlingBurstLimit": 4000, "ThrottlingRateLimit": 2000}
    assert properties["RouteSettings"]["GET /healthz"] == {"ThrottlingBurstLimit": 20, "ThrottlingRateLimit": 10}
    (health,) = (
        name.partition("/")[2]
        for name, each in each_stage.all("AWS::ApiGatewayV2::Route").items()
        if each["Properties"]["RouteKey"] == "GET /healthz"
    )
    assert health in door["DependsOn"], "settings of a route that is not there yet are refused"
    logged = json.loads(properties["AccessLogSettings"]["Format"])
    assert "$context.requestId" in logged.values()
    assert not any("header" in value or "path" in value for value in logged.values())


def test_routes_without_a_key_have_throttles_of_their_own_far_below_the_doors(each_stage: Any) -> None:
    (door,) = each_stage.all("AWS::ApiGatewayV2::Stage").values()
    routes = each_stage.all("AWS::ApiGatewayV2::Route")
    open_routes = {
        each["Properties"]["RouteKey"]
        for each in routes.values()
        if each["Properties"].get("AuthorizationType", "NONE") == "NONE"
    }
    settings = door["Properties"]["RouteSettings"]
    assert set(settings) == open_routes
    default = door["Properties"]["DefaultRouteSettings"]
    for each in settings.values():
        assert set(each) == set(default)
        assert all(each[name] * 4 <= default[name] for name in default)
    # API Gateway refuses the settings of a route that does not exist yet.
    waited_for = {routes[f"api/{name}"]["Properties"]["RouteKey"] for name in door["DependsOn"]}
    assert open_routes <= waited_for


def test_pages_of_other_origins_ask_only_where_a_stage_names_them_and_read_with_a_bearer(prod: Any) -> None:
    (closed,) = prod.all("AWS::ApiGatewayV2::Api").values()
    assert "CorsConfiguration" not in closed["Properties"]
    origins = ("https://app.example.com", "http://localhost:3000")
    opened = synthesized(replace(stage.dev(), portal_origins=origins))
    (door,) = opened.all("AWS::ApiGatewayV2::Api").values()
    assert door["Properties"]["CorsConfiguration"] == {
        "AllowOrigins": list(origins),
        "AllowMethods": ["GET"],
        "AllowHeaders": ["authorization"],
        "ExposeHeaders": ["retry-after"],
        "MaxAge": 3_600,
    }
    routes = {
        each["Properties"]["RouteKey"]: each["Properties"]["AuthorizationType"]
        for each in opened.all("AWS::ApiGatewayV2::Route").values()
    }
    assert routes[names.PORTAL_PREFLIGHT] == "NONE"
    (door_stage,) = opened.all("AWS::ApiGatewayV2::Stage").values()
    throttle = door_stage["Properties"]["RouteSettings"][names.PORTAL_PREFLIGHT]
    assert throttle == {"ThrottlingRateLimit": 200, "ThrottlingBurstLimit": 1_000}


def test_both_doors_and_the_counter_know_what_a_tenant_may_take(each_stage: Any) -> None:
    functions = each_stage.all("AWS::Lambda::Function").values()
    told = {
        each["Properties"]["Handler"].split(".")[-2]: each["Properties"]["Environment"]["Variables"][ENV_RATE_LIMITS]
        for each in functions
        if ENV_RATE_LIMITS in each["Properties"]["Environment"]["Variables"]
    }
    asked = ("http_ingest", "http_api", "stream_aggregate")
    assert told == dict.fromkeys(asked, "calls=200 questions=120 requests=750 bytes=3000000")


def bootstrap_of(synthesized: Any) -> Any:
    (bootstrap,) = synthesized.all("AWS::CloudFormation::CustomResource").values()
    return bootstrap


def test_the_first_key_is_made_after_its_maker_may_write_it(each_stage: Any) -> None:
    bootstrap = bootstrap_of(each_stage)
    assert bootstrap["Properties"]["lanes"] == each_stage.settings.lanes
    assert bootstrap["Properties"]["ledgerFormat"] == LEDGER_FORMAT
    assert any(name.startswith("DeployBootstrapRoleDefaultPolicy") for name in bootstrap["DependsOn"])


def test_the_bootstrap_looks_again_when_what_it_looks_at_is_another(each_stage: Any) -> None:
    looked_at = {
        name: next(iter(value))
        for name, value in bootstrap_of(each_stage)["Properties"].items()
        if name != "ServiceToken" and isinstance(value, dict)
    }
    assert looked_at == dict.fromkeys(("usageTable", "billingTable", "ledgerKey", "adminKey"), "Fn::ImportValue")


def test_the_bootstrap_looks_again_when_code_or_settings_change_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """A template that is another one at every synth would make every deployment and every diff one."""
    now = deployed(stage.prod())
    assert deployed(stage.prod()) == now
    others = [replace(stage.prod(), collection_seconds=1), replace(stage.prod(), fixed_lanes=64), stage.dev()]
    assert now not in {deployed(each) for each in others}
    real = python_code.asset_hash
    for asset in (names.STREAM_ASSET, names.SERVICE_ASSET):
        with monkeypatch.context() as patch:
            patch.setattr(
                python_code,
                "asset_hash",
                lambda asked, platform, changed=asset: "0" * 64 if asked == changed else real(asked, platform),
            )
            assert deployed(stage.prod()) != now


def test_every_stage_tells_its_bootstrap_what_is_deployed(each_stage: Any) -> None:
    assert bootstrap_of(each_stage)["Properties"]["deployed"] == deployed(each_stage.settings)


def test_another_lane_count_is_refused_before_anybody_works_with_it(each_stage: Any) -> None:
    functions = each_stage.resources("ingestion", "AWS::Lambda::Function")
    waiting = {
        each["Properties"]["Handler"].split(".")[-2]
        for each in functions.values()
        if "Bootstrap" in each.get("DependsOn", [])
    }
    everybody = {"http_ingest", "stream_aggregate", "schedule_heartbeat", "schedule_sweep", "schedule_audit"}
    assert waiting == everybody


@pytest.mark.parametrize("name", ["billing", "backfill", "migration"])
def test_a_workflow_is_readable_in_the_template_and_every_function_of_it_exists(prod: Any, name: str) -> None:
    (machine,) = prod.resources(name, "AWS::StepFunctions::StateMachine").values()
    definition = machine["Properties"]["DefinitionString"]
    substitutions = machine["Properties"]["DefinitionSubstitutions"]
    assert json.loads(definition)["States"]
    assert all(f"${{{name}}}" in definition for name in substitutions)
    assert definition.count("${") >= len(substitutions)
    assert {each for each in definition.split("${")[1:] if each.split("}")[0] not in substitutions} == set()


def test_a_tick_is_tried_once_and_never_late(each_stage: Any) -> None:
    """What the Scheduler hands over Lambda would try twice more, or keep for six hours while it is throttled."""
    once = [each["Properties"] for each in each_stage.all("AWS::Lambda::EventInvokeConfig").values()]
    assert {(each["MaximumRetryAttempts"], each["MaximumEventAgeInSeconds"]) for each in once} == {(0, 240)}
    ticking = {
        json.dumps(each["Properties"]["Target"]["Arn"]) for each in each_stage.all("AWS::Scheduler::Schedule").values()
    }
    assert len(once) == len(ticking)
