"""Payloads of the API: requests, the authorizer's questions, the deployment's custom resource."""

from collections.abc import Iterator

from tests.replay.make_scenario import Made


def scenarios() -> Iterator[Made]:
    yield from ()
