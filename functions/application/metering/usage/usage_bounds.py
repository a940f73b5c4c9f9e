"""How much one question may read, and what to say when it is more."""

from dataclasses import dataclass

from functions.domain.errors import TooLarge

ELSEWHERE = "or ask the archive (POST /api/v1/archive/queries), which reads any number of events"


@dataclass(frozen=True)
class Bounds:
    """Sized so that the largest question ends within the 29 seconds and the 1 GB of the API's function."""

    rows: int = 20_000  # about what fits into an answer of 4 MB
    reads: int = 4_000  # requests to find out who has usage, of a few milliseconds each, ten at a time
    pages: int = 100_000  # 50 to 100 MB of items, in requests of 1 MB
    cells: int = 1_500_000  # about 10 microseconds each, of which their JSON takes a half
    value_bytes: int = 16_000_000  # of UNIQUE_COUNT: two million values, each 60 bytes in a set
    entries: int = 300_000  # of the hour index, many of them of other tenants; about 50 microseconds each
    objects: int = 2_000  # archived commits of at most 300 KB, ten at a time
    events: int = 2_000_000  # archived lines, about 3 microseconds each
    range_objects: int = 200  # to show an open range to the minute instead of the half hour


# An invoice has 300 seconds and a line takes all its windows and groups into one price.
BILLING = Bounds(
    rows=200_000,
    pages=1_000_000,
    cells=10_000_000,
    value_bytes=32_000_000,
    entries=3_000_000,
    objects=20_000,
    events=4_000_000,
)


@dataclass
class Budget:
    """What is left of the bounds while a question is answered; taking more than that raises TooLarge.

    Several questions of one request may share one; `remedy` then says how to ask for less.
    """

    bounds: Bounds
    remedy: str = ""
    reads: int = 0
    pages: int = 0
    cells: int = 0
    value_bytes: int = 0
    entries: int = 0
    objects: int = 0
    events: int = 0

    def take_page(self, cells: int) -> None:
        self.pages += 1
        self.cells += cells
        if self.pages > self.bounds.pages or self.cells > self.bounds.cells:
            raise self._too_large(
                f"read more than {self.bounds.pages} counter pages or {self.bounds.cells} counters",
                f"choose a shorter range, name subjects, {ELSEWHERE}",
            )

    def take_values(self, size: int) -> None:
        self.value_bytes += size
        if self.value_bytes > self.bounds.value_bytes:
            raise self._too_large(
                f"unite more than {self.bounds.value_bytes // 8} values",
                f"choose a shorter range, name subjects, {ELSEWHERE}",
            )

    def take_entry(self) -> None:
        self.entries += 1
        if self.entries > self.bounds.entries:
            raise self._too_much_log(f"{self.bounds.entries} entries of the archive's index")

    def take_object(self) -> None:
        self.objects += 1
        if self.objects > self.bounds.objects:
            raise self._too_much_log(f"{self.bounds.objects} archived commits")

    def take_event(self) -> None:
        self.events += 1
        if self.events > self.bounds.events:
            raise self._too_much_log(f"{self.bounds.events} archived events")

    def _too_much_log(self, bound: str) -> TooLarge:
        return self._too_large(
            f"read more than {bound}, because windows or the range begin inside a half hour or exact is set",
            "choose from and to on half hours and windows of an hour or more (in a time zone of half hours), a shorter "
            f"range, {ELSEWHERE}",
        )

    def _too_large(self, what: str, remedy: str) -> TooLarge:
        return TooLarge(f"The answer would {what}; {self.remedy or remedy}.")
