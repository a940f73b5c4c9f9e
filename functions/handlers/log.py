"""Structured log lines: one JSON object per line on standard output, which Lambda ships as it is."""

import json
import sys
import traceback
from typing import Any


def write(level: str, message: str, **fields: Any) -> None:
    """Fields must not hold payloads, tokens or customers' data."""
    print(json.dumps({"level": level, "message": message, **fields}, default=str), file=sys.stdout, flush=True)


def unexpected(error: BaseException, **fields: Any) -> None:
    """An error nobody planned for: where it happened and its kind; its text may hold a payload and stays out."""
    write(
        "ERROR",
        "unexpected error",
        error=type(error).__name__,
        aws_code=aws_code(error),
        aws_operation=getattr(error, "operation_name", None),
        stack="".join(traceback.format_tb(error.__traceback__)),
        **fields,
    )


def aws_code(error: BaseException) -> str | None:
    """What AWS calls the error, if it is one of AWS's."""
    answer = getattr(error, "response", None)
    return answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
