"""What a plan would have cost for past usage, beside what is sold now: per customer, period and rate card."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from functions.domain.billing.invoice import BilledCustomer
from functions.domain.billing.line import InvoiceLine
from functions.domain.period import Period


@dataclass(frozen=True)
class Compared:
    """Two amounts in minor units."""

    old_minor: int
    new_minor: int

    @property
    def difference_minor(self) -> int:
        return self.new_minor - self.old_minor


@dataclass(frozen=True)
class ComparedCard:
    """What one feature, or one fee by its key, comes to on either side."""

    key: str
    amounts: Compared


@dataclass(frozen=True)
class ComparedPeriod:
    """One customer's period: the lines of its present subscriptions, and those of the plan tried out."""

    period: Period
    old: Sequence[InvoiceLine]
    new: Sequence[InvoiceLine]

    @property
    def amounts(self) -> Compared:
        return _compared(self.old, self.new)


@dataclass(frozen=True)
class ComparedCustomer:
    customer: BilledCustomer
    periods: Sequence[ComparedPeriod]

    @property
    def amounts(self) -> Compared:
        return total(each.amounts for each in self.periods)


@dataclass(frozen=True)
class NotCompared:
    """A customer, as the caller named it, for whom there is no comparison, and why."""

    customer: str
    code: str
    message: str


@dataclass(frozen=True)
class Backtest:
    """`failed` are left out of every sum."""

    currency: str
    customers: Sequence[ComparedCustomer]
    failed: Sequence[NotCompared]

    @property
    def amounts(self) -> Compared:
        return total(each.amounts for each in self.customers)

    @property
    def cards(self) -> list[ComparedCard]:
        """Over all customers and periods, in the order in which they come up."""
        periods = [period for each in self.customers for period in each.periods]
        return by_card(
            [line for each in periods for line in each.old],
            [line for each in periods for line in each.new],
        )


def by_card(old: Sequence[InvoiceLine], new: Sequence[InvoiceLine]) -> list[ComparedCard]:
    """Rate cards of the two sides meet by the feature they sell, fees by their own keys."""
    keys = dict.fromkeys(_key(line) for line in (*old, *new))
    return [ComparedCard(key, _compared(_of(key, old), _of(key, new))) for key in keys]


def total(amounts: Iterable[Compared]) -> Compared:
    found = list(amounts)
    return Compared(sum(each.old_minor for each in found), sum(each.new_minor for each in found))


def _key(line: InvoiceLine) -> str:
    return line.feature_key or line.item_key


def _of(key: str, lines: Sequence[InvoiceLine]) -> Iterator[InvoiceLine]:
    return (line for line in lines if _key(line) == key)


def _compared(old: Iterable[InvoiceLine], new: Iterable[InvoiceLine]) -> Compared:
    return Compared(sum(line.total_minor for line in old), sum(line.total_minor for line in new))
