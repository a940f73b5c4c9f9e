"""What we start on a machine can be reached from that machine only."""

import socket
import threading
from pathlib import Path

import pytest

from infra.local.failure import StepFailed
from infra.local.front_door import FrontDoor
from infra.local.loopback_jetty import on_loopback, put_before
from infra.local.ports import LOOPBACK
from infra.local.stripe_standin.server import running
from tests.listening import elsewhere


def test_dynamodb_local_listens_on_loopback_only(dynamodb_endpoint: str) -> None:
    assert elsewhere(int(dynamodb_endpoint.rpartition(":")[2])) == []


def test_the_stripe_stand_in_listens_on_loopback_only() -> None:
    with running(api_key="k", webhook_secret="s", port=0) as server:
        assert elsewhere(int(server.url.rpartition(":")[2])) == []


def test_the_front_door_listens_on_loopback_only() -> None:
    with FrontDoor(0, f"http://{LOOPBACK}:9/") as door:
        threading.Thread(target=door.serve_forever, daemon=True).start()
        assert elsewhere(door.server_port) == []
        door.shutdown()


def test_who_listens_everywhere_is_found() -> None:
    with socket.create_server(("", 0)) as open_to_all:
        assert elsewhere(open_to_all.getsockname()[1]) != []


def test_another_web_server_in_dynamodb_local_is_a_failure_and_not_an_open_port(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="not the one this was written for"):
        put_before(tmp_path, tmp_path / "out")
    with pytest.raises(ValueError, match="_host"):
        on_loopback(b"\xca\xfe\xba\xbe\x00\x00\x00\x3d\x00\x01")
