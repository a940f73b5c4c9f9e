"""What commits leave behind beside the pages: idempotent, and in an order that lets any process finish it."""

from collections.abc import Sequence

from functions.application.ports.ledger import Archive, Ledger
from functions.domain.metering.ledger.history import voided_parts
from functions.domain.metering.ledger.ledger import Commit


def index_commits(ledger: Ledger, archive: Archive, commits: Sequence[Commit]) -> None:
    """Make everything true that commits say, but for the pages; at most one of a lane, with few requests for all.

    Whoever decides the next commit of a lane has done this for the one before.
    """
    counted = [commit for commit in commits if commit.fingerprints]
    for commit in counted:
        archive.publish(commit)
    ledger.put_index(counted)
    ledger.put_history([part for commit in counted for part in voided_parts(commit)])
    # Readers see the counts from the commit on: when billing is told of late usage, it finds it counted.
    ledger.put_late(counted)
    ledger.put_markers(commits)
