"""An error answer as Stripe words it, and whether the idempotency layer keeps it."""

from typing import Any


class Refusal(Exception):
    """`is_kept`: the endpoint had started executing, so the same key gets the same answer again."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        decline_code: str | None = None,
        is_kept: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.is_kept = is_kept
        words = {"type": type, "code": code, "param": param, "decline_code": decline_code, "message": message}
        self.error: dict[str, Any] = {name: word for name, word in words.items() if word is not None}

    @property
    def body(self) -> dict[str, Any]:
        return {"error": self.error}


def missing(kind: str, name: str, *, param: str = "id", status: int = 404) -> Refusal:
    return Refusal(status, f"No such {kind}: '{name}'", code="resource_missing", param=param)


def wrong_state(message: str, *, code: str | None = None) -> Refusal:
    """The parameters were fine and the work had begun: Stripe keeps this answer for the key."""
    return Refusal(400, message, code=code, is_kept=True)
