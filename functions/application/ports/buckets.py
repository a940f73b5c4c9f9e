"""What limiting rates needs of its storage: one instant a bucket, moved by a single conditional write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from functions.domain.rate_limit import Bucket


@dataclass(frozen=True)
class Taken:
    """Whether the units were taken, the instant stored then, and what the operator gave this bucket beyond the rule."""

    is_taken: bool
    full_at: int
    percent: int = 100


class BucketsFailed(Exception):
    """The storage did not answer."""


class BucketBusy(Exception):
    """This bucket is written to more often than the storage can, which only a flood of its own tenant does."""


class Buckets(Protocol):
    def take(self, bucket: Bucket, time: int, *, now: int, latest: int, believable: int, expected: int | None) -> Taken:
        """Move the instant at which the bucket is full by `time`, from `now` on, unless it lies behind `latest`.

        An instant behind `believable` was written by a wrong clock and counts as now. `expected` is what the caller
        last saw; it saves a write when it is right. Raises BucketsFailed and BucketBusy.
        """
        ...
