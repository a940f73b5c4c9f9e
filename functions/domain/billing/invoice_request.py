"""A request to invoice a customer now, and those before that were answered."""

from datetime import datetime

from functions.domain.wire import Flag, Instant, WireModel

# Of a customer; a caller that repeats an older one finds nothing to invoice.
MAX_ANSWERED = 20


class AnsweredRequest(WireModel):
    """An earlier request: the instants between which its invoices are owed."""

    first_due_at: Instant
    as_of: Instant


class InvoiceRequest(WireModel):
    """Somebody asked to invoice a customer now: which boundaries that covers, and whether they got their answer.

    A progressive one also bills the usage up to `as_of` of periods that have not ended. `answered` are the requests
    before, so that the same question has the same answer later on.
    """

    customer_id: str
    run_id: str
    first_due_at: Instant
    as_of: Instant
    requested_at: Instant
    is_answered: bool = False
    progressive: Flag = False
    answered: tuple[AnsweredRequest, ...] = ()

    def with_itself_answered(self) -> tuple[AnsweredRequest, ...]:
        """For the request that takes its place."""
        itself = AnsweredRequest(first_due_at=self.first_due_at, as_of=self.as_of)
        others = (each for each in self.answered if each.as_of != self.as_of)
        return (*others, itself)[-MAX_ANSWERED:]

    def answered_before(self, as_of: datetime) -> "InvoiceRequest | None":
        """The request for that instant as it was answered."""
        found = next((each for each in reversed(self.answered) if each.as_of == as_of), None)
        if found is None:
            return None
        return self.model_copy(update={**dict(found), "is_answered": True, "progressive": False})
