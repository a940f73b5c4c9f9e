"""The stack of this machine is open to nobody else."""

import pytest

from infra.local import emulator, front_door, stripe
from infra.local.state import LocalStack
from tests.listening import elsewhere

PROGRAMS = (emulator.NAME, stripe.NAME, front_door.NAME)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_the_stack_listens_on_loopback_only(stack: LocalStack, name: str) -> None:
    assert elsewhere(stack.ports[name]) == []
