"""Query parameters, typed: each getter returns a usable value or raises InvalidInput naming the parameter."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from functions.domain.errors import FieldError, InvalidInput
from functions.domain.wire import FIRST_YEAR, LAST_YEAR, rfc3339
from functions.handlers.edge import json_body
from functions.handlers.edge.list_text import require_no_list, values_in

MAX_PARAMETERS = 1_000
MAX_PAGE = 1_000_000
DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000
MAX_MAPPING_CHARACTERS = 4_000
MAX_JSON_CHARACTERS = 8_000  # what API Gateway takes as the whole request line
_DIGITS = re.compile(r"[0-9]{1,9}", re.ASCII)
_SPELLED = re.compile(r"([^\[\]]*)((?:\[[^\[\]]*\])*)")


@dataclass(frozen=True)
class Page:
    """`was_asked` tells a client that wants pages from one that wants a bare list."""

    number: int = 1
    size: int = DEFAULT_PAGE_SIZE
    was_asked: bool = False

    @property
    def start(self) -> int:
        return (self.number - 1) * self.size


class Given(NamedTuple):
    """One parameter as it was sent: `name[key]=value` has the keys ("key",), `name=value` none."""

    name: str
    keys: tuple[str, ...]
    value: str

    @property
    def is_of_list(self) -> bool:
        """`name`, or as axios, PHP, Rails and qs write a list: `name[]`, `name[0]`."""
        return not self.keys or (len(self.keys) == 1 and is_index(self.keys[0]))


def is_index(key: str) -> bool:
    return not key or _DIGITS.fullmatch(key) is not None


def _given(spelled: str, value: str) -> Given:
    """A name with brackets that do not match is a name of its own, which no route takes."""
    if not (parts := _SPELLED.fullmatch(spelled)):
        return Given(spelled, (), value)
    return Given(parts[1], tuple(parts[2][1:-1].split("][")) if parts[2] else (), value)


def refused(name: str, message: str, code: str = "invalid_parameter") -> InvalidInput:
    """The refusal of one parameter or field; the message continues its name: "pageSize" + "is 1 to 1000."."""
    sentence = f"{name} {message}"
    return InvalidInput(sentence, fields=[FieldError(name, code, sentence)])


class Query:
    def __init__(self, raw: str) -> None:
        try:
            self.pairs = parse_qsl(raw, keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict")
        except UnicodeDecodeError as error:
            raise InvalidInput("The query string is not UTF-8.") from error
        except ValueError as error:
            raise InvalidInput(f"The query string holds more than {MAX_PARAMETERS} parameters.") from error

    @cached_property
    def given(self) -> tuple[Given, ...]:
        return tuple(_given(*pair) for pair in self.pairs)

    def texts(self, name: str, most: int | None = None, *, commas: bool = False) -> tuple[str, ...]:
        """Every value of a list, each once, in order; with `commas`, several may be in one text."""
        sent = (each.value for each in self.given if each.name == name and each.is_of_list)
        found = tuple(dict.fromkeys(part for value in sent for part in (value.split(",") if commas else (value,))))
        if most is not None and len(found) > most:
            raise refused(name, f"takes at most {most} values, not {len(found)}.")
        return found

    def text(self, name: str) -> str | None:
        """The value of a parameter; an empty one counts as absent: `check_parameters` has refused it if it may."""
        return next((value for key, value in self.pairs if key == name and value), None)

    def text_or_empty(self, name: str) -> str | None:
        """None only where it was not sent."""
        return next((value for key, value in self.pairs if key == name), None)

    def flag(self, name: str) -> bool:
        match (self.text(name) or "false").lower():
            case "true" | "1":
                return True
            case "false" | "0":
                return False
        raise refused(name, "is either true or false.")

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        found = self.text(name)
        if found is None:
            return default
        if found not in allowed:
            raise refused(name, f"is one of {', '.join(allowed)}.")
        return found

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        found = self.text(name)
        if found is None:
            return default
        if not _DIGITS.fullmatch(found) or not least <= int(found) <= most:
            raise refused(name, f"is a whole number from {least} to {most}.")
        return int(found)

    def instant(self, name: str) -> datetime | None:
        found = self.text(name)
        return None if found is None else parse_instant(name, found)

    def mapping(self, name: str) -> dict[str, tuple[str, ...]]:
        """A deepObject parameter, name[key]=value, with every value a key was given."""
        found: dict[str, list[str]] = {}
        for each in self.given:
            if each.name == name and each.keys:
                require_no_list(f"{name}[{each.keys[0]}]", [each.value])
                found.setdefault(each.keys[0], []).append(each.value)
        for key, values in self._as_python_writes_it(name).items():
            found.setdefault(key, []).extend(values)
        return {key: tuple(values) for key, values in found.items()}

    def json(self, name: str) -> Any:
        """The value of a parameter whose text is JSON."""
        found = self.text(name)
        if found is None:
            return None
        if len(found) > MAX_JSON_CHARACTERS:
            raise refused(name, f"has more than {MAX_JSON_CHARACTERS} characters; send a body by POST.")
        try:
            return json_body.parse(found.encode())
        except InvalidInput as error:
            reason = error.detail.removeprefix("The body is not valid JSON: ")
            raise refused(name, f"is not valid JSON: {reason}") from error

    def _as_python_writes_it(self, name: str) -> dict[str, list[str]]:
        """The Python SDK sends a mapping as the text of a dict: name={'key': 'value'}, or with a list of values."""
        text = self.text(name)
        if text is None:
            return {}
        right = f"is written {name}[key]=value."
        if len(text) > MAX_MAPPING_CHARACTERS:
            raise refused(name, right)
        try:
            written = ast.parse(text, mode="eval").body
            value = ast.literal_eval(written)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
            raise refused(name, right) from error
        if not isinstance(written, ast.Dict) or len(value) < len(written.keys):
            raise refused(name, right)
        found = {key: values if isinstance(values, list) else [values] for key, values in value.items()}
        if not all(isinstance(part, str) for key, values in found.items() for part in (key, *values)):
            raise refused(name, right)
        texts = {key: values_in(f"{name}[{key}]", each) for key, each in value.items() if isinstance(each, str)}
        return found | texts


def parse_instant(name: str, text: str) -> datetime:
    """An RFC 3339 instant in UTC; raises InvalidInput."""
    if len(text) > 19 and text[-6] == " ":
        text = f"{text[:-6]}+{text[-5:]}"  # a `+` nobody escaped arrives as a space
    try:
        return rfc3339(text)
    except ValueError as error:
        right = "with its time zone, such as 2026-01-01T00:00:00Z."
        raise refused(name, f"is an RFC 3339 instant between {FIRST_YEAR} and {LAST_YEAR} {right}") from error
