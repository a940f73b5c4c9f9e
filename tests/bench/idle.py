"""What a deployment costs while nothing happens, and what stored events cost; always-free tiers count here only."""

from functions.domain.metering.cells.pages import PAGE_SECONDS
from functions.handlers.metering import schedule_heartbeat, schedule_sweep, stream_aggregate
from infra import standing
from infra.prices import HOURS_PER_MONTH, MONTHLY, PRICES
from tests.bench import assumptions as assume
from tests.bench.deployed import Deployed
from tests.bench.scenario import delivered
from tests.bench.stand import Measured, Stand
from tests.bench.tally import Tally

DAYS_PER_MONTH = HOURS_PER_MONTH / 24
# Chunks live for the acceptance window, the stream's retention and a day; DynamoDB may take two more to delete.
FINGERPRINT_DAYS = 45 + 1 + 1 + 2
COMMIT_DAYS = 8 + 2
KEPT_DAYS = 45
# DynamoDB's own bytes for every stored item.
ITEM_OVERHEAD_BYTES = 100
# The billing schedule's query, and a new environment each time because 15 minutes of idleness end the last one.
BILLING_READ_UNITS = 1
# An idle lane's day is 300 buckets and a few items, once a day; in the other hours only the results are read.
LANE_AUDIT_READ_UNITS = 310 / 24
# Of the sweeper and of the aggregator, which counts heartbeats.
COLD_STARTS_READ_SECRETS = 2
# Told while nothing happens: lane lag, audit difference, failed batches, billed difference, heartbeat age.
IDLE_METRICS = 5
# Of the failed batches, by each audit.
AUDIT_LISTS = 1


def usd_per_month(endpoint: str, deployed: Deployed, now: float, lanes: int = 8) -> dict[str, float]:
    """By line; the sweeper, the heartbeat and the aggregator are run to see what they ask for."""
    stand = Stand(endpoint, lanes, now)
    stand.invoke(schedule_sweep.handler, {})
    swept = stand.invoke(schedule_sweep.handler, {})
    _heartbeat(stand)  # the second finds the lanes loaded, as nearly every one does
    put, counted = _heartbeat(stand)
    stand.drop()
    beats = deployed.schedules_per_hour["schedule_heartbeat"] * HOURS_PER_MONTH
    sweeps = deployed.schedules_per_hour["schedule_sweep"] * HOURS_PER_MONTH
    runs = deployed.schedules_per_hour["schedule_billing"] * HOURS_PER_MONTH
    sweep_memory, billing_memory = deployed.memory_mb["schedule_sweep"], deployed.memory_mb["schedule_billing"]
    audits = deployed.schedules_per_hour["schedule_audit"] * HOURS_PER_MONTH
    audit_memory = deployed.memory_mb["schedule_audit"]
    looks = deployed.schedules_per_hour["schedule_reconcile"] * HOURS_PER_MONTH
    tries = deployed.schedules_per_hour["schedule_entitle"] * HOURS_PER_MONTH
    try_memory = deployed.memory_mb["schedule_entitle"]
    look_memory = deployed.memory_mb["schedule_reconcile"]
    audit_reads = lanes * LANE_AUDIT_READ_UNITS + 2
    audit = assume.gb_seconds(assume.INIT_SECONDS, {"requests.dynamodb": audit_reads}, audit_memory)
    billing = assume.gb_seconds(assume.INIT_SECONDS, {"requests.dynamodb": 1}, billing_memory)
    # Nothing came late, and no invoice waits to be looked at: a query each, and the environment is new.
    look = assume.gb_seconds(assume.INIT_SECONDS, {"requests.dynamodb": 2}, look_memory)
    entitle = assume.gb_seconds(assume.INIT_SECONDS, {"requests.dynamodb": 1}, try_memory)
    # The sweeper runs often enough to keep its environment; INIT is charged every ENVIRONMENT_SECONDS.
    inits = HOURS_PER_MONTH * 3_600 / assume.ENVIRONMENT_SECONDS
    sweep = assume.gb_seconds(swept.cpu_seconds, swept.tally, sweep_memory) * sweeps
    sweep += assume.gb_seconds(assume.INIT_SECONDS, {}, sweep_memory) * inits
    beat = assume.gb_seconds(put.cpu_seconds, put.tally, deployed.memory_mb["schedule_heartbeat"]) * beats
    beat += assume.gb_seconds(counted.cpu_seconds, counted.tally, deployed.memory_mb["stream_aggregate"]) * beats
    for handler in ("schedule_heartbeat", "stream_aggregate"):
        beat += assume.gb_seconds(assume.INIT_SECONDS, {}, deployed.memory_mb[handler]) * inits
    ticks = sweeps + runs + audits + looks + tries + beats
    log_bytes = swept.log_bytes * (ticks - beats) + (put.log_bytes + counted.log_bytes) * beats
    return {
        **standing.usd_per_month(deployed.standing),
        "secret reads": MONTHLY["secret_reads"].idle(inits * COLD_STARTS_READ_SECRETS),
        "custom metrics": MONTHLY["custom_metrics"].idle(IDLE_METRICS),
        "KMS requests": MONTHLY["kms_requests"].idle(
            deployed.standing.shards * HOURS_PER_MONTH * assume.KMS_REQUESTS_PER_SHARD_HOUR
        ),
        "schedules": MONTHLY["schedule_runs"].idle(ticks),
        "invocations": PRICES["lambda_requests"].idle(ticks + beats),
        "GB-seconds": PRICES["lambda_gb_seconds"].idle(
            sweep + billing * runs + audit * audits + look * looks + entitle * tries + beat
        ),
        "heartbeat puts": put.tally["kinesis_put_units"] * beats * PRICES["kinesis_put_units"].usd,
        "heartbeat notes": counted.tally.total("write_units") * beats * PRICES["write_units"].usd,
        "lists of failed batches": AUDIT_LISTS * audits * PRICES["s3_puts"].usd,
        "reads": (
            swept.tally["read_units"] * sweeps
            + BILLING_READ_UNITS * runs
            + audit_reads * audits
            + 2 * looks
            + tries
            + (put.tally["read_units"] + counted.tally["read_units"]) * beats
        )
        * PRICES["read_units"].usd,
        "logs": PRICES["log_bytes"].idle(log_bytes) + MONTHLY["log_storage"].idle(log_bytes),
    }


def _heartbeat(stand: Stand) -> tuple[Measured, Measured]:
    """Put, and counted."""
    stand.clock.seconds += 60
    put = stand.invoke(schedule_heartbeat.handler, {})
    records = delivered(stand.counter.take_records(), stand.clock.seconds)
    return put, stand.invoke(stream_aggregate.handler, {"Records": records})


def stored_bytes(per_event: Tally, kind: str) -> float:
    """In DynamoDB, of an event."""
    return per_event[f"stored.{kind}"] + per_event[f"stored_items.{kind}"] * ITEM_OVERHEAD_BYTES


def usd_storage_per_million(per_event: Tally, rate: float, subjects: int, page_bytes: int) -> dict[str, float]:
    """Of a million events: what is kept of them, for as long as it is kept; the permanent part for 45 days."""
    database, bucket = MONTHLY["dynamodb_storage"].usd, MONTHLY["s3_storage"].usd

    def item_bytes(kind: str) -> float:
        return stored_bytes(per_event, kind)

    pages = subjects * (page_bytes + ITEM_OVERHEAD_BYTES) / (rate * PAGE_SECONDS)
    return {
        "fingerprints": item_bytes("fingerprints") * database * FINGERPRINT_DAYS / DAYS_PER_MONTH * 1e6,
        "commits": item_bytes("commits") * database * COMMIT_DAYS / DAYS_PER_MONTH * 1e6,
        "hour index": item_bytes("hour_index") * database * KEPT_DAYS / DAYS_PER_MONTH * 1e6,
        "counters": pages * database * KEPT_DAYS / DAYS_PER_MONTH * 1e6,
        "archive": per_event["stored.archive"] * bucket * KEPT_DAYS / DAYS_PER_MONTH * 1e6,
    }
