"""The production ledger under 20,000 schedules of crashes, zombies and redeliveries, and its twenty-one mutants."""

import pytest

from functions.domain.errors import Unavailable
from functions.domain.metering.meter import MeterSet
from tests.simulation.mutants import MUTANTS
from tests.simulation.world import ALL_METERS, MAX_METERS, SUM_METERS, UNIQUE_METERS, make_cells_small, simulate

SCHEDULES_PER_CASE = 1_000
CASES = [
    *[(SUM_METERS, number) for number in range(11)],
    *[(MAX_METERS, number) for number in range(1_000, 1_003)],
    *[(UNIQUE_METERS, number) for number in range(2_000, 2_003)],
    *[(ALL_METERS, number) for number in range(3_000, 3_003)],
]
MUTANT_SCHEDULES = 3_000  # enough for the rarest of them many times over; the search ends at the first catch


@pytest.fixture(autouse=True)
def small_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    make_cells_small(monkeypatch)


@pytest.mark.parametrize(("meters", "case"), CASES, ids=[f"{len(meters.meters)}-{case}" for meters, case in CASES])
def test_counters_totals_and_archive_are_exact_in_every_schedule(meters: MeterSet, case: int) -> None:
    first = case * SCHEDULES_PER_CASE
    seeds = range(first, first + SCHEDULES_PER_CASE)
    wrong = {seed: problems for seed in seeds if (problems := simulate(seed, meters))}
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
    except (AssertionError, KeyError, RuntimeError, Unavailable):
        return True
