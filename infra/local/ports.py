"""Loopback ports: the configured one, or any that is free; what already runs keeps its own."""

import os
import socket

from infra.local.failure import StepFailed

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port nobody listens on now; the caller binds it within moments."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def configured_or_free(variable: str) -> int:
    """The port named by an environment variable; without it, a free one."""
    text = os.environ.get(variable)
    if not text:
        return free_port()
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise StepFailed(f"{variable}={text!r} is not a port.", f"Set {variable} to a number from 1 to 65535.")
    if not is_free(int(text)):
        raise StepFailed(
            f"Port {text} ({variable}) is taken by another program.",
            f"Choose another with {variable}=<port>, or unset {variable} to take any free port.",
        )
    return int(text)


def unheeded(variable: str, kept: int) -> str | None:
    """What to say when an environment variable asks for another port than a running program keeps."""
    text = os.environ.get(variable)
    if not text or (text.isdigit() and int(text) == kept):
        return None
    return (
        f"{variable}={text} changes nothing: what runs keeps port {kept}. `make down` first, then `make up` takes it."
    )
