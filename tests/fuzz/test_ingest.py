"""Ingest's answers beside what another reader of JSON makes of the same bytes."""

from random import Random

import pytest

from tests.fuzz.ingest import judge

SEEDS = range(2)
REQUESTS_A_SEED = 500


@pytest.mark.parametrize("seed", SEEDS)
def test_what_some_reader_could_not_read_is_refused_by_index(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judge(Random(seed), monkeypatch, REQUESTS_A_SEED) == []
