"""How many commits of a lane a dead writer has left unwritten."""

from datetime import datetime

from functions.application.metering.ledger.pages_behind import PAGES_BEHIND_SECONDS
from functions.application.ports.ledger import Ledger

# A heartbeat a minute makes a living writer look at each of its lanes.
LEFT_SECONDS = 3 * PAGES_BEHIND_SECONDS


def lag_of(ledger: Ledger, lane: int, now: datetime) -> int:
    """0 while the first of them may still be written by whoever decided it."""
    done = ledger.head(lane)
    lag = max(0, ledger.last_commit_number(lane) - done)
    first = ledger.commit(lane, done + 1) if lag else None
    return 0 if first is not None and first.decided_at > now.timestamp() - LEFT_SECONDS else lag
