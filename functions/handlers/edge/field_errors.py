"""What pydantic found wrong with a request, said in our words: one error a field, under the name it has on the wire."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, get_args

from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

from functions.domain.errors import FieldError
from functions.domain.wire import NOT_RFC_3339

MAX_PATH_CHARACTERS = 500
MAX_MESSAGE_CHARACTERS = 1_000
TOO_SHORT = "too_short"
MAX_FOUND = 1_000  # of which the first few are said in the sentence, and all in the list
STEP = re.compile(r"[.\[]")
WHOLE = "$"  # the path of what concerns the whole request

# The patterns of functions.domain.wire and their like, as a person would say them.
PATTERNS = {
    r"^[a-z0-9]+(?:_[a-z0-9]+)*$": "must be lower-case letters, digits and single underscores inside, such as my_key",
    r"^[A-Z]{3}$": "must be a three-letter currency code such as USD",
    r"^[A-Z]{2}$": "must be a two-letter country code such as DE",
    r"^[^@\s]+@[^@\s]+$": "must be an e-mail address",
}

LIBRARY_KINDS = frozenset(get_args(core_schema.ErrorType))

Context = Mapping[str, Any]
Say = Callable[[Context], str]


def _at_least(ctx: Context) -> str:
    least = ctx.get("min_length", 1)
    return "must not be empty" if least == 1 else f"must have at least {least} characters"


def _pattern(ctx: Context) -> str:
    pattern = str(ctx.get("pattern", ""))
    return PATTERNS.get(pattern, f"must match {pattern}")


def _entries(ctx: Context) -> str:
    least = ctx.get("min_length", 1)
    return "must not be empty" if least == 1 else f"must have at least {least} entries"


def _choices(ctx: Context) -> str:
    expected = str(ctx.get("expected", "")).replace(" or ", ", ")
    return f"must be one of {expected}" if ", " in expected else f"must be {expected}"


# pydantic's type of error -> our code and what would be right.
KINDS: Mapping[str, tuple[str, Say]] = {
    "missing": ("required", lambda _: "is required"),
    "extra_forbidden": ("unknown_field", lambda _: "is not a field of this request; leave it out"),
    "string_type": ("wrong_type", lambda _: "must be a text"),
    "string_too_short": (TOO_SHORT, _at_least),
    "string_too_long": ("too_long", lambda ctx: f"may have at most {ctx.get('max_length')} characters"),
    "string_pattern_mismatch": ("invalid_format", _pattern),
    "bool_type": ("wrong_type", lambda _: "must be true or false"),
    "bool_parsing": ("wrong_type", lambda _: "must be true or false"),
    "int_type": ("wrong_type", lambda _: "must be a whole number"),
    "int_parsing": ("wrong_type", lambda _: "must be a whole number"),
    "int_parsing_size": ("out_of_range", lambda _: "must be a smaller whole number"),
    "int_from_float": ("wrong_type", lambda _: "must be a whole number"),
    "decimal_type": ("wrong_type", lambda _: "must be a decimal number"),
    "decimal_parsing": ("wrong_type", lambda _: "must be a decimal number"),
    "dict_type": ("wrong_type", lambda _: "must be an object"),
    "model_type": ("wrong_type", lambda _: "must be an object"),
    "model_attributes_type": ("wrong_type", lambda _: "must be an object"),
    "list_type": ("wrong_type", lambda _: "must be a list"),
    "tuple_type": ("wrong_type", lambda _: "must be a list"),
    "too_short": (TOO_SHORT, _entries),
    "too_long": ("too_long", lambda ctx: f"may have at most {ctx.get('max_length')} entries"),
    "greater_than": ("out_of_range", lambda ctx: f"must be more than {ctx.get('gt')}"),
    "greater_than_equal": ("out_of_range", lambda ctx: f"must be at least {ctx.get('ge')}"),
    "less_than": ("out_of_range", lambda ctx: f"must be less than {ctx.get('lt')}"),
    "less_than_equal": ("out_of_range", lambda ctx: f"must be at most {ctx.get('le')}"),
    "enum": ("not_one_of", _choices),
    "literal_error": ("not_one_of", _choices),
    "union_tag_not_found": ("required", lambda ctx: f"needs {_bare(ctx.get('discriminator'))}"),
    "union_tag_invalid": (
        "not_one_of",
        lambda ctx: f"must have one of {ctx.get('expected_tags')} as its {_bare(ctx.get('discriminator'))}",
    ),
}


def field_errors(found: Iterable[Any], value: Any) -> list[FieldError]:
    """`found` as pydantic lists it, `value` as it was sent; the ways a field could have been right become one error."""
    by_path: dict[str, dict[str, str]] = {}
    for error in islice(found, MAX_FOUND):
        path = _path(error["loc"], value, is_missing=error["type"] in ("missing", "required"))
        code, message = _said(error)
        by_path.setdefault(path, {}).setdefault(message, code)
    # pydantic also calls a list too short when its entries are wrong.
    around = {outer for path in by_path for outer in _around(path)}
    follow_ups = {path for path, said in by_path.items() if path in around and set(said.values()) == {TOO_SHORT}}
    return [
        FieldError(
            path[:MAX_PATH_CHARACTERS],
            next(iter(said.values())) if len(set(said.values())) == 1 else "invalid",
            ", or ".join(said)[:MAX_MESSAGE_CHARACTERS],
        )
        for path, said in by_path.items()
        if path not in follow_ups
    ]


def _around(path: str) -> Iterator[str]:
    """The paths of all that it lies in."""
    return (path[: step.start()] for step in STEP.finditer(path))


def _said(error: Any) -> tuple[str, str]:
    kind, ctx = str(error["type"]), error.get("ctx") or {}
    if kind.startswith(("datetime", "date_", "timezone")):
        return "invalid_format", NOT_RFC_3339
    if kind == "value_error":
        return "invalid", str(error["msg"]).removeprefix("Value error, ").removesuffix(".")
    if kind not in LIBRARY_KINDS:  # one of our own, already in our words
        return kind, str(error["msg"]).removesuffix(".")
    code, say = KINDS.get(kind, ("invalid", lambda _: "is not valid here"))
    return code, say(ctx)


def _path(loc: Sequence[str | int], value: Any, *, is_missing: bool) -> str:
    """Only what is in the request: pydantic also names the alternatives it tried on the way."""
    path, last = "", len(loc) - 1
    chosen: Any = None  # the object whose kind was named already
    for n, part in enumerate(loc):
        if n < last and value is not chosen and isinstance(value, Mapping) and value.get("type") == part:
            chosen = value  # the name of an alternative, even if a field is called the same
        elif isinstance(part, int):
            path += f"[{part}]"
            value = value[part] if isinstance(value, list | tuple) and part < len(value) else None
        elif isinstance(value, Mapping) and part in value:
            path += f".{part}"
            value = value[part]
        elif is_missing and n == last:
            path += f".{to_camel(part) if '_' in part else part}"  # of a default that was checked: the model's own name
    return path.removeprefix(".") or WHOLE


def _bare(text: Any) -> str:
    return str(text).replace("'", "`")
