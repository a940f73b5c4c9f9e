"""Stripe's lists: newest first, a cursor by id, a page of at most 100."""

from collections.abc import Callable, Iterable

from infra.local.stripe_standin.forms import Params
from infra.local.stripe_standin.refusal import missing
from infra.local.stripe_standin.world import Json


def created_filter(params: Params) -> Callable[[Json], bool]:
    if not params.has("created"):
        return lambda _: True
    bounds = params.child("created")
    assert bounds is not None
    limits = {each: bounds.integer(each, None) for each in ("gt", "gte", "lt", "lte")}
    bounds.close()

    def is_inside(thing: Json) -> bool:
        at = thing["created"]
        return (
            (limits["gt"] is None or at > limits["gt"])
            and (limits["gte"] is None or at >= limits["gte"])
            and (limits["lt"] is None or at < limits["lt"])
            and (limits["lte"] is None or at <= limits["lte"])
        )

    return is_inside


def page(things: Iterable[Json], params: Params, url: str) -> Json:
    """One page of things given in the order to show; reads limit, starting_after and ending_before."""
    limit = params.integer("limit", 10, low=1, high=100)
    after, before = params.text("starting_after", None), params.text("ending_before", None)
    params.texts("expand")
    params.close()
    items = list(things)
    ids = [each["id"] for each in items]
    for cursor, param in ((after, "starting_after"), (before, "ending_before")):
        if cursor is not None and cursor not in ids:
            raise missing("object", cursor, param=param, status=400)
    if before is not None:
        items = items[: ids.index(before)]
        return {"object": "list", "data": items[-limit:], "has_more": len(items) > limit, "url": url}
    if after is not None:
        items = items[ids.index(after) + 1 :]
    return {"object": "list", "data": items[:limit], "has_more": len(items) > limit, "url": url}
