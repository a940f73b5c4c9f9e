"""The Content-Type of a request: its type, and a charset that is UTF-8 or refused by name."""

import re

from functions.domain.errors import InvalidInput

_PARAMETER = re.compile(r';\s*([^=;\s"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"]*)', re.ASCII)
_UTF8 = ("utf-8", "utf8", "us-ascii", "ascii")  # US-ASCII is part of UTF-8


def media_type(header: str) -> str:
    """In lower case, without parameters, which may come in any order and with or without quotes."""
    kind, _, _ = header.partition(";")
    for name, value in _PARAMETER.findall(header):
        charset = value.strip().strip('"').lower()
        if name.lower() == "charset" and charset not in _UTF8:
            raise InvalidInput(f"invalid content type: charset {charset[:40]!r} is not taken; send JSON in UTF-8.")
    return kind.strip().lower()
