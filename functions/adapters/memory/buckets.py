"""Token buckets in a dict, for tests; they pass the same contract tests as DynamoDB."""

from dataclasses import dataclass, field

from functions.application.ports.buckets import BucketBusy, BucketsFailed, Taken
from functions.domain.rate_limit import Bucket


@dataclass
class MemoryBuckets:
    full_at: dict[Bucket, int] = field(default_factory=dict)
    percent: dict[Bucket, int] = field(default_factory=dict)
    is_failing: bool = False
    busy: set[Bucket] = field(default_factory=set)
    requests: int = 0

    def take(self, bucket: Bucket, time: int, *, now: int, latest: int, believable: int, expected: int | None) -> Taken:  # noqa: ARG002
        self.requests += 1
        if self.is_failing:
            raise BucketsFailed("told to")
        if bucket in self.busy:
            raise BucketBusy("told to")
        percent = self.percent.get(bucket, 100)
        stored = self.full_at.get(bucket, now)
        if latest < stored <= believable:
            return Taken(False, stored, percent)
        self.full_at[bucket] = (now if stored > believable else max(stored, now)) + time
        return Taken(True, self.full_at[bucket], percent)
