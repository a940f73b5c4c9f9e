"""The production ledger under 20,000 schedules of crashes, zombies and redeliveries, and its thirteen mutants."""

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.world import MAX_METERS, simulate

SCHEDULES_PER_CASE = 1_000
SUM_CASES = 14
MAX_CASES = 6
MUTANT_SCHEDULES = 3_000  # enough for the rarest of them many times over; the search ends at the first catch


@pytest.mark.parametrize("case", range(SUM_CASES))
def test_sums_totals_and_archive_are_exact_in_every_schedule(case: int) -> None:
    first = case * SCHEDULES_PER_CASE
    wrong = {seed: problems for seed in range(first, first + SCHEDULES_PER_CASE) if (problems := simulate(seed))}
    assert not wrong


@pytest.mark.parametrize("case", range(MAX_CASES))
def test_maxima_are_exact_in_every_schedule(case: int) -> None:
    first = 1_000_000 + case * SCHEDULES_PER_CASE
    seeds = range(first, first + SCHEDULES_PER_CASE)
    wrong = {seed: problems for seed in seeds if (problems := simulate(seed, MAX_METERS))}
    assert not wrong


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_is_caught(name: str) -> None:
    meters, writer_class, ledger_class = MUTANTS[name]
    caught = next(
        (seed for seed in range(MUTANT_SCHEDULES) if _goes_wrong(seed, meters, writer_class, ledger_class)), None
    )
    assert caught is not None, f"{name} survived {MUTANT_SCHEDULES} schedules"


def _goes_wrong(seed: int, *options: object) -> bool:
    try:
        return bool(simulate(seed, *options))  # type: ignore[arg-type]
    except (AssertionError, KeyError):
        return True
