"""What many customers may use, found by their keys or subjects: a page of them, bounded by what it has to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from functions.application.entitlements.check_access import AccessChecker
from functions.application.entitlements.list_access import MAX_METERED, NAME_FEATURES, AccessPorts, active_metered
from functions.application.entitlements.refuse_access import Reason, reason_against
from functions.application.ports.catalog import Features
from functions.application.ports.entitlements import EntitledCustomer, EntitledCustomers, KnownCustomer
from functions.domain.entitlements.access_question import CONSUMER, QueryErrorCode
from functions.domain.entitlements.entitlement import Entitled
from functions.domain.errors import FieldError, InvalidInput, TooLarge
from functions.domain.subscriptions.customer import Customer

# Features times customers of one answer, as many as a hundred of each, about 3 MB.
MAX_SHOWN = 10_000
# Of a tenant, where none are named.
MAX_FEATURES = 1_000
# A page takes on no further customer then: what a balance costs depends on how many subjects the customer has, and the
# gateway waits for 29 seconds.
MAX_SECONDS = 10


@dataclass(frozen=True)
class AccessQuestion:
    """Without feature keys it asks for all. The page lies behind the identifier `after`, or before `before`."""

    identifiers: Sequence[str]
    feature_keys: Sequence[str] | None
    size: int
    after: str | None = None
    before: str | None = None


@dataclass(frozen=True)
class CustomerAccess:
    """By feature key why there is no access, None where there is."""

    customer: Customer
    matched: Sequence[str]
    features: Mapping[str, Reason | None]
    as_of: datetime


@dataclass(frozen=True)
class Unanswered:
    identifier: str
    code: QueryErrorCode
    message: str


@dataclass(frozen=True)
class AccessPage:
    """`first` and `last` are identifiers with others before and behind them, None where there are none."""

    found: Sequence[CustomerAccess]
    unanswered: Sequence[Unanswered]
    first: str | None
    last: str | None


@dataclass(frozen=True)
class _Asked:
    """All identifiers of one customer; or one that is nobody's."""

    identifiers: Sequence[str]
    customer_id: str | None


def query_access(tenant: str, asked: AccessQuestion, *, ports: AccessPorts) -> AccessPage:
    """Customers in the order in which they are asked for, the next page behind where this one ends.

    A page ends early where the next customer's answer would be too much or too late; it always has one customer at
    least, or says why not. Raises InvalidInput for a tenant with too many features to answer all.
    """
    features = _features(tenant, asked.feature_keys, ports.entitlements.features)
    every = _resolved(tenant, asked.identifiers, ports.entitlements.customers)
    answering = _Answering(tenant, features, asked, ports)
    if asked.before is not None:
        end = _place(every, asked.before, "before")
        start = end - answering.along(every[:end][::-1])
        answering.found.reverse()
        answering.unanswered.reverse()
    else:
        start = 0 if asked.after is None else _place(every, asked.after, "after") + 1
        end = start + answering.along(every[start:])
    first = every[start].identifiers[0] if 0 < start < len(every) else None
    last = every[end - 1].identifiers[0] if 0 < end < len(every) else None
    return AccessPage(answering.found, answering.unanswered, first, last)


def _features(tenant: str, wanted: Sequence[str] | None, features: Features) -> Mapping[str, bool]:
    """By key whether there is such a feature."""
    if wanted is not None:
        existing = features.existing(tenant, wanted)
        return {key: key in existing for key in wanted}
    every = features.every_key(tenant, MAX_FEATURES + 1)
    if len(every) > MAX_FEATURES:
        message = f"There are more than {MAX_FEATURES} features; {NAME_FEATURES}."
        raise InvalidInput(message, fields=[FieldError("feature", "required", message)])
    return dict.fromkeys(every, True)


def _resolved(tenant: str, identifiers: Sequence[str], customers: EntitledCustomers) -> Sequence[_Asked]:
    """By the first of each customer's identifiers, in order."""
    names = {each: (each, each.removeprefix(CONSUMER)) for each in identifiers}
    ids = customers.ids_of(tenant, list(dict.fromkeys(name for both in names.values() for name in both if name)))
    together: dict[tuple[str, str], list[str]] = {}
    for identifier, (whole, bare) in names.items():
        customer_id = ids.get(whole) or ids.get(bare)
        key = ("unknown", identifier) if customer_id is None else ("customer", customer_id)
        together.setdefault(key, []).append(identifier)
    return [_Asked(each, key if kind == "customer" else None) for (kind, key), each in together.items()]


def _place(every: Sequence[_Asked], identifier: str, name: str) -> int:
    found = next((place for place, each in enumerate(every) if identifier in each.identifiers), None)
    if found is None:
        message = f"page[{name}] is none of customer.keys; send the body of the page before with it."
        raise InvalidInput(message, fields=[FieldError(f"page[{name}]", "invalid_parameter", message)])
    return found


@dataclass
class _Answering:
    """One page while it is made."""

    tenant: str
    features: Mapping[str, bool]
    asked: AccessQuestion
    ports: AccessPorts
    found: list[CustomerAccess] = field(default_factory=list)
    unanswered: list[Unanswered] = field(default_factory=list)
    metered: int = 0
    began: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.ports.entitlements.now()

    def along(self, entries: Sequence[_Asked]) -> int:
        """How many of them the page answers."""
        ports = self.ports.entitlements
        ids = [each.customer_id for each in entries if each.customer_id is not None][: self.asked.size]
        customers = ports.customers.several(self.tenant, ids)
        entitled = ports.entitlements.of_customers(self.tenant, ids, self.asked.feature_keys)
        read = zip(customers, entitled, strict=True)
        for place, entry in enumerate(entries):
            if entry.customer_id is None:
                self._not_found(entry)
                continue
            customer, has = next(read, (None, None))
            if has is None:
                return place
            if customer is None:
                self._not_found(entry)
            elif not self._takes(entry, customer, has, is_first=place == 0):
                return place
        return len(entries)

    def _takes(self, entry: _Asked, known: KnownCustomer, has: Sequence[Entitled], *, is_first: bool) -> bool:
        """Whether it fits; what does not even fit alone is answered without access, with the remedy."""
        now = self.ports.entitlements.now()
        entitled = {each.feature_key: each for each in has if each.feature_key in self.features}
        metered = active_metered(entitled.values(), now)
        if metered > MAX_METERED:
            message = f"Customer {known.customer.id} has {metered} metered entitlements; {NAME_FEATURES}."
            self._refuse(entry, QueryErrorCode.UNKNOWN, message)
            return True
        if self.found and self._is_full(metered, now):
            return False
        try:
            features = self._answers(known.entitled, entitled)
        except TooLarge as error:
            if is_first:
                self._refuse(entry, QueryErrorCode.UNKNOWN, error.detail)
            return is_first
        self.found.append(CustomerAccess(known.customer, entry.identifiers, features, now))
        self.metered += metered
        return True

    def _is_full(self, metered: int, now: datetime) -> bool:
        shown = (len(self.found) + 1) * len(self.features)
        is_late = now - self.began > timedelta(seconds=MAX_SECONDS)
        return self.metered + metered > MAX_METERED or shown > MAX_SHOWN or is_late

    def _answers(self, customer: EntitledCustomer, entitled: Mapping[str, Entitled]) -> Mapping[str, Reason | None]:
        checker = AccessChecker(self.tenant, customer, self.ports.entitlements, self.ports.usage)
        return {
            key: reason_against(entitled.get(key), checker, is_known=is_known)
            for key, is_known in self.features.items()
        }

    def _not_found(self, entry: _Asked) -> None:
        self._refuse(entry, QueryErrorCode.CUSTOMER_NOT_FOUND, "No customer has this key or subject.")

    def _refuse(self, entry: _Asked, code: QueryErrorCode, message: str) -> None:
        self.unanswered += [Unanswered(each, code, message) for each in entry.identifiers]
