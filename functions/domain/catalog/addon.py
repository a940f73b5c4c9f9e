"""An add-on: versioned rate cards that a subscription can have on top of its plan, once or several times."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from functions.domain.catalog.phase import MAX_RATE_CARDS
from functions.domain.catalog.rate_card import RateCard, card_to_wire, without_nulls
from functions.domain.catalog.validation import amount_problems, card_problems, refuse
from functions.domain.catalog.versioned import Versioned, iso_currency
from functions.domain.errors import FieldError
from functions.domain.wire import CurrencyCode, Description, Key, Metadata, Name, WireModel

# A subscription keeps a copy of each add-on it has, in one item of at most 400 KB.
MAX_ADDON_BYTES = 50_000
INVALID = "invalid_addon"

InstanceType = Literal["single", "multiple"]


class AddonReplaceUpdate(WireModel):
    """What may still change while the add-on is a draft: everything but its key and currency."""

    name: Name
    description: Description | None = None
    metadata: Metadata = None
    instance_type: InstanceType
    rate_cards: Annotated[tuple[RateCard, ...], Field(min_length=1, max_length=MAX_RATE_CARDS)]

    @model_validator(mode="after")
    def _cards_fit_together(self) -> Self:
        size = len(self.model_dump_json().encode())
        problems = card_problems(self.rate_cards, "rateCards", None)
        if size > MAX_ADDON_BYTES:
            message = f"the add-on has {size} bytes of JSON, at most {MAX_ADDON_BYTES} are allowed"
            problems.append(FieldError("rateCards", "addon_too_large", message))
        if self.instance_type == "multiple":
            message = "an add-on that is sold several times can only have flat prices or none"
            problems += [
                FieldError(f"rateCards[{c}].price", "addon_multiple_needs_flat_price", message)
                for c, card in enumerate(self.rate_cards)
                if card.is_metered
            ]
        refuse(problems, INVALID)
        return self

    def require_sayable(self, currency: str) -> None:
        refuse(amount_problems(self.rate_cards, "rateCards", currency), INVALID)


class AddonCreate(AddonReplaceUpdate):
    """An add-on as its author sends it."""

    key: Key
    currency: Annotated[CurrencyCode, AfterValidator(iso_currency)] = "USD"

    @model_validator(mode="after")
    def _amounts_fit_an_invoice(self) -> Self:
        self.require_sayable(self.currency)
        return self


class Addon(AddonCreate, Versioned):
    """One version of an add-on."""

    @property
    def label(self) -> str:
        return f"{self.key} version {self.version}"

    def revised(self, update: AddonReplaceUpdate, now: datetime) -> "Addon":
        self.require_draft("changed")
        update.require_sayable(self.currency)
        return self.with_update(update, now)

    def to_wire(self, now: datetime) -> dict[str, Any]:
        wire = self.model_dump(mode="json", by_alias=True, exclude={"rate_cards"})
        return without_nulls(wire) | {
            "status": self.status(now).value,
            "validationErrors": [],
            "rateCards": [card_to_wire(card) for card in self.rate_cards],
        }
