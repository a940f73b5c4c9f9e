"""The audit on the whole stack: nothing is lost or counted twice, also when any process is killed."""

from infra.local import audit
from infra.local.state import LocalStack
from tests.stories.kill_load import kill_load

EVENTS = 8_000


def test_functions_killed_at_random_leave_no_difference(stack: LocalStack) -> None:
    load = kill_load(stack, EVENTS, seconds_between_kills=1.0)
    assert load.kills
    assert load.problems() == []
    assert load.total("differenceCount") == 0
    assert len(audit.table(load.rows).splitlines()) == len(load.rows) + 2
