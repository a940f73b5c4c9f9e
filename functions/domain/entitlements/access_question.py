"""The question what many customers may use, as the third version of OpenMeter's API has it, and why they may not."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from functions.domain.metering.values.event import MAX_TEXT_LENGTH
from functions.domain.wire import Flag, SnakeModel

# OpenMeter's own bounds.
MAX_ASKED = 100
# Before the id of a consumer at the gateway, who is a customer under that id unless one has the whole as its name.
CONSUMER = "consumer:"

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH + len(CONSUMER))]
AskedFeature = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class EntitlementAccessQueryRequestCustomers(SnakeModel):
    """By their keys or by their subjects."""

    keys: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=MAX_ASKED)]


class EntitlementAccessQueryRequestFeatures(SnakeModel):
    keys: Annotated[tuple[AskedFeature, ...], Field(min_length=1, max_length=MAX_ASKED)]


class EntitlementAccessQueryRequest(SnakeModel):
    """Without a feature, all that are not archived. Credits are taken and change nothing yet: there are none."""

    customer: EntitlementAccessQueryRequestCustomers
    feature: EntitlementAccessQueryRequestFeatures | None = None
    include_credits: Flag = False

    @property
    def feature_keys(self) -> tuple[str, ...] | None:
        """Each once; None asks for all."""
        return None if self.feature is None else tuple(dict.fromkeys(self.feature.keys))


class ReasonCode(StrEnum):
    """Why a customer has no access; there is none for credits before there are credits."""

    UNKNOWN = "unknown"
    USAGE_LIMIT_REACHED = "usage_limit_reached"
    FEATURE_UNAVAILABLE = "feature_unavailable"
    FEATURE_NOT_FOUND = "feature_not_found"


class QueryErrorCode(StrEnum):
    """Why there is no answer about a customer."""

    UNKNOWN = "unknown"
    CUSTOMER_NOT_FOUND = "customer_not_found"
