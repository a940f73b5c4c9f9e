"""Which subscriptions stand in the way when something is withdrawn that they sell: looked up by reading all of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from functions.application.ports.clock import Clock
from functions.application.ports.subscriptions import SellingSubscriptions
from functions.domain.catalog.feature import Feature
from functions.domain.errors import Conflict, TooLarge
from functions.domain.subscriptions.held import items_sold
from functions.domain.subscriptions.item import SubscriptionItem
from functions.domain.subscriptions.subscription import Subscription

# A tenant's subscriptions, ended ones too: read within seconds, for something that is done a few times a year.
MAX_LOOKED_AT = 20_000
MAX_NAMED = 3  # in the sentence

# The items of a subscription that may need what is withdrawn.
Items = Callable[[Subscription, datetime], Iterable[SubscriptionItem]]


@dataclass(frozen=True)
class Holders:
    """The subscriptions of a tenant, as a withdrawal asks them."""

    subscriptions: SellingSubscriptions
    clock: Clock

    def of(
        self, tenant: str, word: str, items: Items, needs: Callable[[SubscriptionItem], bool]
    ) -> Sequence[Subscription]:
        """Some of those with an item that needs it, one more than are named; `word` is an id or slug the item has.

        Raises Conflict when the tenant has more subscriptions than are looked at.
        """
        now = self.clock.now()
        mentioning = self.subscriptions.mentioning(tenant, word, most=MAX_LOOKED_AT)
        holding = (each for each in mentioning if any(map(needs, items(each, now))))
        try:
            return list(islice(holding, MAX_NAMED + 1))
        except TooLarge as error:
            message = (
                f"More than {MAX_LOOKED_AT:,} subscriptions would have to be asked whether they need {word!r}; with so "
                "many it cannot be withdrawn. Stop selling it instead: archive the plans and add-ons that do."
            )
            raise Conflict(message, code="too_many_subscriptions") from error

    def require_feature_unsold(self, tenant: str, feature: Feature) -> None:
        """A subscription keeps its copy of a plan that was archived or deleted, or that was made for it alone.

        Raises Conflict.
        """
        holding = self.of(
            tenant, feature.id, items_sold, lambda item: item.feature is not None and item.feature.id == feature.id
        )
        if holding:
            who = self.told(holding, "edit it so that it no longer sells the feature")
            raise Conflict(f"Feature {feature.key!r} is sold by {who}.", code="feature_in_use")

    def told(self, holding: Sequence[Subscription], remedy: str) -> str:
        """Who they are and what to do about it; `remedy` is what would make a running one need it no longer."""
        now = self.clock.now()
        named = [f"{each.id} of customer {each.customer_id}" for each in holding[:MAX_NAMED]]
        more = " and more" if len(holding) > MAX_NAMED else ""
        what = "subscription" if len(holding) == 1 else "subscriptions"
        remedies = []
        if any(not each.is_over(now) for each in holding):
            remedies.append(f"cancel {'it' if len(holding) == 1 else 'each'}, or {remedy}")
        if any(each.is_over(now) for each in holding):
            remedies.append("invoice what was used before it ended")
        return f"{what} {', '.join(named)}{more}; {', and '.join(remedies)}"
