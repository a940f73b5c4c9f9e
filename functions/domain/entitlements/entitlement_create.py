"""What a caller sends to make an entitlement or a grant, in the shapes of both versions of the API."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from functions.domain.catalog.entitlement_template import Config
from functions.domain.entitlements.usage_period import MIN_USAGE_PERIOD
from functions.domain.period import Cadence
from functions.domain.wire import Flag, Instant, Key, Metadata, Numeric, WireModel, checked

ENUM_INTERVALS = {"DAY": "P1D", "WEEK": "P1W", "MONTH": "P1M", "YEAR": "P1Y"}
MAX_GRANTS_CREATED = 20
MAX_EXPIRATION_COUNT = 1_000
MAX_PRIORITY = 255


def to_minute(at: datetime) -> datetime:
    """Allowances change at whole minutes."""
    return at.replace(second=0, microsecond=0)


def _interval(value: Any) -> Any:
    return ENUM_INTERVALS.get(value, value) if isinstance(value, str) else value


def _long_enough(text: str) -> str:
    checked(Cadence.parse, text)
    cadence = Cadence.parse(text)
    if cadence.rest % timedelta(minutes=1):
        raise ValueError("must be whole minutes, for example PT1H or P1D")
    if not cadence.months and cadence.rest < MIN_USAGE_PERIOD:
        raise ValueError("must be one hour at least, for example PT1H, DAY or P1M")
    return text


# Numbers on the wire; a text of the same digits is taken too.
Number = WithJsonSchema({"type": "number", "minimum": 0})
NotNegative = Annotated[Numeric, Field(ge=0), Number]
Positive = Annotated[Numeric, Field(gt=0), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]
Interval = Annotated[
    str,
    StringConstraints(max_length=32),
    BeforeValidator(_interval),
    AfterValidator(_long_enough),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "enum": [*ENUM_INTERVALS]}, {"type": "string", "format": "duration"}]}
    ),
]
Minute = Annotated[Instant, AfterValidator(to_minute)]
Priority = Annotated[int, Field(ge=1, le=MAX_PRIORITY)]


class RecurringPeriodCreate(WireModel):
    """An interval, and the instant that its recurrences are counted from: now unless given."""

    interval: Interval
    anchor: Minute | None = None


class ExpirationPeriod(WireModel):
    duration: Literal["HOUR", "DAY", "WEEK", "MONTH", "YEAR"]
    count: Annotated[int, Field(ge=1, le=MAX_EXPIRATION_COUNT)]


class _GrantCreate(WireModel):
    amount: Positive
    priority: Priority | None = None
    effective_at: Minute
    min_rollover_amount: NotNegative | None = None
    metadata: Metadata = None
    recurrence: RecurringPeriodCreate | None = None


class GrantCreate(_GrantCreate):
    """Of the first version of the API: it expires, and nothing is rolled over unless it says so."""

    max_rollover_amount: NotNegative | None = None
    expiration: ExpirationPeriod

    @property
    def max_rollover(self) -> Decimal:
        return self.max_rollover_amount or Decimal(0)


class GrantCreateV2(_GrantCreate):
    """Without an expiration it never ends; all of it may be rolled over unless it says less."""

    max_rollover_amount: NotNegative | None = None
    expiration: ExpirationPeriod | None = None
    annotations: Metadata = None

    @property
    def max_rollover(self) -> Decimal:
        return self.amount if self.max_rollover_amount is None else self.max_rollover_amount


class IssueAfterReset(WireModel):
    """What every usage period begins with."""

    amount: NotNegative
    priority: Priority = 1


class _EntitlementCreate(WireModel):
    feature_key: Key | None = None
    feature_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    metadata: Metadata = None

    @model_validator(mode="after")
    def _names_a_feature(self) -> Self:
        if self.feature_key is None and self.feature_id is None:
            raise ValueError("give featureKey or featureId")
        return self


class BooleanEntitlementCreate(_EntitlementCreate):
    type: Literal["boolean"]
    usage_period: RecurringPeriodCreate | None = None


class StaticEntitlementCreate(_EntitlementCreate):
    type: Literal["static"]
    config: Config
    usage_period: RecurringPeriodCreate | None = None


MeasureUsageFrom = Literal["CURRENT_PERIOD_START", "NOW"] | Minute


class _MeteredEntitlementCreate(_EntitlementCreate):
    type: Literal["metered"]
    is_soft_limit: Flag = False
    usage_period: RecurringPeriodCreate
    measure_usage_from: MeasureUsageFrom | None = None
    issue_after_reset: NotNegative | None = None
    issue_after_reset_priority: Priority = 1
    preserve_overage_at_reset: Flag = False

    @property
    def issued(self) -> IssueAfterReset | None:
        if self.issue_after_reset is None:
            return None
        return IssueAfterReset(amount=self.issue_after_reset, priority=self.issue_after_reset_priority)

    @property
    def granted(self) -> tuple[GrantCreateV2, ...]:
        return ()


class MeteredEntitlementCreate(_MeteredEntitlementCreate):
    # Deprecated by OpenMeter, and ignored there too.
    is_unlimited: Flag = False


class MeteredEntitlementCreateV2(_MeteredEntitlementCreate):
    issue: IssueAfterReset | None = None
    grants: Annotated[tuple[GrantCreateV2, ...], Field(max_length=MAX_GRANTS_CREATED)] = ()

    EITHER: ClassVar[str] = "give issue or issueAfterReset, not both"

    @model_validator(mode="after")
    def _issues_once(self) -> Self:
        if self.issue is not None and self.issue_after_reset is not None:
            raise ValueError(self.EITHER)
        return self

    @property
    def issued(self) -> IssueAfterReset | None:
        return self.issue or super().issued

    @property
    def granted(self) -> tuple[GrantCreateV2, ...]:
        return self.grants


AnyMeteredCreate = MeteredEntitlementCreate | MeteredEntitlementCreateV2
EntitlementCreate = Annotated[
    MeteredEntitlementCreate | StaticEntitlementCreate | BooleanEntitlementCreate, Field(discriminator="type")
]
EntitlementCreateV2 = Annotated[
    MeteredEntitlementCreateV2 | StaticEntitlementCreate | BooleanEntitlementCreate, Field(discriminator="type")
]
AnyCreate = AnyMeteredCreate | StaticEntitlementCreate | BooleanEntitlementCreate


class UsageReset(WireModel):
    """The beginning of a new usage period at a past minute: now unless given."""

    effective_at: Minute | None = None
    retain_anchor: Flag = False
    preserve_overage: Flag | None = None
