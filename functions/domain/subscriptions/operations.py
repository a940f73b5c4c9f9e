"""The operations of an edit as the API has them."""

from typing import Annotated, Literal

from pydantic import Field

from functions.domain.catalog.rate_card import RateCard
from functions.domain.wire import Description, Duration, Key, Name, NotYet, WireModel

MAX_OPERATIONS = 100


class AddItem(WireModel):
    op: Literal["add_item"]
    phase_key: Key
    rate_card: RateCard


class RemoveItem(WireModel):
    op: Literal["remove_item"]
    phase_key: Key
    item_key: Key


class SubscriptionPhaseCreate(WireModel):
    """`start_after` counts from the start of the subscription; null is its start."""

    start_after: Duration | None
    duration: Duration | None = None
    discounts: NotYet = None
    key: Key
    name: Name
    description: Description | None = None


class AddPhase(WireModel):
    op: Literal["add_phase"]
    phase: SubscriptionPhaseCreate


class RemovePhase(WireModel):
    """`next`: the following phases begin earlier; `prev`: the phase before goes on instead."""

    op: Literal["remove_phase"]
    phase_key: Key
    shift: Literal["next", "prev"]


class StretchPhase(WireModel):
    op: Literal["stretch_phase"]
    phase_key: Key
    extend_by: Duration


class UnscheduleEdit(WireModel):
    op: Literal["unschedule_edit"]


Operation = Annotated[
    AddItem | RemoveItem | AddPhase | RemovePhase | StretchPhase | UnscheduleEdit, Field(discriminator="op")
]
