"""What somebody has said of a subject: a name and more for the key that events bear. No usage depends on it."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, ConfigDict, Field, RootModel, StringConstraints

from functions.domain.subscriptions.customer import SubjectKey
from functions.domain.wire import MAX_METADATA_KEYS, Instant, WireModel

# With a lock item each they are written in one transaction, which DynamoDB bounds at 100 writes.
MAX_UPSERTED = 50
MAX_TEXT_CHARACTERS = 256
MAX_METADATA_BYTES = 4_000  # as JSON


def _bounded(value: dict[str, Any] | None) -> dict[str, Any] | None:
    if value and (len(value) > MAX_METADATA_KEYS or len(msgspec.json.encode(value)) > MAX_METADATA_BYTES):
        raise ValueError(f"may hold {MAX_METADATA_KEYS} keys, and {MAX_METADATA_BYTES} bytes as JSON")
    return value


def _each_once(upserts: "tuple[SubjectUpsert, ...]") -> "tuple[SubjectUpsert, ...]":
    keys = [each.key for each in upserts]
    if len(set(keys)) < len(keys):
        twice = next(key for n, key in enumerate(keys) if key in keys[:n])
        raise ValueError(f"must name each key once: {twice[:100]!r} comes more than once")
    return upserts


Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARACTERS)]


class SubjectUpsert(WireModel):
    """A field that is left out stays as it is; one that is null is removed. `stripe_customer_id` and the current period
    are kept as they are sent and mean nothing here.
    """

    key: SubjectKey
    display_name: Text | None = None
    metadata: Annotated[dict[str, Any] | None, AfterValidator(_bounded)] = None
    current_period_start: Instant | None = None
    current_period_end: Instant | None = None
    stripe_customer_id: Text | None = None


Upserts = Annotated[tuple[SubjectUpsert, ...], Field(max_length=MAX_UPSERTED), AfterValidator(_each_once)]


class SubjectUpserts(RootModel[Upserts]):
    """Written all together or not at all."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class Subject(SubjectUpsert):
    id: str
    created_at: Instant
    updated_at: Instant

    def after(self, upsert: SubjectUpsert, now: datetime) -> "Subject":
        """With what was said, and only that, changed."""
        said = {name: getattr(upsert, name) for name in upsert.model_fields_set}
        return self.model_copy(update={**said, "updated_at": now})

    def wire(self) -> dict[str, Any]:
        """As the API shows it."""
        shown: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"metadata"})
        return shown if self.metadata is None else {**shown, "metadata": self.metadata}
