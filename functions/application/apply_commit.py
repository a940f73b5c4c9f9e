"""Applying a commit: idempotent, total, and in an order that lets anyone finish it for whoever died."""

from functions.application.apply_pages import PageApplier
from functions.application.ports.ledger import Archive, Ledger
from functions.domain.metering.history import voided_parts
from functions.domain.metering.ledger import Commit


def apply_commit(ledger: Ledger, archive: Archive, pages: PageApplier, commit: Commit) -> None:
    """Make everything a commit says true. Its writer raises the head later; until then the next applies it again."""
    if commit.fingerprints:
        archive.publish(commit)
        ledger.put_index(commit)
        pages.apply(commit)
        ledger.put_history(list(voided_parts(commit)))
    if commit.markers:
        ledger.put_markers(commit)
