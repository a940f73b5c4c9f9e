"""A customer: who pays, and whose usage is theirs."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from functions.domain.catalog.versioned import iso_currency
from functions.domain.metering.values.event import MAX_TEXT_LENGTH
from functions.domain.period import known_zone
from functions.domain.wire import CurrencyCode, Description, Instant, Metadata, Name, WireModel

# With the record and the key they are written in one transaction, which DynamoDB bounds at 100 writes.
MAX_SUBJECTS = 90


def _each_once(subjects: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(subjects))


ExternalKey = Annotated[str, StringConstraints(min_length=1, max_length=256)]
SubjectKey = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH)]
Line = Annotated[str, StringConstraints(max_length=256)]
Email = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^@\s]+@[^@\s]+$")]


class UsageAttribution(WireModel):
    subject_keys: Annotated[tuple[SubjectKey, ...], Field(max_length=MAX_SUBJECTS), AfterValidator(_each_once)]


class Address(WireModel):
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    postal_code: Line | None = None
    state: Line | None = None
    city: Line | None = None
    line1: Line | None = None
    line2: Line | None = None
    phone_number: Line | None = None


class CustomerCreate(WireModel):
    """A customer, as it is created or replaced in full."""

    name: Name
    description: Description | None = None
    metadata: Metadata = None
    key: ExternalKey | None = None
    usage_attribution: UsageAttribution | None = None
    primary_email: Email | None = None
    currency: Annotated[CurrencyCode, AfterValidator(iso_currency)] | None = None
    billing_address: Address | None = None
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(known_zone)] | None = None

    @property
    def usage_subjects(self) -> tuple[str, ...]:
        """Events of these subjects are this customer's usage: the key is one of them."""
        named = self.usage_attribution.subject_keys if self.usage_attribution else ()
        return tuple(dict.fromkeys((self.key, *named) if self.key else named))


class Customer(CustomerCreate):
    id: str
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None = None

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None

    def wire(self) -> dict[str, Any]:
        """As the API shows it."""
        shown: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return shown
