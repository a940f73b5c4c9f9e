"""What the parameters of paths are that several modules of routes have."""

from typing import Annotated

CustomerKey = Annotated[str, "The id of a customer, or the key of one who is not deleted."]
MeterSlug = Annotated[str, "The id or the slug of a meter."]
PlanId = Annotated[str, "The id of a version of a plan."]
PlanKey = Annotated[str, "The id of a version of a plan, or a plan's key for its active version."]
SubscriptionId = Annotated[str, "The id of a subscription."]
