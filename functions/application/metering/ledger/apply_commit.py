"""Applying commits: idempotent, total, and in an order that lets any process finish it for one that died."""

from collections.abc import Sequence

from functions.application.metering.ledger.apply_pages import PageApplier
from functions.application.ports.ledger import Archive, Ledger
from functions.domain.metering.ledger.history import voided_parts
from functions.domain.metering.ledger.ledger import Commit


def apply_commits(ledger: Ledger, archive: Archive, pages: PageApplier, commits: Sequence[Commit]) -> None:
    """Make everything true that commits say, at most one of a lane, with few requests for all of them.

    Their writer raises the heads later; until then the next writer of a lane applies its commit again.
    """
    counted = [commit for commit in commits if commit.fingerprints]
    for commit in counted:
        archive.publish(commit)
    ledger.put_index(counted)
    pages.apply(counted)
    ledger.put_history([part for commit in counted for part in voided_parts(commit)])
    # After the counters: when billing is told of late usage, it finds it counted.
    ledger.put_late(counted)
    ledger.put_markers(commits)
