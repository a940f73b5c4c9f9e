"""Seeds of the fuzz; `python -m tests.fuzz --seconds 600 --seed 1` plays more of them."""

import os
from collections.abc import Iterator

import pytest

from tests.conftest import DynamoDb
from tests.fuzz.story import Story
from tests.handlers.conftest import forget_clients

SEEDS = range(int(os.environ.get("TOLLBOOTH_FUZZ_SEEDS", "3")))
ON_DYNAMODB = (0,)


@pytest.fixture(autouse=True)
def fresh_clients() -> Iterator[None]:
    forget_clients()
    yield
    forget_clients()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_accepted_event_is_counted_or_listed_and_harms_no_reader(
    seed: int, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    Story(seed, dynamodb, monkeypatch, in_memory=seed not in ON_DYNAMODB).play()
