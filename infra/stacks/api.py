"""The door: the HTTP API, its authorizer and its routes."""

import json
from collections.abc import Mapping, Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_apigatewayv2 as api
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_logs as logs
from constructs import Construct

from functions import names
from infra.constructs.access import Access, Resource
from infra.constructs.python_function import LOG_RETENTION, FunctionFactory, PythonFunction, rate_limits_of
from infra.constructs.schedule import Schedule
from infra.constructs.stage_stack import StageStack
from infra.stacks.backfill import BackfillStack
from infra.stacks.billing import SETTLE, BillingStack
from infra.stacks.data import ARCHIVE, BUCKETS, REJECTS, DataStack
from infra.stacks.ingestion import IngestionStack
from infra.stacks.migration import MigrationStack
from infra.stage import StageSettings

ENTITLE_EVERY_MINUTES = 15
# What entitling subscriptions of earlier versions writes: entitlements and grants, how far it is, and who failed. The
# locks of subscriptions lie in `unique`, beside those of names.
ENTITLED_KEYS = (
    *("*#entitled", "*#entitlement", "*#grant", "*#unique"),
    *("entitlement_backfill", "*#entitlement_backfill_failure"),
)
READ_SECRET = "secretsmanager:GetSecretValue"
KEEP_RECORDS = (
    *("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"),
    *("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"),
)

BURST_SECONDS = 2

# Routes that ask for no key are throttled here, all their callers together: (requests a second, burst). Stripe sends
# what it was refused again for three days, so a throttled webhook is late and not lost.
DOCUMENT_ROUTE = "GET /api/v1/openapi.json"
WEBHOOK_ROUTE = "POST /api/v1/apps/{id}/stripe/webhook"
HEALTH_ROUTE = f"GET {names.HEALTH_PATH}"  # monitors ask every few seconds
# A route that goes from here stays in the stage's settings, and API Gateway then misses it: `aws apigatewayv2
# delete-route-settings` first.
OPEN_ROUTES = {DOCUMENT_ROUTE: (5, 50), WEBHOOK_ROUTE: (200, 1_000), HEALTH_ROUTE: (10, 20)}
# Where pages of other origins may ask: before it sends a token, a browser asks whether it may, once an hour.
PREFLIGHT_THROTTLE = (200, 1_000)
PREFLIGHT_KNOWN_FOR = Duration.hours(1)

# One line per request; no header and no query, because they may carry keys and customers' data.
ACCESS_LOG_FIELDS = {
    "requestId": "$context.requestId",
    "at": "$context.requestTime",
    "route": "$context.routeKey",
    "status": "$context.status",
    "sourceIp": "$context.identity.sourceIp",
    "tenant": "$context.authorizer.tenant",
    "keyId": "$context.authorizer.key_id",
    "authorizerError": "$context.authorizer.error",
    "latencyMs": "$context.responseLatency",
    "bytes": "$context.responseLength",
    "error": "$context.integrationErrorMessage",
}


def permissions(
    data: DataStack, stream: Resource, billing: BillingStack, backfill: BackfillStack, migration: MigrationStack
) -> Mapping[str, Sequence[Access]]:
    """What each function of this stack may do; its variables follow from it."""
    return {
        "http_authorize": (
            data.billing.allows("dynamodb:GetItem", only_keys=(names.CREDENTIALS,)),
            data.billing.allows(
                "dynamodb:BatchGetItem", only_keys=(f"*#{names.PORTAL_TOKENS}", f"*#{names.PORTAL_EPOCHS}")
            ),
            data.portal_key.allows(READ_SECRET),
        ),
        "http_api": (
            data.billing.allows(*KEEP_RECORDS, writes_protected=True),
            # Puts: the set of meters that count, in one transaction with the meter's record; the runs of backfills.
            data.usage.allows("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"),
            data.usage.allows("dynamodb:UpdateItem", only_keys=(BUCKETS,)),
            data.archive.allows("s3:GetObject", under=(ARCHIVE, REJECTS)),
            # Rejects that are replayed go the way of new events.
            stream.allows("kinesis:PutRecords"),
            data.catalog.allows_queries(),
            data.ledger_key.allows(READ_SECRET),
            data.portal_key.allows(READ_SECRET),
            billing.machine.allows("states:StartExecution"),
            backfill.machine.allows("states:StartExecution"),
            migration.machine.allows("states:StartExecution"),
        ),
        "schedule_entitle": (
            # It looks for tenants through the whole table: not every tenant has a key, or something to bill.
            data.billing.allows("dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:Scan"),
            data.billing.allows("dynamodb:PutItem", "dynamodb:DeleteItem", only_keys=ENTITLED_KEYS),
        ),
        "webhook_stripe": (data.billing.allows(*SETTLE), data.stripe_secret.allows(READ_SECRET)),
    }


class ApiStack(StageStack):
    """Authentication at the door, scopes in the handlers: who a caller is does not depend on the route."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        data: DataStack,
        ingestion: IngestionStack,
        billing: BillingStack,
        backfill: BackfillStack,
        migration: MigrationStack,
    ) -> None:
        super().__init__(scope, construct_id, stage=stage, description="HTTP API")
        make = FunctionFactory(self, stage, permissions(data, ingestion.stream, billing, backfill, migration))
        stripe = {names.ENV_STRIPE_API_BASE: stage.stripe_api_base} if stage.stripe_api_base else {}
        self.functions = make.made
        self.http_authorize = make.make("http_authorize", memory_mb=1769, timeout_seconds=9)
        self.http_api = make.make("http_api", memory_mb=1024, timeout_seconds=29, environment=rate_limits_of(stage))
        self.webhook_stripe = make.make("webhook_stripe", memory_mb=512, timeout_seconds=29, environment=stripe)

        self.schedule_entitle = make.make("schedule_entitle", memory_mb=1024, timeout_seconds=600)
        # When it has begun, whatever writes subscriptions must be as new as it is.
        self.schedule_entitle.node.add_dependency(self.http_api)
        Schedule(
            self,
            "Entitle",
            function=self.schedule_entitle,
            every_minutes=ENTITLE_EVERY_MINUTES,
            undelivered=ingestion.undelivered,
        )

        self._portal_origins = stage.portal_origins
        self.http = api.HttpApi(self, "Api", create_default_stage=False, cors_preflight=_cors(stage.portal_origins))
        self._add_routes(ingestion.http_ingest)
        self._add_stage(stage)

    @property
    def url(self) -> str:
        return self.http.api_endpoint

    def _add_routes(self, http_ingest: PythonFunction) -> None:
        # Under an id of its own: an update of the one that had an identity source might keep it.
        authorizer = authorizers.HttpLambdaAuthorizer(
            "KeyAuthorizer",
            self.http_authorize,
            response_types=[authorizers.HttpLambdaResponseType.SIMPLE],
            # All identity sources are required, and a key comes in one of two headers; without any nothing is cached.
            identity_source=[],
            results_cache_ttl=Duration.seconds(0),
        )
        ingest = integrations.HttpLambdaIntegration("Ingest", http_ingest)
        records = integrations.HttpLambdaIntegration("Records", self.http_api)
        webhook = integrations.HttpLambdaIntegration("Webhook", self.webhook_stripe)
        post, every = [api.HttpMethod.POST], [api.HttpMethod.ANY]
        self.http.add_routes(path="/api/v1/events", methods=post, integration=ingest, authorizer=authorizer)
        # Stripe cannot send our key: the handler verifies Stripe's signature instead.
        self.http.add_routes(path="/api/v1/apps/{id}/stripe/webhook", methods=post, integration=webhook)
        # What the API looks like is no secret, and tools that read it have no key.
        self.http.add_routes(path="/api/v1/openapi.json", methods=[api.HttpMethod.GET], integration=records)
        self.http.add_routes(path=names.HEALTH_PATH, methods=[api.HttpMethod.GET], integration=records)
        if self._portal_origins:
            # A browser asks without a token; the routes below would ask the authorizer.
            path, options = names.PORTAL_PREFLIGHT.partition(" ")[2], [api.HttpMethod.OPTIONS]
            self.http.add_routes(path=path, methods=options, integration=records)
        self.http.add_routes(path="/api/{proxy+}", methods=every, integration=records, authorizer=authorizer)
        # Clients of OpenMeter's hosted service ask there.
        self.http.add_routes(path="/v3/{proxy+}", methods=every, integration=records, authorizer=authorizer)
        api.HttpRoute(
            self,
            "AnythingElse",
            http_api=self.http,
            route_key=api.HttpRouteKey.DEFAULT,
            integration=records,
            authorizer=authorizer,
        )

    def _add_stage(self, stage: StageSettings) -> None:
        self.access_log = logs.LogGroup(
            self,
            "AccessLog",
            # As for workflows: each name without this prefix takes room in the account's one policy of log delivery.
            log_group_name=f"/aws/vendedlogs/apis/{self.stack_name}-access",
            retention=LOG_RETENTION[stage.log_retention_days],
            removal_policy=RemovalPolicy.DESTROY,
        )
        default = self.http.add_stage(
            "Stage",
            stage_name="$default",
            auto_deploy=True,
            throttle=api.ThrottleSettings(
                rate_limit=stage.sizing.requests, burst_limit=BURST_SECONDS * stage.sizing.requests
            ),
        )
        low_level = default.node.default_child
        assert isinstance(low_level, api.CfnStage)
        preflight = {names.PORTAL_PREFLIGHT: PREFLIGHT_THROTTLE} if self._portal_origins else {}
        low_level.route_settings = {
            route: {"ThrottlingRateLimit": rate, "ThrottlingBurstLimit": burst}
            for route, (rate, burst) in {**OPEN_ROUTES, **preflight}.items()
        }
        for route in self.http.node.find_all():
            # API Gateway refuses the settings of a route that is not there yet.
            if isinstance(route, api.CfnRoute):
                default.node.add_dependency(route)
        low_level.access_log_settings = api.CfnStage.AccessLogSettingsProperty(
            destination_arn=self.access_log.log_group_arn, format=json.dumps(ACCESS_LOG_FIELDS)
        )


def _cors(origins: Sequence[str]) -> api.CorsPreflightOptions | None:
    """The gateway knows one answer for the whole API; what a page can do with it is read, with a token of its own."""
    if not origins:
        return None
    return api.CorsPreflightOptions(
        allow_origins=list(origins),
        allow_methods=[api.CorsHttpMethod.GET],
        allow_headers=["authorization"],
        expose_headers=["retry-after"],
        max_age=PREFLIGHT_KNOWN_FOR,
    )
