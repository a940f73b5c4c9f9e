"""The push record: how far one invoice has got at the gateway, and which payment states may follow which."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

# Longer than any single gateway call with its retries (about 45 s), so a lease never lapses under a living pusher;
# short enough that the retry of a killed function waits only minutes.
PUSH_LEASE = timedelta(seconds=150)


class PushState(StrEnum):
    STARTED = "started"
    PUSHED = "pushed"
    FAILED = "push_failed"


class PaymentStatus(StrEnum):
    """What our invoice knows about its money; `issued` until the gateway has it."""

    ISSUED = "issued"
    PUSH_FAILED = "push_failed"
    OPEN = "open"
    UNCOLLECTIBLE = "uncollectible"
    PAID = "paid"
    VOID = "void"


_UNSENT = frozenset({PaymentStatus.ISSUED, PaymentStatus.PUSH_FAILED})

# status -> the statuses it may be written over. Answers and webhooks arrive in any order; a late one never turns
# a paid or void invoice back.
MAY_REPLACE: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    PaymentStatus.ISSUED: frozenset(),
    PaymentStatus.PUSH_FAILED: _UNSENT,
    PaymentStatus.OPEN: _UNSENT | {PaymentStatus.OPEN},
    PaymentStatus.UNCOLLECTIBLE: _UNSENT | {PaymentStatus.OPEN, PaymentStatus.UNCOLLECTIBLE},
    PaymentStatus.PAID: _UNSENT | {PaymentStatus.OPEN, PaymentStatus.UNCOLLECTIBLE, PaymentStatus.PAID},
    PaymentStatus.VOID: _UNSENT | {PaymentStatus.OPEN, PaymentStatus.UNCOLLECTIBLE, PaymentStatus.VOID},
}


@dataclass(frozen=True)
class GatewayCustomer:
    """Who one of our customers is at the gateway, in one currency; `ref` is None while there is nobody.

    `replaced` counts those who were there before and are gone, `told` is the digest of the contact that was last sent,
    None when nobody knows. `version` is the fence, as in a push.
    """

    ref: str | None = None
    replaced: int = 0
    told: str | None = None
    version: int = 0

    def stored(self) -> "GatewayCustomer":
        """As it is after a store took it."""
        return replace(self, version=self.version + 1)

    def gone(self) -> "GatewayCustomer":
        return replace(self, ref=None, told=None, replaced=self.replaced + 1)


@dataclass(frozen=True)
class PushFailure:
    """Why a push stopped for good: a stable code, a sentence for a human, the parameter if the gateway named one."""

    code: str
    message: str
    param: str | None = None


@dataclass(frozen=True)
class PushRecord:
    """One invoice's push. `gen` is part of every idempotency key: a new generation asks the gateway afresh.

    `version` is the fence: every write names the version it replaces, so a pusher that lost its lease cannot write.
    """

    tenant: str
    invoice_id: str
    payload_sha: str
    first_attempt_at: datetime
    gen: int = 0
    gateway_customer: str | None = None
    gateway_invoice: str | None = None
    state: PushState = PushState.STARTED
    lease_until: datetime | None = None
    failure: PushFailure | None = None
    version: int = 0

    def is_leased(self, now: datetime) -> bool:
        return self.lease_until is not None and now < self.lease_until

    def leased(self, now: datetime) -> "PushRecord":
        return replace(self, lease_until=now + PUSH_LEASE)

    def released(self) -> "PushRecord":
        return replace(self, lease_until=None)

    def stored(self) -> "PushRecord":
        """As it is after a store took it."""
        return replace(self, version=self.version + 1)

    def next_generation(self) -> "PushRecord":
        return replace(self, gen=self.gen + 1)

    def anew(self) -> "PushRecord":
        """From the start, for another customer at the gateway."""
        return replace(self.next_generation(), gateway_customer=None, gateway_invoice=None)

    def retried(self) -> "PushRecord":
        """A failed push tried again by a human: a new generation, because the gateway may have saved the refusal."""
        if self.state is not PushState.FAILED:
            return self
        return replace(self.next_generation(), state=PushState.STARTED, failure=None)

    def pushed(self) -> "PushRecord":
        return replace(self, state=PushState.PUSHED, failure=None).released()

    def failed(self, failure: PushFailure) -> "PushRecord":
        return replace(self, state=PushState.FAILED, failure=failure).released()
