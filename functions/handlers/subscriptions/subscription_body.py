"""Bodies of subscription requests: to a plan or to one made for the customer, and when."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from functions.application.subscriptions.create_subscription import PlanChoice
from functions.domain.catalog.plan import Alignment, CustomPlan, SettlementMode
from functions.domain.subscriptions.operations import MAX_OPERATIONS, Operation
from functions.domain.subscriptions.subscribe import SubscriptionTerms
from functions.domain.wire import Description, Instant, Key, Metadata, Name, WireModel

Timing = Literal["immediate", "next_billing_cycle"] | Instant
Version = Annotated[int, Field(ge=1)]
PhaseKey = Annotated[str, Field(min_length=1, max_length=64)]


class PlanInput(WireModel):
    key: Key
    version: Version | None = None


class _Offered(WireModel):
    """Either a plan with what the subscription says beside it, or a plan of its own."""

    plan: PlanInput | None = None
    custom_plan: CustomPlan | None = None
    starting_phase: PhaseKey | None = None
    billing_anchor: Instant | None = None
    name: Name | None = None
    description: Description | None = None
    metadata: Metadata = None
    # The plan's own decide; sent by the SDKs all the same.
    alignment: Alignment | None = None
    settlement_mode: SettlementMode | None = None
    cost_basis_mode: Literal["dynamic"] | None = None

    @model_validator(mode="after")
    def _offers_one_plan(self) -> Self:
        if (self.plan is None) == (self.custom_plan is None):
            raise ValueError("name either a plan by its key or send a customPlan")
        return self

    @property
    def choice(self) -> PlanChoice | CustomPlan:
        if self.custom_plan is not None:
            return self.custom_plan
        assert self.plan is not None
        return PlanChoice(self.plan.key, self.plan.version)

    @property
    def terms(self) -> SubscriptionTerms:
        said: dict[str, Any] = {"name": self.name, "description": self.description, "metadata": self.metadata}
        custom = self.custom_plan
        if custom is not None:
            said = {"description": custom.description, "metadata": custom.metadata} | {
                name: value for name, value in said.items() if value is not None
            }
        return SubscriptionTerms(anchor=self.billing_anchor, starting_phase=self.starting_phase, **said)


class SubscriptionCreate(_Offered):
    customer_id: str | None = None
    customer_key: str | None = None
    timing: Timing = "immediate"

    @model_validator(mode="after")
    def _names_the_customer(self) -> Self:
        if not (self.customer_id or self.customer_key):
            raise ValueError("name the customer: send customerId or customerKey")
        return self

    @property
    def customer(self) -> str:
        return self.customer_id or self.customer_key or ""


class SubscriptionChange(_Offered):
    timing: Timing
    # Beyond OpenMeter: keys of add-ons to go on without.
    drop_addons: Annotated[tuple[Key, ...], Field(max_length=50)] = ()


class SubscriptionMigrate(WireModel):
    timing: Timing = "immediate"
    target_version: Version | None = None
    starting_phase: PhaseKey | None = None
    billing_anchor: Instant | None = None
    # Beyond OpenMeter: keys of add-ons to go on without.
    drop_addons: Annotated[tuple[Key, ...], Field(max_length=50)] = ()


class SubscriptionCancel(WireModel):
    # Beyond OpenMeter: with the phase that is on, or with the longest period that runs.
    timing: Timing | Literal["end_of_phase", "end_of_term"] = "immediate"


class SubscriptionEdit(WireModel):
    customizations: Annotated[tuple[Operation, ...], Field(min_length=1, max_length=MAX_OPERATIONS)]
    timing: Timing = "immediate"
