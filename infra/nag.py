"""cdk-nag over every stage: each finding is either repaired or acknowledged here, one by one, with its reason."""

from collections.abc import Iterator
from dataclasses import dataclass

from aws_cdk import Acknowledgment, App, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from infra.constructs.archive_catalog import RESULTS
from infra.constructs.stream_source import FAILED_PREFIX
from infra.service import Service
from infra.stacks.data import ARCHIVE, LOOK_BACK, QUARANTINE, REJECTS, STAGING
from infra.stage import StageSettings

# How cdk-nag spells the archive's ARN in another stack, and the machine's executions; pinned with the logical ids.
ARCHIVE_ARN = "data:ExportsOutputFnGetAttArchiveDA4CB258ArnBE8F3792"
EXECUTIONS = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution"
MACHINES = {"billing": "BillingMachine07CCF068", "backfill": "BackfillMachine1D3BFE08"}
# One after the other: it has no map.
WITHOUT_MAP = ("migration",)

PREFIXES = {
    STAGING: "The events of one attempt; their keys carry the attempt.",
    ARCHIVE: "The events of every commit; their keys carry lane and commit.",
    RESULTS: "Athena chooses the names of a query's result; they go after a week.",
    REJECTS: "The events that could not be counted; their keys carry lane and time.",
    LOOK_BACK: "Parts of look-backs; their keys carry lane, commit and attempt.",
    QUARANTINE: "What a repair has replaced; the keys are those of the archive.",
    FAILED_PREFIX: "Lambda chooses the key of a failed batch below its own prefix.",
}


@dataclass(frozen=True)
class Acknowledged:
    """One finding, at a path below the stage (empty: everywhere in it)."""

    path: str
    finding: str
    reason: str


def acknowledged(stage: StageSettings) -> Iterator[Acknowledged]:
    """Every finding we live with in this stage."""
    yield from _everywhere()
    yield from _object_prefixes(stage)
    if stage.portal_origins:
        yield Acknowledged(
            "api/Api/OPTIONS--api--v1--portal--{proxy+}",
            _rule("APIG4"),
            "A browser asks without a token whether a page may ask; it tells nothing and has a throttle of its own.",
        )
    if not stage.tls_only:
        yield from _plain_http()
    if stage.some_actions_on_all:
        yield from _some_actions()


def check(app: App, service: Service) -> None:
    """Findings that nobody acknowledged make the synth fail."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    for one in acknowledged(service.settings):
        scope = _find(service, one.path)
        Validations.of(scope).acknowledge(Acknowledgment(id=one.finding, reason=one.reason))


def _everywhere() -> Iterator[Acknowledged]:
    yield Acknowledged("", _rule("L1"), "python3.13 is the version that is tested and whose wheels are pinned.")
    yield Acknowledged(
        "data/Archive", _rule("S1"), "A log object per small archive object costs more than it tells; use CloudTrail."
    )
    yield Acknowledged("data/LedgerKey", _rule("SMG4"), "Another key would make every old fingerprint unknown.")
    yield Acknowledged("data/AdminKey", _rule("SMG4"), "The operator replaces it through the API and revokes it there.")
    yield Acknowledged("data/PortalKey", _rule("SMG4"), "The operator writes a new version; that before is believed.")
    yield Acknowledged("data/StripeSecret", _rule("SMG4"), "Stripe rotates it; two webhook secrets overlap meanwhile.")
    yield Acknowledged("ingestion/Undelivered", _rule("SQS3"), "It is the dead-letter queue of the schedules.")
    for name in (*MACHINES, *WITHOUT_MAP):
        path = f"{name}/{name.capitalize()}"
        yield Acknowledged(f"{path}/Machine", _rule("SF2"), "X-Ray costs more than the run; every state is logged.")
        yield Acknowledged(
            f"{path}/Role", _any("*"), "AWS offers log delivery (logs:*LogDelivery) on all resources only."
        )
    for name, machine in MACHINES.items():
        yield Acknowledged(
            f"{name}/{name.capitalize()}/DistributedMap",
            _any(f"{EXECUTIONS}:<{machine}.Name>:*"),
            "A distributed map watches its own child executions, whose names AWS makes.",
        )
        yield Acknowledged(
            f"{name}/{name.capitalize()}/DistributedMap",
            _any(f"{EXECUTIONS}:<{machine}.Name>/*:*"),
            "So are those of a run that is redriven.",
        )
    yield Acknowledged(
        "billing/ScheduleBillingRole",
        _any(f"{EXECUTIONS}:<{MACHINES['billing']}.Name>:*"),
        "It asks whether the run before works, whose name it made itself.",
    )
    yield Acknowledged(
        "api/Api/POST--api--v1--apps--{id}--stripe--webhook",
        _rule("APIG4"),
        "Stripe cannot send our key; the handler verifies Stripe's signature over the raw body.",
    )
    yield Acknowledged(
        "api/Api/GET--api--v1--openapi.json",
        _rule("APIG4"),
        "It says what the API looks like, which is public; tools that read it have no key.",
    )
    yield Acknowledged(
        "api/Api/GET--healthz",
        _rule("APIG4"),
        "Monitors have no key; it says nothing of tenants, reads once in five seconds and has a throttle of its own.",
    )
    yield Acknowledged(
        "ingestion/Bootstrap", "CloudFormation-Validate::W9003", "CDK itself writes ServiceTimeout as a string."
    )


def _object_prefixes(stage: StageSettings) -> Iterator[Acknowledged]:
    """A function writes objects whose names it makes: the prefix is the narrowest resource there is."""
    users = {
        "ingestion/StreamAggregateRole": (STAGING, ARCHIVE, REJECTS, LOOK_BACK, FAILED_PREFIX),
        "ingestion/ScheduleSweepRole": (STAGING, ARCHIVE),
        "ingestion/ScheduleAuditRole": (ARCHIVE, QUARANTINE),
        "billing/WorkflowIssueInvoiceRole": (ARCHIVE,),
        "billing/ScheduleReconcileRole": (ARCHIVE,),
        "backfill/WorkflowFillHistoryRole": (ARCHIVE,),
        "migration/WorkflowPreviewMigrationRole": (ARCHIVE,),
        "api/HttpApiRole": (ARCHIVE, REJECTS, RESULTS),
    }
    for path, prefixes in users.items():
        for prefix in prefixes:
            yield Acknowledged(path, _any(f"tollbooth-{stage.name}-{ARCHIVE_ARN}/{prefix}"), PREFIXES[prefix])


def _plain_http() -> Iterator[Acknowledged]:
    reason = "The emulator speaks plain HTTP on loopback; the other stages are TLS only."
    yield Acknowledged("data/Archive", _rule("S10"), reason)
    yield Acknowledged("ingestion/Undelivered", _rule("SQS4"), reason)


def _some_actions() -> Iterator[Acknowledged]:
    reason = "The emulator asks PartiQL batches and the reading of Athena queries on *; AWS on table and workgroup."
    for path in ("ingestion/StreamAggregateRole", "ingestion/ScheduleSweepRole", "api/HttpApiRole"):
        yield Acknowledged(path, _any("*"), reason)


def _rule(name: str) -> str:
    return f"AwsSolutions::AwsSolutions-{name}"


def _any(resource: str) -> str:
    return _rule(f"IAM5[Resource::{resource}]")


def _find(service: Service, path: str) -> IConstruct:
    found: IConstruct = service
    for part in filter(None, path.split("/")):
        found = found.node.find_child(part)
    return found
