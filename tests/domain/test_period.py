import pytest

from functions.domain.errors import InvalidInput
from functions.domain.period import Cadence, period_at
from tests.domain.builders import at


@pytest.mark.parametrize("text", ["PT1H0.5S", "P0.123456789D", "P1M0.00001D"])
def test_a_cadence_that_ends_inside_a_second_is_refused(text: str):
    with pytest.raises(InvalidInput, match="whole seconds"):
        Cadence.parse(text)


@pytest.mark.parametrize("text", ["PT1H", "PT90S", "P0.5D", "PT1.5H", "P1Y0.5D"])
def test_fractions_that_give_whole_seconds_are_cadences(text: str):
    assert not Cadence.parse(text).rest.microseconds


@pytest.mark.parametrize(
    "text",
    [
        "P99999999999Y",
        "P9999999D",
        "P7990Y",
        "P101Y",
        "P1201M",
        "P36526D",
        "PT99999999999999999999H",
        "P" + "9" * 30 + "Y",
    ],
)
def test_a_cadence_of_more_than_a_hundred_years_is_refused(text: str):
    with pytest.raises(InvalidInput, match="longer"):
        Cadence.parse(text)


@pytest.mark.parametrize("anchor", ["1970-01-01", "2199-12-31"])
def test_the_longest_cadence_stays_inside_the_calendar_from_every_accepted_anchor(anchor: str):
    now = at("2026-05-01")

    assert now in period_at(now, at(anchor), Cadence.parse("P1200M36525D"))
