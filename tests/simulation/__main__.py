"""Schedules of the simulation beyond the suite's: `python -m tests.simulation --seconds 600 --seed 20000000`."""

import argparse
import sys
import time
from itertools import count

import pytest

from tests.simulation.trouble import make_counting_raise, simulate_trouble
from tests.simulation.world import ALL_METERS, MAX_METERS, SUM_METERS, UNIQUE_METERS, make_cells_small, simulate

METERS = (SUM_METERS, MAX_METERS, UNIQUE_METERS, ALL_METERS)
FIRST_SEED = 10_000_000  # the suite's are smaller
TOLD_EVERY_SECONDS = 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="no schedule begins later; a third has broken events")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="the first one; the others follow")
    arguments = parser.parse_args()
    wrong = 0
    with pytest.MonkeyPatch.context() as patch:
        make_cells_small(patch)
        wrong += play(arguments.seed, arguments.seconds * 2 / 3, is_troubled=False)
        make_counting_raise(patch)
        wrong += play(arguments.seed, arguments.seconds / 3, is_troubled=True)
    return 1 if wrong else 0


def play(first: int, seconds: float, *, is_troubled: bool) -> int:
    """How many schedules went wrong; each is printed with its seed."""
    began = time.monotonic()
    end, next_told = began + seconds, began + TOLD_EVERY_SECONDS
    wrong = played = 0
    for seed in count(first):
        if time.monotonic() >= end:
            break
        problems = simulate_trouble(seed) if is_troubled else simulate(seed, METERS[seed % len(METERS)])
        played += 1
        if problems:
            wrong += 1
            print(f"seed {seed}{' (troubled)' if is_troubled else ''}: {problems}", flush=True)
        if time.monotonic() >= next_told:
            next_told += TOLD_EVERY_SECONDS
            print(f"{played} schedules, {wrong} of them wrong", flush=True)
    print(f"{played} schedules{' with broken events' if is_troubled else ''} from {first} on, {wrong} of them wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
