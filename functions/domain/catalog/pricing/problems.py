"""Refusing a part of a price by its path: a model validator alone could only name the whole price."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


def wrong(*path: str | int, code: str, message: str, value: Any = None) -> InitErrorDetails:
    """What is wrong at a path below the model, as JSON names it; the message says what would be right."""
    return InitErrorDetails(type=PydanticCustomError(code, "{message}", {"message": message}), loc=path, input=value)


def refuse(problems: Sequence[InitErrorDetails]) -> None:
    """Raises what pydantic puts behind the path of the model; nothing wrong, nothing raised."""
    if problems:
        raise ValidationError.from_exception_data("price", list(problems))
