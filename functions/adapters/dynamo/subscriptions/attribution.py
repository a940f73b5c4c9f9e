"""Whose usage a subject's events are, with dates: in the lock item of the subject, and beside the customer.

The lock says whose the subject is now (`id`), since when (`since`; absent: ever), and whose it was (`past`). A
customer's own item has the times since when it holds its subjects where that is not ever (`since`), and how many
holdings of it are over (`past`); those lie in items of their own, one for each change that ended some.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import NOT_YET_STORED, Condition
from functions.adapters.dynamo.table import Table
from functions.application.ports.subscriptions import Holder
from functions.domain.errors import Conflict
from functions.domain.metering.values.holding import Holding
from functions.domain.subscriptions.customer import Customer
from functions.names import PARTITION_KEY, SORT_KEY

# Of one subject, some 90 bytes each in one item; and of one customer, who is billed by all of them.
MAX_HOLDERS = 1_000
MAX_PAST_HOLDINGS = 100_000


@dataclass(frozen=True)
class Handover:
    """The writes with which subjects change hands, and what the customer's item says of it then."""

    taking: Sequence[dict[str, Any]]
    freeing: Sequence[dict[str, Any]]
    beside: Mapping[str, Any]
    # Some were nobody's before, and are held since ever.
    is_with_the_past: bool


class Attribution:
    """The attribution in the billing table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def handover(
        self, tenant: str, stored: Item | None, after: Customer, taken: Sequence[str], freed: Sequence[str]
    ) -> Handover:
        """Subjects that a customer takes and frees at `updated_at`; raises Conflict where that was too often."""
        now = int(after.updated_at.timestamp())
        locks = self._locks(tenant, [*taken, *freed])
        since, past = _since(stored), int((stored or {}).get("past", 0))
        over: list[list[Any]] = []
        taking, freeing = [], []
        for subject in taken:
            lock = locks.get(subject, {})
            free_since = _end_of(lock)
            if free_since is not None:
                since[subject] = max(now, free_since)
            taking.append(self._taking(tenant, subject, after.id, lock, since.get(subject)))
        for subject in freed:
            began = since.pop(subject, None)
            held = [began, now] if began is None or began < now else None
            freeing.append(self._freeing(tenant, subject, after.id, locks.get(subject, {}), held, now))
            if held is not None:
                over.append([subject, *held])
        if past + len(over) > MAX_PAST_HOLDINGS:
            message = (
                f"Customer {after.id} has held {MAX_PAST_HOLDINGS} subjects that it holds no more; make a new one."
            )
            raise Conflict(message, code="too_many_changes_of_hands")
        beside = {"since": since or None, "past": past + len(over) if past or over or after.is_deleted else None}
        if over:
            freeing.append(self._past(tenant, after.id, past, over))
        return Handover(taking, freeing, beside, any(each not in since for each in taken))

    def holdings(self, tenant: str, stored: Item, customer: Customer) -> tuple[Holding, ...]:
        """All that a customer ever held, by what lies beside its item."""
        since = _since(stored)
        if not customer.is_deleted:
            present = [_holding(subject, since.get(subject), None) for subject in customer.usage_subjects]
        elif "past" in stored:
            present = []
        else:  # deleted before there were dates
            assert customer.deleted_at is not None
            until = int(customer.deleted_at.timestamp())
            present = [_holding(subject, None, until) for subject in customer.usage_subjects]
        return (*self._over(tenant, customer.id, stored), *present)

    def holders(self, tenant: str, subjects: Sequence[str]) -> Mapping[str, Sequence[Holder]]:
        return {
            subject: [*_past_holders(subject, lock), *_present_holder(subject, lock)]
            for subject, lock in self._locks(tenant, subjects).items()
        }

    def present(self, tenant: str, subjects: Sequence[str]) -> set[str]:
        """The customers who have them now."""
        return set(self.owners(tenant, subjects).values())

    def owners(self, tenant: str, subjects: Sequence[str]) -> dict[str, str]:
        """By subject the customer who has it now."""
        return {subject: lock["id"] for subject, lock in self._locks(tenant, subjects).items() if "id" in lock}

    def _locks(self, tenant: str, subjects: Sequence[str]) -> dict[str, Item]:
        names = {keys.unique_name(keys.SUBJECT, subject): subject for subject in subjects}
        partition = keys.unique_names(tenant)
        return {names[item[SORT_KEY]]: item for item in self._table.batch_get([(partition, name) for name in names])}

    def _over(self, tenant: str, customer_id: str, stored: Item) -> Iterator[Holding]:
        if "past" not in stored:
            return
        for item in self._table.query(keys.records(tenant, keys.ATTRIBUTION), prefix=f"{customer_id}#"):
            yield from (_holding(*each) for each in item["over"])

    def _taking(self, tenant: str, subject: str, customer_id: str, lock: Item, since: int | None) -> dict[str, Any]:
        """Nobody has it, and nobody had it since it was read."""
        name, past = keys.unique_name(keys.SUBJECT, subject), lock.get("past", [])
        item = {PARTITION_KEY: keys.unique_names(tenant), SORT_KEY: name, "id": customer_id, "since": since}
        if not lock:
            return self._table.putting(item, NOT_YET_STORED)
        if len(past) >= MAX_HOLDERS:
            raise Conflict(f"Subject {subject!r} has had {MAX_HOLDERS} holders.", code="too_many_changes_of_hands")
        is_free = Condition("attribute_not_exists(id) AND free_since = :free", {":free": lock.get("free_since", 0)})
        return self._table.putting(item | {"past": past or None}, is_free)

    def _freeing(
        self, tenant: str, subject: str, customer_id: str, lock: Item, held: list[int | None] | None, now: int
    ) -> dict[str, Any]:
        past = [*lock.get("past", []), *([[customer_id, *held]] if held else [])]
        item = {
            PARTITION_KEY: keys.unique_names(tenant),
            SORT_KEY: keys.unique_name(keys.SUBJECT, subject),
            "past": past,
            "free_since": max(now, _end_of(lock) or now),
        }
        return self._table.putting(item, Condition("id = :id", {":id": customer_id}))

    def _past(self, tenant: str, customer_id: str, before: int, over: list[list[Any]]) -> dict[str, Any]:
        item = {
            PARTITION_KEY: keys.records(tenant, keys.ATTRIBUTION),
            SORT_KEY: keys.joined(customer_id, f"{before:06}"),
            "over": over,
        }
        return self._table.putting(item, NOT_YET_STORED)


def _since(stored: Item | None) -> dict[str, int]:
    return dict((stored or {}).get("since", {}))


def _end_of(lock: Item) -> int | None:
    """When the last holder had it no more; None where nobody had it before."""
    ends = [each[2] for each in lock.get("past", [])] + ([lock["free_since"]] if "free_since" in lock else [])
    return max(ends, default=None)


def _past_holders(subject: str, lock: Item) -> Iterable[Holder]:
    return [Holder(customer, _holding(subject, start, end)) for customer, start, end in lock.get("past", [])]


def _present_holder(subject: str, lock: Item) -> Iterable[Holder]:
    return [Holder(lock["id"], _holding(subject, lock.get("since"), None))] if "id" in lock else []


def _holding(subject: str, start: int | None, end: int | None) -> Holding:
    since, until = (None if each is None else datetime.fromtimestamp(each, UTC) for each in (start, end))
    return Holding(subject=subject, held_from=since, held_to=until)
