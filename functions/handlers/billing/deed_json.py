"""What a change of a subscription would cost, as the API shows it."""

from typing import Any

from functions.application.billing.preview_deed import DeedPreview
from functions.domain.subscriptions.subscription import Subscription
from functions.domain.subscriptions.succession import addons_held
from functions.handlers.billing.invoice_line_json import line_shown
from functions.handlers.edge.http import without_none
from functions.handlers.edge.money_json import money_shown
from functions.handlers.subscriptions.subscription_json import claim_shown


def deed_shown(preview: DeedPreview) -> dict[str, Any]:
    lines = preview.lines
    charged = sum(line.total_minor for _, line in lines if line.total_minor > 0)
    credited = -sum(line.total_minor for _, line in lines if line.total_minor < 0)

    def amount(minor: int) -> str:
        return money_shown(minor, preview.currency)

    return {
        "effectiveAt": preview.effective_at,
        "currency": preview.currency,
        "lines": [line_shown(record, line) for record, line in lines if line.total_minor >= 0],
        "credits": [line_shown(record, line) for record, line in lines if line.total_minor < 0],
        "totals": {"charges": amount(charged), "credits": amount(credited), "total": amount(charged - credited)},
        "claims": [claim_shown(each, claim) for each in preview.after for claim in each.claims if claim.is_open],
        "kept": _kept(preview),
        "lost": _lost(preview),
    }


def _kept(preview: DeedPreview) -> list[dict[str, Any]]:
    last = preview.after[-1]
    phase = last.phase_at(max(preview.effective_at, last.active_from))
    phases = [without_none({"type": "phase", "key": phase.key, "endsAt": phase.ends_at})] if phase else []
    return phases + [{"type": "addon", "key": each.addon.key} for each in addons_held(last, preview.effective_at)]


def _lost(preview: DeedPreview) -> list[dict[str, Any]]:
    """Add-ons that do not come along, and items that edits made."""
    before, last = preview.before, preview.after[-1]
    if last.id == before.id:
        return []
    kept = {each.addon.key for each in addons_held(last, preview.effective_at)}
    addons = [each.addon.key for each in addons_held(before, preview.effective_at) if each.addon.key not in kept]
    return [{"type": "addon", "key": key} for key in addons] + [{"type": "edit", "key": key} for key in _edited(before)]


def _edited(subscription: Subscription) -> list[str]:
    items = [item for phase in subscription.phases for item in phase.items]
    return sorted({item.key for item in items if item.created_at and not item.is_added and item.base is None})
