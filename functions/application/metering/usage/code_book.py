"""What codes stand for, as this process has read it: a number keeps its meaning, so only new ones are read again."""

from collections import OrderedDict
from typing import Protocol

from functions.application.ports.ledger import LedgerReader
from functions.domain.metering.ledger.ledger import Code

MAX_KNOWN_CODES = 200_000  # about 300 bytes each


class Codes(Protocol):
    def codes(self, tenant: str, lane: int) -> list[Code]:
        """All of a lane."""
        ...


class CodeBook:
    """The codes of one ledger, by tenant and lane."""

    def __init__(self, ledger: LedgerReader, max_codes: int = MAX_KNOWN_CODES) -> None:
        self._ledger = ledger
        self._max_codes = max_codes
        self._known: OrderedDict[tuple[str, int], list[Code]] = OrderedDict()
        self._count = 0

    def codes(self, tenant: str, lane: int) -> list[Code]:
        """All there are now."""
        known = self._known.get((tenant, lane), [])
        found = list(self._ledger.codes(tenant, lane, _end_of(known)))
        every = [*known, *found]
        self._remember((tenant, lane), known, found)
        return every

    def _remember(self, place: tuple[str, int], known: list[Code], found: list[Code]) -> None:
        """A commit's codes are stored in any order: whatever lies behind a gap is read again."""
        for code in found:
            if code.number - code.skipped != _end_of(known):
                break
            known.append(code)
            self._count += 1
        self._known[place] = known
        self._known.move_to_end(place)
        while self._count > self._max_codes:
            _, forgotten = self._known.popitem(last=False)
            self._count -= len(forgotten)


def _end_of(codes: list[Code]) -> int:
    return codes[-1].number + codes[-1].parts if codes else 0
