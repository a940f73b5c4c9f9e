"""Stripe's form encoding (`lines[0][metadata][line_id]=x`) as nested values, read once each, unknown ones refused."""

from typing import Any
from urllib.parse import parse_qsl

from infra.local.stripe_standin.refusal import Refusal

MAX_METADATA_KEYS = 50
MAX_METADATA_KEY_CHARACTERS = 40
MAX_METADATA_VALUE_CHARACTERS = 500

_REQUIRED: Any = object()


def nested(encoded: str) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True):
        parts = key.replace("]", "").split("[")
        place = root
        for part in parts[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise Refusal(400, f"Invalid hash: {key}", param=key)
        place[parts[-1]] = value
    return {key: _lists(value) for key, value in root.items()}


def _lists(value: Any) -> Any:
    """{'0': a, '1': b} and {'': a} were written as lists."""
    if not isinstance(value, dict):
        return value
    inner = {key: _lists(each) for key, each in value.items()}
    if inner and (all(key.isdigit() for key in inner) or set(inner) == {""}):
        return [inner[key] for key in sorted(inner, key=lambda key: int(key or 0))]
    return inner


class Params:
    """One request's parameters. Every reader names what is wrong; `close()` refuses what nobody has read."""

    def __init__(self, values: dict[str, Any], path: str = "") -> None:
        self._values = dict(values)
        self._path = path

    def name(self, key: str) -> str:
        return f"{self._path}[{key}]" if self._path else key

    def has(self, key: str) -> bool:
        return key in self._values

    def is_empty(self, key: str) -> bool:
        return self._values.get(key) == ""

    def _take(self, key: str, default: Any) -> Any:
        if key in self._values:
            return self._values.pop(key)
        if default is _REQUIRED:
            raise Refusal(
                400, f"Missing required param: {self.name(key)}.", code="parameter_missing", param=self.name(key)
            )
        return default

    def text(self, key: str, default: Any = _REQUIRED, *, longest: int = 5000) -> Any:
        value = self._take(key, default)
        if value is not default and (not isinstance(value, str) or len(value) > longest):
            raise Refusal(400, f"Invalid string: {self.name(key)}; at most {longest} characters", param=self.name(key))
        return value

    def integer(self, key: str, default: Any = _REQUIRED, *, low: int | None = None, high: int | None = None) -> Any:
        value = self._take(key, default)
        if value is default:
            return value
        digits = value[1:] if isinstance(value, str) and value.startswith("-") else value
        if not isinstance(digits, str) or not digits.isdecimal():
            raise Refusal(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=self.name(key))
        number = int(value)
        if (low is not None and number < low) or (high is not None and number > high):
            raise Refusal(400, f"Invalid value: {value} is out of range", param=self.name(key))
        return number

    def boolean(self, key: str, default: Any = _REQUIRED) -> Any:
        value = self._take(key, default)
        if value is default:
            return value
        if value not in ("true", "false"):
            raise Refusal(400, f"Invalid boolean: {value}", param=self.name(key))
        return value == "true"

    def choice(self, key: str, among: tuple[str, ...], default: Any = _REQUIRED) -> Any:
        value = self._take(key, default)
        if value is not default and value not in among:
            raise Refusal(400, f"Invalid {self.name(key)}: must be one of {', '.join(among)}", param=self.name(key))
        return value

    def child(self, key: str, default: Any = _REQUIRED) -> "Params | None":
        value = self._take(key, default)
        if value is default:
            return None
        if not isinstance(value, dict):
            raise Refusal(400, "Invalid object", param=self.name(key))
        return Params(value, self.name(key))

    def children(self, key: str, default: Any = _REQUIRED) -> "list[Params]":
        value = self._take(key, default)
        if value is default or value == "":
            return []
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise Refusal(400, "Invalid array", param=self.name(key))
        return [Params(each, f"{self.name(key)}[{i}]") for i, each in enumerate(value)]

    def texts(self, key: str) -> list[str]:
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise Refusal(400, "Invalid array", param=self.name(key))
        return value

    def metadata(self, current: dict[str, str] | None = None) -> dict[str, str]:
        """The metadata after this request: an empty value removes a key, an empty metadata all of them."""
        given = self._take("metadata", {})
        if given == "":
            return {}
        if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
            raise Refusal(400, "Invalid metadata: must be a flat hash of texts", param=self.name("metadata"))
        for key, value in given.items():
            if len(key) > MAX_METADATA_KEY_CHARACTERS or len(value) > MAX_METADATA_VALUE_CHARACTERS:
                raise Refusal(
                    400, f"Metadata keys have at most 40 characters and values 500: {key}", param=self.name("metadata")
                )
        merged = {key: value for key, value in {**(current or {}), **given}.items() if value != ""}
        if len(merged) > MAX_METADATA_KEYS:
            raise Refusal(400, "Metadata can have at most 50 keys", param=self.name("metadata"))
        return merged

    def close(self) -> None:
        for key in self._values:
            raise Refusal(
                400, f"Received unknown parameter: {self.name(key)}", code="parameter_unknown", param=self.name(key)
            )
