"""Pages as the third version of OpenMeter's API has them: `page[size]`, `page[after]`, and links in `meta.page`."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from functions.handlers.edge.http import Request
from functions.handlers.edge.query_model import Kind, Parameter
from functions.handlers.edge.query_string import Query, refused

NAME = "page"


@dataclass(frozen=True)
class CursorPage:
    size: int
    after: str | None = None
    before: str | None = None


def cursor_page(most: int) -> Parameter[CursorPage]:
    """The page that is asked for; `most` items unless said otherwise."""

    def read(query: Query, name: str) -> CursorPage:
        given = {key: _once(name, key, values) for key, values in query.mapping(name).items()}
        for key in given.keys() - {"size", "after", "before"}:
            raise refused(f"{name}[{key}]", "is not read here; the page is said by size, after and before.")
        if given.get("after") and given.get("before"):
            raise refused(f"{name}[before]", f"does not go with {name}[after].")
        size = given.get("size") or str(most)
        if not size.isascii() or not size.isdigit() or not 1 <= int(size) <= most:
            raise refused(f"{name}[size]", f"is a whole number from 1 to {most}.")
        return CursorPage(int(size), given.get("after") or None, given.get("before") or None)

    size = {"type": "integer", "minimum": 1, "maximum": most, "default": most}
    places = {"after": {"type": "string"}, "before": {"type": "string"}}
    schema = {"type": "object", "properties": {"size": size, **places}, "additionalProperties": False}
    says = f"`page[size]` is 1 to {most}, {most} unless given. The other two are in the links of `meta.page`."
    return Parameter(says, read, schema, Kind.MAPPING)


def cursor_meta(request: Request[Any], page: CursorPage, *, first: str | None, last: str | None) -> dict[str, Any]:
    """`first` and `last` are the ends of the page that others lie before and behind, None where there are none."""
    links = {
        "first": _link(request, page),
        "previous": None if first is None else _link(request, page, before=first),
        "next": None if last is None else _link(request, page, after=last),
    }
    return {"page": {"size": page.size, **links}}


def _link(request: Request[Any], page: CursorPage, **place: str) -> str:
    others = [(each.name, each.value) for each in request.query.given if each.name != NAME]
    asked = [(f"{NAME}[{name}]", value) for name, value in {"size": str(page.size), **place}.items()]
    return f"{quote(request.sent_path)}?{urlencode([*others, *asked], quote_via=quote)}"


def _once(name: str, key: str, values: tuple[str, ...]) -> str:
    if len(values) > 1:
        raise refused(f"{name}[{key}]", "is given more than once and takes one value.")
    return values[0]
