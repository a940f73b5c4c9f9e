"""How the functions of an account that run at once are shared out: a flood at one door leaves the others theirs.

What is reserved for a function nobody else can take, and it is also the most that the function gets.
"""

from collections.abc import Mapping

from infra.sizing import API
from infra.stage import StageSettings

# AWS refuses a deployment that leaves less to the functions without a share of their own.
LEAST_UNRESERVED = 100
# Batches of one shard that are counted at once. More would only contend for the same lanes.
PARALLELIZATION_FACTOR = 1


def reserved(stage: StageSettings) -> Mapping[str, int]:
    """By handler; none where nothing is reserved. Raises ValueError when the account has too few for the shares."""
    if stage.account_concurrency is None:
        return {}
    shares = {
        # Twice as many as shards: while they are split or merged, the old ones are still read.
        "stream_aggregate": 2 * stage.shards * PARALLELIZATION_FACTOR,
        "http_authorize": stage.sizing.authorize,
        "http_ingest": stage.sizing.ingest,
        "http_api": API,
    }
    least = sum(shares.values()) + LEAST_UNRESERVED
    if stage.account_concurrency < least:
        raise ValueError(
            f"account_concurrency is {stage.account_concurrency}, but {least} are needed: {shares} and "
            f"{LEAST_UNRESERVED} that AWS keeps for all others. Ask for a higher quota (Lambda concurrent executions) "
            "or set it to None and nothing is reserved."
        )
    return shares
