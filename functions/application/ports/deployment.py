"""What the first deployment leaves behind for good."""

from typing import Protocol


class RefusesToDeploy(Exception):
    """This deployment would damage what an earlier one left; the message tells the operator what to do."""


class Genesis(Protocol):
    def record(self, lanes: int, key_check: str, ledger_format: int) -> tuple[int, str, int]:
        """Keep these values if none are kept yet; what is kept now."""
        ...


class Vault(Protocol):
    """One secret."""

    def read(self) -> str: ...

    def write(self, secret: str) -> None: ...
