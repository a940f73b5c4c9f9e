"""Applying a commit: idempotent, total, and in an order that lets anyone finish it for whoever died."""

from functions.application.ports.ledger import Archive, Ledger
from functions.domain.metering.ledger import Commit
from functions.domain.metering.pages import Page, PageDelta

MAX_PAGE_TRIES = 20


def apply_commit(ledger: Ledger, archive: Archive, commit: Commit) -> None:
    """Make everything a commit says true. Its writer raises the head later; until then the next applies it again."""
    if commit.fingerprints:
        archive.publish(commit)
        ledger.put_index(commit)
        apply_pages(ledger, commit)
    if commit.markers:
        ledger.put_markers(commit)


def apply_pages(ledger: Ledger, commit: Commit) -> None:
    adding = [page for page in commit.pages if not page.has_extremes]
    ledger.add_to_pages(commit, adding)
    for delta in commit.pages:
        if delta.has_extremes:
            replace_page(ledger, commit, delta)


def replace_page(ledger: Ledger, commit: Commit, delta: PageDelta) -> None:
    """Extremes cannot be added: read, compare, and write only if the page is still the one that was read."""
    for _ in range(MAX_PAGE_TRIES):
        page = ledger.page(delta.key)
        if page.stamp >= commit.n:
            return
        if ledger.replace_page(Page(delta.key, page.stamp, delta.applied_to(page.cells)), commit.n):
            return
    raise RuntimeError(f"Page {delta.key} changed {MAX_PAGE_TRIES} times while commit {commit.n} was applied.")
