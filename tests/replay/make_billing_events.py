"""Payloads of billing: the schedule, the steps of the workflow, Stripe webhooks."""

from collections.abc import Iterator

from tests.replay.make_scenario import Made


def scenarios() -> Iterator[Made]:
    yield from ()
