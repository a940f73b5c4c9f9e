"""The emulator's Kinesis and S3, one for all adapters of a test process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local import emulator, processes
from infra.local.ports import free_port


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    home = tmp_path_factory.mktemp("home")
    with _at(home):
        port = emulator.start(free_port()).port
    try:
        assert port
        yield port
    finally:
        with _at(home):
            processes.stop(emulator.NAME)


@contextmanager
def _at(home: Path) -> Iterator[None]:
    """Only while it starts and stops: other tests have homes of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOLLBOOTH_HOME", str(home))
        yield
