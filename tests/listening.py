"""Whether a port answers at addresses other than 127.0.0.1; asked over the wire, so it needs nobody's tables."""

import socket

# All of 127/8 is this machine on Linux: a program that listens on every interface answers at these, too.
OTHER_LOOPBACKS = ("127.0.0.2", "::1")
CONNECT_SECONDS = 1


def elsewhere(port: int) -> list[str]:
    """The other addresses of this machine at which the port answers."""
    return [address for address in (*OTHER_LOOPBACKS, *_own_addresses()) if _answers(address, port)]


def _own_addresses() -> list[str]:
    """The address packets to the world would leave from; none is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return []
        return [] if probe.getsockname()[0].startswith("127.") else [probe.getsockname()[0]]


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=CONNECT_SECONDS):
            return True
    except OSError:
        return False
