"""What cannot be counted on one machine, each figure with its reason."""

# A Lambda function is billed while it waits. Typical in-region latencies of one request, in seconds.
LATENCY = {
    "requests.dynamodb": 0.005,
    "requests.dynamodb_batch": 0.012,  # 25 conditional updates in one request
    "requests.s3": 0.035,
    "requests.kinesis": 0.015,
}
# 1,769 MB is one vCPU; below that CPU time stretches. This machine's core is taken for one Graviton vCPU.
ONE_VCPU_MB = 1_769
# How long a busy execution environment lives before Lambda replaces it: INIT and a cold lane load are spread over it.
ENVIRONMENT_SECONDS = 7_200
# INIT of the stream functions: interpreter, import, clients. Billed since August 2025.
INIT_SECONDS = 0.8
# Headers of a 204 answer.
RESPONSE_BYTES = 250
# The authorizer runs for every call; each of the client keys in use costs one read a minute where it runs.
CLIENT_KEYS = 10
KEY_REMEMBERED_SECONDS = 60
AUTHORIZER_CPU_SECONDS = 0.001
# Of events: outside the acceptance window, or with a value that a meter cannot take.
REJECTED_SHARE = 0.001
# Each is a whole delivery, which Lambda puts into the archive bucket an hour before it would be lost; nothing ends it.
FAILED_BATCHES_A_YEAR = 12
# Kinesis asks KMS for a data key about every five minutes, for a producer and for a consumer (Costs, regions, and
# performance considerations, Kinesis Data Streams): heartbeats do both all day.
KMS_REQUESTS_PER_SHARD_HOUR = 24
# 25-KB units and shard limits are AWS's own.
MAX_INVOCATION_BYTES = 6 * 1024 * 1024
MAX_INVOCATION_RECORDS = 10_000
SHARD_RECORDS_PER_SECOND = 1_000
SHARD_BYTES_PER_SECOND = 1024 * 1024


def gb_seconds(cpu_seconds: float, requests: dict[str, float], memory_mb: int) -> float:
    """Billed duration times memory: CPU measured here, stretched below one vCPU, and waiting for each request."""
    stretched = cpu_seconds * max(1.0, ONE_VCPU_MB / memory_mb)
    waiting = sum(LATENCY.get(name, 0.0) * count for name, count in requests.items())
    return (stretched + waiting) * memory_mb / 1024
