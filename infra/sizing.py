"""What a rate of events needs, all from one figure: shards, lanes, functions at once, requests, a table that is warm.

The arithmetic is told in `infra/README.md`, "How large".
"""

from dataclasses import dataclass
from math import ceil

# A shard takes 1,000 records and 1 MB a second ("Quotas and limits", Kinesis Data Streams Developer Guide). A quarter
# is room for what comes unevenly.
RECORDS_PER_SHARD = 750
# Packed, an event of 300 bytes takes about 70 (`make bench`).
EVENTS_PER_SHARD = 15_000 * 3 // 4
LANES, MANY_LANES = 8, 64
LANES_PER_SHARD = 2
# Seconds a request keeps a function, with room for cold starts: the key is read, the stream acknowledges.
AUTHORIZE_SECONDS, INGEST_SECONDS = 0.025, 0.1
LEAST_AUTHORIZE, LEAST_INGEST, API = 50, 200, 400
# Of all callers to one route; an account's own throttle is 10,000 unless AWS has raised it.
LEAST_REQUESTS, MOST_REQUESTS = 2_000, 10_000
# Units that counting an event takes when events come one a call (`make bench`, at most), and what a new table takes at
# once without being warmed ("Understanding DynamoDB warm throughput", DynamoDB Developer Guide).
WRITE_UNITS_PER_EVENT = 0.5
WARM_WRITES = 4_000


@dataclass(frozen=True)
class Sizing:
    """`events_per_second` at the busiest, of clients that send `events_per_call` at once on average."""

    events_per_second: int
    events_per_call: int
    fixed_lanes: int | None = None

    def __post_init__(self) -> None:
        if self.events_per_second < 1 or self.events_per_call < 1:
            raise ValueError("events_per_second and events_per_call must be at least 1.")
        if self.calls > MOST_REQUESTS:
            raise ValueError(
                f"{self.events_per_second} events a second, {self.events_per_call} a call, are {self.calls} calls a "
                f"second; the gateway takes {MOST_REQUESTS}. Send more events a call, or split the deployment."
            )
        if self.shards * LANES_PER_SHARD > MANY_LANES:
            raise ValueError(
                f"{self.events_per_second} events a second need {self.shards} shards, and {MANY_LANES} lanes keep "
                f"{MANY_LANES // LANES_PER_SHARD} busy. Send more events a call, or split the deployment."
            )

    @property
    def calls(self) -> int:
        """Requests a second."""
        return ceil(self.events_per_second / self.events_per_call)

    @property
    def shards(self) -> int:
        """A call makes a record for each lane that it has events of, at most."""
        by_records = {
            lanes: ceil(self.calls * min(self.events_per_call, lanes) / RECORDS_PER_SHARD)
            for lanes in (LANES, MANY_LANES)
        }
        by_bytes = ceil(self.events_per_second / EVENTS_PER_SHARD)
        if self.fixed_lanes is not None:
            return max(ceil(self.calls * min(self.events_per_call, self.fixed_lanes) / RECORDS_PER_SHARD), by_bytes)
        few = max(by_records[LANES], by_bytes)
        return few if few * LANES_PER_SHARD <= LANES else max(by_records[MANY_LANES], by_bytes)

    @property
    def lanes(self) -> int:
        if self.fixed_lanes is not None:
            return self.fixed_lanes
        return LANES if self.shards * LANES_PER_SHARD <= LANES else MANY_LANES

    @property
    def requests(self) -> int:
        return max(LEAST_REQUESTS, self.calls)

    @property
    def authorize(self) -> int:
        return max(LEAST_AUTHORIZE, ceil(self.calls * AUTHORIZE_SECONDS))

    @property
    def ingest(self) -> int:
        return max(LEAST_INGEST, ceil(self.calls * INGEST_SECONDS))

    @property
    def warm_writes(self) -> int:
        """Write units a second that the usage table must take from its first minute."""
        return max(WARM_WRITES, ceil(self.events_per_second * WRITE_UNITS_PER_EVENT))
