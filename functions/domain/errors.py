"""The family of business errors; each kind has one stable public code and, in the HTTP layer, one status."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from functions.domain.rate_limit import Standing


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field: its path, a stable code, and a sentence saying what would be right."""

    field: str
    code: str
    message: str


class TollboothError(Exception):
    """A refusal a caller can understand: a sentence and a stable code."""

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.fields = tuple(fields)


class InvalidInput(TollboothError):
    code = "validation_error"


class Unauthorized(TollboothError):
    code = "unauthorized"


class Forbidden(TollboothError):
    code = "forbidden"


class NotFound(TollboothError):
    code = "not_found"


class Conflict(TollboothError):
    code = "conflict"


class Unbillable(Conflict):
    """What a customer owes cannot be invoiced until somebody changes it; the same try again fails again."""

    code = "unbillable"


class ArchiveGap(Conflict):
    """Archived events that an answer needs are gone or cannot be read; the same question fails again."""


class PreconditionFailed(TollboothError):
    code = "precondition_failed"


class TooLarge(TollboothError):
    code = "too_large"


class UnsupportedMedia(TollboothError):
    code = "unsupported_media_type"


class NotSupported(TollboothError):
    """An operation that others of our kind have and this product does not."""

    code = "not_implemented"


class Unavailable(TollboothError):
    """Temporarily impossible; the same request may succeed after `retry_after_seconds`."""

    code = "unavailable"

    def __init__(self, detail: str, *, retry_after_seconds: int, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after_seconds = retry_after_seconds


class RateLimited(TollboothError):
    """Too much at once; the same request succeeds after `retry_after_seconds`."""

    code = "too_many_requests"

    def __init__(
        self,
        detail: str,
        *,
        standing: "Standing | None" = None,
        retry_after_seconds: int = 1,
        code: str = "rate_limited",
    ) -> None:
        super().__init__(detail, code=code)
        self.standing = standing
        self.retry_after_seconds = standing.seconds if standing else retry_after_seconds
