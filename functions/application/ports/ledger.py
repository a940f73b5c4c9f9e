"""What the metering ledger needs of its storage; every method of one item is one atomic request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from functions.application.ports.history import HistoryReader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from functions.domain.metering.cells.pages import Page, PageKey, PageWrite, UnitedChunks, ValueChunk
    from functions.domain.metering.ledger.history import HistoryPart
    from functions.domain.metering.ledger.hour_index import HourEntry
    from functions.domain.metering.ledger.ledger import BatchTally, Code, Commit, Reject
    from functions.domain.metering.ledger.reject import Location
    from functions.domain.metering.meters.meter import MeterSet
    from functions.domain.metering.values.event import CloseMarker, Event, Pack, Void


class EventStream(Protocol):
    """The way from ingest to the lanes."""

    def put(self, records: Sequence[Pack | CloseMarker]) -> None:
        """Returns once every record is acknowledged; raises Unavailable when the stream cannot take them."""
        ...


class Ledger(Protocol):
    """The lanes' logs and what is derived from them. Reads are strongly consistent."""

    def last_commit_number(self, lane: int) -> int:
        """The highest commit still stored, 0 if none; old commits expire."""
        ...

    def head(self, lane: int) -> int:
        """The highest commit known to be applied, its pages too; 0 if none; never expires."""
        ...

    def commit(self, lane: int, n: int) -> Commit | None: ...

    def commits_before(self, lane: int, n: int, decided_since: int) -> Iterable[Commit]:
        """Commits n, n-1, ... back to the last one decided at or after `decided_since`."""
        ...

    def commits_from(self, lane: int, n: int) -> Iterable[Commit]:
        """The commits n and later that are stored, in order, as they are consumed."""
        ...

    def put_commits(self, commits: Sequence[Commit]) -> Sequence[Commit | None]:
        """Store each commit whose number is free; for every other one answers the commit that holds the number."""
        ...

    def chunk(self, lane: int, bucket: int) -> bytes:
        """All fingerprints accepted in a bucket, 8 bytes each."""
        ...

    def chunks(self, lane: int, buckets: Sequence[int]) -> Mapping[int, bytes]:
        """The same of many buckets."""
        ...

    def commits_of_bucket(self, lane: int, bucket: int) -> Iterable[tuple[int, bytes]]:
        """The same by commit: (number, fingerprints it accepted in the bucket)."""
        ...

    def put_index(self, commits: Sequence[Commit]) -> None:
        """The commits' fingerprint chunks, their places in the hour index, their new codes and subjects, what they did
        about corrections; in any order."""
        ...

    def commits_in_hour(self, lane: int, hour: int) -> list[tuple[int, int]]:
        """(commit number, hour it was decided in) of the commits with events in an hour."""
        ...

    def put_late(self, commits: Sequence[Commit]) -> None:
        """Say whose usage of which days came late, see `metering/late.py`."""
        ...

    def put_markers(self, commits: Sequence[Commit]) -> None: ...

    def put_history(self, parts: Sequence[HistoryPart]) -> None:
        """Write whole parts, over any that were there before."""
        ...

    def read_pages(self, keys: Sequence[PageKey]) -> Iterable[Page]:
        """The pages as they are, in any order; one that does not exist has the stamp 0 and no cells."""
        ...

    def write_pages(self, writes: Sequence[PageWrite]) -> Sequence[bool]:
        """Write the changed cells of each page and its new stamp if it still bears the stamp it was seen with.

        Each page is one atomic write; says which of them were written. What happened to the others is not known.
        """
        ...

    def put_value_chunks(self, chunks: Sequence[ValueChunk]) -> None:
        """Keep distinct values beside their pages; all those of a commit and page replace earlier ones."""
        ...

    def unite_value_chunks(self, united: Sequence[UnitedChunks]) -> None:
        """Keep each of them, and then delete its parts.

        Readers find what was united behind all parts of its page, so a reader that misses a part, because it was
        deleted meanwhile, comes to the values it held.
        """
        ...

    def advance_heads(self, heads: Mapping[int, int]) -> None:
        """Raise the heads of lanes to their numbers; a higher head stays."""
        ...

    def put_tallies(self, tallies: Sequence[BatchTally]) -> None: ...

    def codes(self, tenant: str, lane: int) -> Iterable[Code]: ...

    def known_subjects(self, tenant: str, lane: int, subjects: Sequence[str]) -> set[str]: ...

    def meter_sets(self, tenants: Sequence[str]) -> Mapping[str, MeterSet]:
        """Of each of the tenants, an empty one of version 0 where there are no meters."""
        ...

    def put_rejects(self, rejects: Sequence[Reject]) -> None: ...

    def left_out(self, tenant: str, identity: str, time: int, line: Location) -> set[str]:
        """The meters that could take no value from an accepted event, by its name and its location in the archive."""
        ...


class Archive(Protocol):
    """Accepted events as they were, in objects that a commit names."""

    def stage(self, lane: int, attempt: str, body: bytes) -> str:
        """Keep a body under a key of this attempt alone; returns the key."""
        ...

    def publish(self, commit: Commit) -> None:
        """Put the commit's events under their final key, from its staged object or its inline copy."""
        ...

    def encode(
        self, groups: Sequence[tuple[str, str, list[Event]]], received_at: int, versions: dict[str, int]
    ) -> bytes: ...

    def encode_voids(self, voids: Sequence[tuple[str, Void]], received_at: int, versions: dict[str, int]) -> bytes:
        """Lines that say which events do not count, each with its tenant."""
        ...

    def lines_of(
        self, lane: int, commits: Sequence[tuple[int, int]]
    ) -> Iterable[tuple[int, Sequence[ArchivedEvent] | None]]:
        """(commit, its lines) of commits (number, hour it was decided in), in order; None for a missing object."""
        ...


class KeptRecords(Protocol):
    def rejected_record(self, key: str) -> bytes:
        """Bytes that could not be processed, as they came; raises NotFound when they are gone."""
        ...


class LogIndex(Protocol):
    def index_of_hours(self, lane: int, hours: Collection[int]) -> Iterable[HourEntry]:
        """The commits with events in hours that need not follow one another, newest first; gaps between the hours cost
        no request by themselves.

        Read as it is consumed. A commit is listed under each of its hours.
        """
        ...


class LedgerReader(HistoryReader, LogIndex, Protocol):
    """What answering questions about usage needs of the ledger."""

    def pages(
        self, tenant: str, lane: int, subject: str | None, first_span: int, last_span: int, at_once: int | None = None
    ) -> Iterable[Page]:
        """The pages of a subject, or of the whole lane, whose spans are in first..last.

        `at_once` is for readers that stop early: how many are fetched by one request, at most.
        """
        ...

    def read_pages(self, keys: Sequence[PageKey]) -> Iterable[Page]:
        """Those pages alone, in any order; one that does not exist has the stamp 0 and no cells."""
        ...

    def value_chunks(
        self, tenant: str, lane: int, subject: str | None, first_span: int, last_span: int
    ) -> Iterable[tuple[PageKey, str, bytes]]:
        """(page, cell, packed values) beside those pages; a value may be in several chunks and in the cell.

        Read as they are consumed, those that were united behind the others of their page.
        """
        ...

    def codes(self, tenant: str, lane: int, first: int = 0) -> Iterable[Code]:
        """The codes of a lane from a number on, in order."""
        ...

    def subjects(self, tenant: str, lane: int, limit: int, after: str = "") -> list[str]:
        """The first subjects of a lane behind `after`, in the order of their code points."""
        ...

    def commits_in_hour(self, lane: int, hour: int) -> list[tuple[int, int]]:
        """(commit number, hour it was decided in) of the commits with events in an hour."""
        ...

    def hour_index(
        self, lane: int, newest_hour: int, oldest_hour: int, below: int | None = None, *, only_voids: bool = False
    ) -> Iterable[HourEntry]:
        """The commits with events in the hours, newest first, with what is known of their events.

        Read as it is consumed: a caller that stops early pays for what it took. A commit is listed under each of its
        hours. `below` begins behind the commit of that number in the newest hour; `only_voids` skips those that void
        nothing.
        """
        ...

    def marked_lanes(self, marker: str) -> dict[int, int]:
        """The lanes that have counted everything before the marker, with the commit that says so."""
        ...

    def head(self, lane: int) -> int:
        """The highest commit whose pages are written."""
        ...

    def heads(self, lanes: Sequence[int]) -> Mapping[int, int]:
        """Of each of the lanes, by one request for a hundred."""
        ...

    def commits_from(self, lane: int, n: int) -> Iterable[Commit]:
        """The commits n and later that are stored, in order, as they are consumed."""
        ...


class ArchivedEvent(Protocol):
    """An accepted event as it is kept; `meter_version` is the meter set it was counted with, `commit` the number of the
    commit that accepted it.

    With `voids`, a correction's id, it is the voiding of the event of that name: `countable` of `voiding` tells.
    """

    @property
    def voids(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def meter_version(self) -> int: ...
    @property
    def commit(self) -> int: ...
    @property
    def time_seconds(self) -> int: ...
    @property
    def micros(self) -> int: ...
    @property
    def received_seconds(self) -> int: ...
    @property
    def raw_data(self) -> bytes: ...
    @property
    def raw_extensions(self) -> bytes: ...


class ArchiveReader(Protocol):
    """Raises ArchiveGap for an object that is not there or cannot be read."""

    def events(self, lane: int, n: int, decided_hour: int) -> Iterable[ArchivedEvent]: ...

    def events_of(self, lane: int, commits: Sequence[tuple[int, int]]) -> Iterable[ArchivedEvent]:
        """The events of many commits, each (number, hour it was decided in); read as they are consumed."""
        ...
