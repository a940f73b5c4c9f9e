"""What the answers about currencies, progress and subjects look like."""

from functions.domain.subscriptions.subject import Subject
from functions.domain.wire import Instant
from functions.handlers.openapi.answers import Shown


class Currency(Shown):
    """`subunits` are the digits after the decimal point. The `symbol` of most currencies is their code. A plan in one
    that is not `collectable` cannot be published.
    """

    code: str
    name: str
    symbol: str
    subunits: int
    collectable: bool


class TaskProgress(Shown):
    success: int
    failed: int
    total: int
    updated_at: Instant


class ShownSubject(Subject):
    pass
