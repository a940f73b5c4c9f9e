"""What the parameters of paths are that several modules of routes have."""

from typing import Annotated

# Gateways decode a path before it is read, and clients resolve dots.
UNREACHABLE = "A key with `/` or `%`, or that is `.` or `..`, may not arrive as it was sent: use the id."
CustomerKey = Annotated[str, "The id of a customer, or the key of one who is not deleted.", UNREACHABLE]
MeterSlug = Annotated[str, "The id or the slug of a meter."]
PlanId = Annotated[str, "The id of a version of a plan."]
PlanKey = Annotated[str, "The id of a version of a plan, or a plan's key for its active version."]
SubscriptionId = Annotated[str, "The id of a subscription."]
