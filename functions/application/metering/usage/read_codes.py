"""A meter's codes in a lane: which cells are its, what groups they stand for, and how an event was grouped."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.ledger.ledger import Code
from functions.domain.metering.values.group_values import OTHER, TIGHT_CODE_LENGTH, fitting_groups

Groups = Mapping[str, str]


class MeterCodes:
    """The codes of one meter in one (tenant, lane), read once; `highest_number` is of the cells of all its meters."""

    def __init__(self, codes: Sequence[Code], meter_id: str, aggregation: Aggregation) -> None:
        self.codes = [code for code in codes if code.meter_id == meter_id]
        self.highest_number = max((code.number + code.parts - 1 for code in codes), default=-1)
        self._parts = len(aggregation.parts)

    def cells(self) -> Iterable[tuple[int, Code, int]]:
        """(cell number, code, part) of every cell that belongs to the meter."""
        return ((code.number + part, code, part) for code in self.codes for part in range(self._parts))

    @cached_property
    def crowded(self) -> frozenset[int]:
        """The numbers of cells that stand for all groups that had no code."""
        return frozenset(number for number, code, _ in self.cells() if _is_other(code))

    def counted_as(self, groups: Groups, n: int) -> Groups:
        """The groups an event of commit n was counted under: its own, or `__other__` where they had no code then."""
        if sum(map(len, groups.values())) > TIGHT_CODE_LENGTH and _key(groups) not in self._births:
            tight = fitting_groups(groups, TIGHT_CODE_LENGTH)
            groups = tight if _key(tight) in self._births else groups
        if not self._has_other:
            return groups
        born = self._births.get(_key(groups))
        return groups if born is not None and born <= n else dict.fromkeys(groups, OTHER)

    @cached_property
    def _has_other(self) -> bool:
        return any(map(_is_other, self.codes))

    @cached_property
    def _births(self) -> dict[tuple[tuple[str, str], ...], int]:
        return {_key(code.groups): code.n for code in self.codes}


def _is_other(code: Code) -> bool:
    return bool(code.groups) and set(code.groups.values()) == {OTHER}


def _key(groups: Groups) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(groups.items()))
