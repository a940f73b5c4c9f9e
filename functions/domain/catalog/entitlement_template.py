"""Entitlement templates: what a rate card lets its buyer use, as a limit, a configuration or a plain yes."""

import json
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from functions.domain.wire import Duration, Flag, Metadata, Numeric, WireModel

MAX_CONFIG_CHARACTERS = 4_000


def _json_object(text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError('must be a JSON object in a string, for example "{\\"models\\": [\\"small\\"]}"') from error
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object in a string, not another JSON value")
    return text


Config = Annotated[str, StringConstraints(max_length=MAX_CONFIG_CHARACTERS), AfterValidator(_json_object)]


class MeteredEntitlement(WireModel):
    """So much usage in each usage period; the period is the rate card's cadence unless it names its own."""

    metadata: Metadata = None
    type: Literal["metered"]
    is_soft_limit: Flag = False
    issue_after_reset: Annotated[Numeric, Field(ge=0), WithJsonSchema({"type": "number", "minimum": 0})] | None = None
    issue_after_reset_priority: Annotated[int, Field(ge=1, le=255)] = 1
    preserve_overage_at_reset: Flag = False
    usage_period: Duration | None = None


class StaticEntitlement(WireModel):
    metadata: Metadata = None
    type: Literal["static"]
    config: Config


class BooleanEntitlement(WireModel):
    metadata: Metadata = None
    type: Literal["boolean"]


EntitlementTemplate = Annotated[
    MeteredEntitlement | StaticEntitlement | BooleanEntitlement, Field(discriminator="type")
]
