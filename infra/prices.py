"""The one price table: list prices of us-east-1 in their first tier, each with its source and date."""

from dataclasses import dataclass

GIB = 1024**3
HOURS_PER_MONTH = 730


@dataclass(frozen=True)
class Price:
    """US dollars for one unit; `free_per_month` is what every account gets for ever, used in the idle figure only."""

    usd: float
    unit: str
    source: str
    date: str
    free_per_month: float = 0.0

    def idle(self, units: float) -> float:
        return max(0.0, units - self.free_per_month) * self.usd


# Quantities that traffic produces; a tally's counters carry the same names.
PRICES = {
    "http_requests": Price(1.00e-6, "request of up to 512 KB", "aws.amazon.com/api-gateway/pricing", "2026-10"),
    "egress_bytes": Price(0.09 / GIB, "byte to the internet", "aws.amazon.com/ec2/pricing/on-demand", "2026-10"),
    "lambda_requests": Price(0.20e-6, "invocation", "aws.amazon.com/lambda/pricing", "2026-10", 1_000_000),
    "lambda_gb_seconds": Price(1.33334e-5, "GB-second on arm64", "aws.amazon.com/lambda/pricing", "2026-10", 400_000),
    "kinesis_put_units": Price(0.014e-6, "25 KB of a record", "aws.amazon.com/kinesis/data-streams/pricing", "2026-10"),
    "kinesis_shard_hours": Price(0.015, "shard-hour", "aws.amazon.com/kinesis/data-streams/pricing", "2026-10"),
    "kinesis_long_retention_shard_hours": Price(
        0.02, "shard-hour beyond a day's retention", "aws.amazon.com/kinesis/data-streams/pricing", "2026-10"
    ),
    "write_units": Price(0.625e-6, "on-demand write unit", "aws.amazon.com/dynamodb/pricing/on-demand", "2026-10"),
    "read_units": Price(0.125e-6, "on-demand read unit", "aws.amazon.com/dynamodb/pricing/on-demand", "2026-10"),
    "s3_puts": Price(5.00e-6, "PUT or COPY", "aws.amazon.com/s3/pricing", "2026-10"),
    "s3_gets": Price(0.40e-6, "GET", "aws.amazon.com/s3/pricing", "2026-10"),
    "s3_lists": Price(5.00e-6, "LIST", "aws.amazon.com/s3/pricing", "2026-10"),
    "athena_bytes": Price(5.00e-12, "byte scanned", "aws.amazon.com/athena/pricing", "2026-10"),
    "cold_moves": Price(2.00e-5, "transition to Glacier Instant Retrieval", "aws.amazon.com/s3/pricing", "2026-10"),
    "cold_gets": Price(1.00e-5, "GET of Glacier Instant Retrieval", "aws.amazon.com/s3/pricing", "2026-10"),
    "cold_reads": Price(0.03 / GIB, "byte out of Glacier Instant Retrieval", "aws.amazon.com/s3/pricing", "2026-10"),
    "log_bytes": Price(0.50 / GIB, "byte ingested", "aws.amazon.com/cloudwatch/pricing", "2026-10", 5 * GIB),
}

# Quantities that merely exist, per month.
MONTHLY = {
    "secrets": Price(0.40, "secret", "aws.amazon.com/secrets-manager/pricing", "2026-10"),
    "secret_reads": Price(0.05e-4, "API call", "aws.amazon.com/secrets-manager/pricing", "2026-10"),
    "alarm_metrics": Price(0.10, "metric an alarm looks at", "aws.amazon.com/cloudwatch/pricing", "2026-10", 10),
    "custom_metrics": Price(0.30, "custom metric", "aws.amazon.com/cloudwatch/pricing", "2026-10", 10),
    "dashboards": Price(3.00, "dashboard", "aws.amazon.com/cloudwatch/pricing", "2026-10", 3),
    "schedule_runs": Price(1.00e-6, "run", "aws.amazon.com/eventbridge/pricing", "2026-10", 14_000_000),
    "kms_requests": Price(0.03e-4, "request", "aws.amazon.com/kms/pricing", "2026-10", 20_000),
    "log_storage": Price(0.03 / GIB, "byte-month", "aws.amazon.com/cloudwatch/pricing", "2026-10", 5 * GIB),
    "dynamodb_storage": Price(
        0.25 / GIB, "byte-month", "aws.amazon.com/dynamodb/pricing/on-demand", "2026-10", 25 * GIB
    ),
    "dynamodb_recovery": Price(
        0.20 / GIB, "byte-month of point-in-time recovery", "aws.amazon.com/dynamodb/pricing/on-demand", "2026-11"
    ),
    "s3_cold_storage": Price(
        0.004 / GIB, "byte-month in Glacier Instant Retrieval", "aws.amazon.com/s3/pricing", "2026-11"
    ),
    "s3_storage": Price(0.023 / GIB, "byte-month", "aws.amazon.com/s3/pricing", "2026-10"),
    "cold_storage": Price(0.004 / GIB, "byte-month, of 128 KB at least", "aws.amazon.com/s3/pricing", "2026-10"),
    "dynamodb_backups": Price(
        0.20 / GIB, "byte-month, point in time", "aws.amazon.com/dynamodb/pricing/on-demand", "2026-10"
    ),
}
