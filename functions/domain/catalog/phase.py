"""A phase of a plan: a stretch of time with its own rate cards, such as a trial, a ramp or the rest."""

from typing import Annotated, Any

from pydantic import Field

from functions.domain.catalog.rate_card import RateCard, card_to_wire, without_nulls
from functions.domain.wire import Description, Duration, Key, Metadata, Name, WireModel

# Every rate card can become a line of the same invoice; gateways take 250 lines.
MAX_RATE_CARDS = 100


class PlanPhase(WireModel):
    key: Key
    name: Name
    description: Description | None = None
    metadata: Metadata = None
    # Not required: the Python SDK leaves out what is null.
    duration: Duration | None = None
    rate_cards: Annotated[tuple[RateCard, ...], Field(max_length=MAX_RATE_CARDS)]


def phase_to_wire(phase: PlanPhase) -> dict[str, Any]:
    shown = {
        "key": phase.key,
        "name": phase.name,
        "description": phase.description,
        "metadata": phase.metadata,
    }
    cards = [card_to_wire(card) for card in phase.rate_cards]
    return without_nulls(shown) | {"duration": phase.duration, "rateCards": cards}
