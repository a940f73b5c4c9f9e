"""The first half of an audit: is the day's log gapless, do its counts add up, and does the archive hold its events?"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

from functions.application.ports.audit import AuditedArchive, AuditedLedger
from functions.application.ports.ledger import ArchivedEvent
from functions.domain.metering.ledger.audit import DAY_SECONDS, Kind, LaneDay
from functions.domain.metering.ledger.ledger import HOUR_SECONDS, VOIDED, Commit, Counts, bucket_of
from functions.domain.metering.ledger.look_back import unpack_fingerprints
from functions.domain.metering.values.lanes import Lanes

SKEW_SECONDS = 300  # clocks of two writers may differ: commits are looked at that much around the day
COMMITS_AT_A_TIME = 20  # with their objects in memory


class CommitAudit:
    def __init__(self, ledger: AuditedLedger, archive: AuditedArchive, lanes: Lanes) -> None:
        self._ledger = ledger
        self._archive = archive
        self._lanes = lanes

    def run(self, result: LaneDay, start: int) -> range:
        """Adds what the day's commits hold and every difference to the result; returns the numbers of the commits."""
        commits = self._of_day(result, start)
        first = last = 0
        while some := list(islice(commits, COMMITS_AT_A_TIME)):
            first, last = first or some[0].n, some[-1].n
            wanted = [(commit.n, commit.decided_at // HOUR_SECONDS) for commit in some if commit.fingerprints]
            objects = dict(self._archive.lines_of(result.lane, wanted))
            for commit in some:
                self._check(result, commit, objects.get(commit.n))
        for counts in self._ledger.tallies(result.lane, start, start + DAY_SECONDS):
            result.counts += counts
            _check_counts(result, "a batch without a commit", counts)
        return range(first, last + 1) if first else range(0)

    def _of_day(self, result: LaneDay, start: int) -> Iterator[Commit]:
        # Of a lane that was quiet for long only the head is left.
        last = self._ledger.last_commit_number(result.lane) or self._ledger.head(result.lane)
        first = self._first_since(result.lane, start - SKEW_SECONDS, last)
        result.last_commit = first - 1
        previous = None
        for commit in self._ledger.commits_from(result.lane, first):
            if previous is not None and commit.n != previous + 1:
                result.differ(Kind.COMMIT_MISSING, f"commits {previous + 1} to {commit.n - 1}")
            previous = commit.n
            if commit.decided_at >= start + DAY_SECONDS + SKEW_SECONDS:
                return
            if commit.decided_at < start + DAY_SECONDS:
                result.last_commit = commit.n
            if start <= commit.decided_at < start + DAY_SECONDS:
                yield commit

    def _first_since(self, lane: int, second: int, last: int) -> int:
        """The first commit decided from then on, found by halves; commits that expired were decided before."""
        low, high = 1, last + 1
        while low < high:
            middle = (low + high) // 2
            commit = self._ledger.commit(lane, middle)
            if commit is not None and commit.decided_at >= second:
                high = middle
            else:
                low = middle + 1
        return low

    def _check(self, result: LaneDay, commit: Commit, lines: Sequence[ArchivedEvent] | None) -> None:
        result.commits += 1
        result.counts += commit.counts
        _check_counts(result, f"commit {commit.n}", commit.counts)
        if not commit.fingerprints:
            return
        if lines is None:
            result.differ(Kind.OBJECT_MISSING, f"commit {commit.n}", commit.counts.accepted, 0)
            return
        events = sum(not line.voids for line in lines)
        result.archived += events
        if events != commit.counts.accepted or self._fingerprints(lines) != _in_order(commit):
            result.differ(Kind.LINES, f"commit {commit.n}", commit.counts.accepted, events)

    def _fingerprints(self, lines: Sequence[ArchivedEvent]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for line in lines:
            found[bucket_of(line.time_seconds)].append(line_fingerprint(self._lanes, line))
        return {bucket: sorted(fingerprints) for bucket, fingerprints in found.items()}


def line_fingerprint(lanes: Lanes, line: ArchivedEvent) -> int:
    """What stands for a line in its bucket; the voiding of an event has a fingerprint of its own."""
    fingerprint = lanes.fingerprint(line.tenant, line.subject, line.source, line.id)
    return fingerprint ^ VOIDED if line.voids else fingerprint


def _in_order(commit: Commit) -> dict[int, list[int]]:
    return {bucket: sorted(unpack_fingerprints(chunk)) for bucket, chunk in commit.fingerprints.items()}


def _check_counts(result: LaneDay, place: str, counts: Counts) -> None:
    told = counts.accepted + counts.duplicates + counts.rejected
    if counts.received != told:
        result.differ(Kind.COUNTS, place, counts.received, told)
