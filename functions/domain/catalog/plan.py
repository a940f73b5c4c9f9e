"""A plan: versioned offer of phases with rate cards; the models are also its shapes in the API."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from functions.domain.catalog.phase import PlanPhase, phase_to_wire
from functions.domain.catalog.pricing.commitment import SpendCommitment
from functions.domain.catalog.rate_card import without_nulls
from functions.domain.catalog.validation import amount_problems, longer_usage_problems, phase_problems, refuse
from functions.domain.catalog.versioned import Versioned, VersionStatus, iso_currency
from functions.domain.errors import FieldError
from functions.domain.wire import CurrencyCode, Description, Duration, Flag, Key, Metadata, Name, WireModel

MAX_PHASES = 50
# A plan is one item of at most 400 KB, and a subscription copies it with its features into another one.
MAX_PLAN_BYTES = 200_000

PlanStatus = VersionStatus


class ProRating(WireModel):
    enabled: Flag = True
    mode: Literal["prorate_prices"] = "prorate_prices"


class Alignment(WireModel):
    billables_must_align: Flag = True


def _is_there(mode: object) -> object:
    if mode == "credit_only":
        raise ValueError(
            "cannot be credit_only yet: there are no prepaid credits to settle from, so nothing would ever be paid; "
            "leave it out or use credit_then_invoice"
        )
    return mode


SettlementMode = Annotated[Literal["credit_then_invoice"], BeforeValidator(_is_there)]


class PlanReplaceUpdate(WireModel):
    """What may still change while the plan is a draft: everything but its key and currency."""

    name: Name
    description: Description | None = None
    metadata: Metadata = None
    alignment: Alignment | None = None
    billing_cadence: Duration
    pro_rating_config: ProRating = ProRating()
    settlement_mode: SettlementMode = "credit_then_invoice"
    phases: Annotated[tuple[PlanPhase, ...], Field(min_length=1, max_length=MAX_PHASES)]
    # Beyond OpenMeter.
    commitment: Annotated[SpendCommitment | None, Field(exclude_if=lambda value: value is None)] = None

    @model_validator(mode="after")
    def _phases_fit_together(self) -> Self:
        # Not a ValueError: it passes through pydantic with the path of every field that is wrong.
        refuse(
            self._size_problems() or phase_problems(self.phases, self.billing_cadence) or self._commitment_problems()
        )
        return self

    def _size_problems(self) -> list[FieldError]:
        """What would not fit the store, also when all else is right."""
        size = len(self.model_dump_json().encode())
        if size <= MAX_PLAN_BYTES:
            return []
        message = f"the plan has {size} bytes of JSON, at most {MAX_PLAN_BYTES} are allowed; shorten texts and metadata"
        return [FieldError("phases", "plan_too_large", message)]

    def _commitment_problems(self) -> list[FieldError]:
        """Usage that falls due in another period than it was used in belongs to none of them."""
        if self.commitment is None:
            return []
        if not any(card.is_metered for phase in self.phases for card in phase.rate_cards):
            message = "is over the usage of the plan, and the plan sells none: add a usage-based card, or leave it out"
            return [FieldError("commitment", "no_usage", message)]
        return [
            problem
            for p, phase in enumerate(self.phases)
            for problem in longer_usage_problems(phase.rate_cards, f"phases[{p}].rateCards", self.billing_cadence)
        ]

    def require_sayable(self, currency: str) -> None:
        """Raises InvalidInput for fees that no invoice in the currency can say."""
        phases = enumerate(self.phases)
        refuse([each for p, phase in phases for each in _amounts(phase, p, currency)])


def _amounts(phase: PlanPhase, p: int, currency: str) -> list[FieldError]:
    return amount_problems(phase.rate_cards, f"phases[{p}].rateCards", currency)


class CustomPlan(PlanReplaceUpdate):
    """A plan made for one subscription: without a key and versions."""

    currency: Annotated[CurrencyCode, AfterValidator(iso_currency)] = "USD"

    @model_validator(mode="after")
    def _amounts_fit_an_invoice(self) -> Self:
        self.require_sayable(self.currency)
        return self


class PlanCreate(CustomPlan):
    """A plan as its author sends it."""

    key: Key


class Plan(PlanCreate, Versioned):
    """One version of a plan."""

    @property
    def label(self) -> str:
        return f"{self.key} version {self.version}"

    def revised(self, update: PlanReplaceUpdate, now: datetime) -> "Plan":
        self.require_draft("changed")
        update.require_sayable(self.currency)
        return self.with_update(update, now)

    def to_wire(self, now: datetime) -> dict[str, Any]:
        """The public shape: absent optionals are left out, what is required but empty stays null."""
        wire = self.model_dump(mode="json", by_alias=True, exclude={"phases"})
        return without_nulls(wire) | {
            "status": self.status(now).value,
            "validationErrors": [],
            "phases": [phase_to_wire(phase) for phase in self.phases],
        }
