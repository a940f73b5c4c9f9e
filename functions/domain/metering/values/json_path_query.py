"""Paths with wildcards, slices, filters or descent: parsed by a library, evaluated here on exact numbers and bounded.

Imported only for such a path. The library's own evaluation compares floats and has no bound but the depth; nested
descents and filters could take it as long as their writer likes.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

from jsonpath_rfc9535 import JSONPathEnvironment
from jsonpath_rfc9535 import filter_expressions as parsed
from jsonpath_rfc9535 import selectors as select
from jsonpath_rfc9535.query import JSONPathQuery
from jsonpath_rfc9535.segments import JSONPathRecursiveDescentSegment

from functions.domain.metering.values.json_path import MISSING, Find, Steps, TooCostly
from functions.domain.metering.values.work import WORK

# Beyond any usage event's list of items; with it a hostile event costs about as much as a large honest one.
MAX_VISITS = 500
# A path that reads each node a few times stays below this; one whose descents are nested comes to it in a small event.
FREE_VISITS = 64
VISITS_PER_NODE = 8

_LIBRARY = JSONPathEnvironment()
_FUNCTIONS = ("length", "count", "value")


class NotAPath(Exception):
    """Why a text cannot be used as a path; follows the text in a sentence."""


class Walk:
    """One evaluation: the data it is about and how much of it may still be visited.

    The bound follows from the data alone, so that a second evaluation of the path comes to the same answer.
    """

    __slots__ = ("done", "most", "root")

    def __init__(self, root: Any) -> None:
        self.root = root
        self.done = 0
        self.most = FREE_VISITS

    def visit(self, nodes: int = 1) -> None:
        self.done += nodes
        if self.done > self.most:
            if self.most == FREE_VISITS:
                self.most = min(FREE_VISITS + VISITS_PER_NODE * _node_count(self.root), MAX_VISITS)
            if self.done > self.most:
                raise TooCostly


def _node_count(root: Any) -> int:
    """No more than what makes a difference."""
    count, pending = 0, [root]
    while pending and count < MAX_VISITS // VISITS_PER_NODE:
        children = _children(pending.pop())
        count += len(children)
        pending.extend(child for child in children if isinstance(child, (dict, list)))
    return count


Nodes = Iterator[Any]
Selector = Callable[[Any, Walk], Iterable[Any]]
Query = Callable[[Any, Walk], Nodes]
Value = Callable[[Any, Walk], Any]  # of an expression at a node; MISSING is RFC 9535's Nothing


def normal_form(path: str) -> Steps | str:
    """Equal for equal paths; raises NotAPath."""
    query = _parsed(path)
    steps = tuple(_step(segment) for segment in query.segments)
    return str(query) if None in steps else steps  # type: ignore[return-value]


def finder(path: str) -> Find:
    """Gives the first scalar the path selects, else the first node, else MISSING; raises TooCostly."""
    query = _query(_parsed(path))

    def find(data: Any) -> Any:
        first = MISSING
        walk = Walk(data)
        try:
            for node in query(data, walk):
                if not isinstance(node, (dict, list)):
                    return node
                if first is MISSING:
                    first = node
        except RecursionError as error:
            raise TooCostly from error
        finally:
            WORK.visits += walk.done
        return first

    return find


def _parsed(path: str) -> JSONPathQuery:
    try:
        query = _LIBRARY.compile(path)
        if not query.segments:
            raise NotAPath("selects the whole data")
        _query(query)
    except NotAPath:
        raise
    except Exception as error:  # its own errors, but numbers and nesting it did not expect too
        raise NotAPath(f"is not a JSONPath ({str(error)[:120] or type(error).__name__})") from error
    return query


def _step(segment: Any) -> str | int | None:
    if isinstance(segment, JSONPathRecursiveDescentSegment) or len(segment.selectors) != 1:
        return None
    (selector,) = segment.selectors
    if isinstance(selector, select.NameSelector):
        return selector.name
    return selector.index if isinstance(selector, select.IndexSelector) and selector.index >= 0 else None


def _query(query: JSONPathQuery) -> Query:
    segments = [
        (isinstance(segment, JSONPathRecursiveDescentSegment), [_selector(each) for each in segment.selectors])
        for segment in query.segments
    ]

    def run(start: Any, walk: Walk) -> Nodes:
        nodes: Nodes = iter((start,))
        for is_descent, selectors in segments:
            nodes = _selected(_descendants(nodes, walk) if is_descent else nodes, selectors, walk)
        return nodes

    return run


def _selected(nodes: Nodes, selectors: list[Selector], walk: Walk) -> Nodes:
    for node in nodes:
        for selector in selectors:
            walk.visit()
            yield from selector(node, walk)


def _descendants(nodes: Nodes, walk: Walk) -> Nodes:
    """Each node and everything below it that has children, parents first."""
    for start in nodes:
        pending = [start]
        while pending:
            node = pending.pop()
            yield node
            children = _children(node)
            walk.visit(len(children))
            pending.extend(child for child in reversed(children) if isinstance(child, (dict, list)))


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _selector(selector: Any) -> Selector:
    if isinstance(selector, select.NameSelector):
        name = selector.name
        return lambda node, _walk: (node[name],) if isinstance(node, dict) and name in node else ()
    if isinstance(selector, select.IndexSelector):
        index = selector.index
        return lambda node, _walk: (node[index],) if isinstance(node, list) and -len(node) <= index < len(node) else ()
    if isinstance(selector, select.SliceSelector):
        span = selector.slice
        return lambda node, walk: _visited(node[span] if isinstance(node, list) and span.step != 0 else (), walk)
    if isinstance(selector, select.WildcardSelector):
        return lambda node, walk: _visited(_children(node), walk)
    if isinstance(selector, select.FilterSelector):
        test = _test(selector.expression.expression)
        return lambda node, walk: (each for each in _visited(_children(node), walk) if test(each, walk))
    raise NotAPath(f"uses {selector}, which is not supported")


def _visited(nodes: Iterable[Any], walk: Walk) -> Nodes:
    for node in nodes:
        walk.visit()
        yield node


def _test(expression: Any) -> Value:
    """The truth of an expression at a node."""
    if isinstance(expression, parsed.PrefixExpression):
        right = _test(expression.right)
        return lambda node, walk: not right(node, walk)
    if isinstance(expression, parsed.LogicalExpression):
        left, right = _test(expression.left), _test(expression.right)
        if expression.operator == "&&":
            return lambda node, walk: left(node, walk) and right(node, walk)
        return lambda node, walk: left(node, walk) or right(node, walk)
    if isinstance(expression, parsed.ComparisonExpression):
        compare = _COMPARISONS[expression.operator]
        left, right = _value(expression.left), _value(expression.right)
        return lambda node, walk: compare(left(node, walk), right(node, walk), walk)
    if isinstance(expression, parsed.FilterQuery):
        run = _filter_query(expression)
        return lambda node, walk: any(True for _ in run(node, walk))
    raise NotAPath(f"uses {expression} as a condition, which is not supported")


def _filter_query(expression: parsed.FilterQuery) -> Query:
    run = _query(expression.query)
    if isinstance(expression, parsed.RootFilterQuery):
        return lambda _node, walk: run(walk.root, walk)
    return run


def _value(expression: Any) -> Value:
    if isinstance(expression, (parsed.IntegerLiteral, parsed.FloatLiteral)):
        number = Decimal(expression.token.value)
        return lambda _node, _walk: number
    if isinstance(expression, parsed.FilterExpressionLiteral):
        literal = expression.value
        return lambda _node, _walk: literal
    if isinstance(expression, parsed.FilterQuery):
        run = _filter_query(expression)
        return lambda node, walk: next(run(node, walk), MISSING)
    if isinstance(expression, parsed.FunctionExtension):
        return _function(expression)
    raise NotAPath(f"compares {expression}, which is not supported")


def _function(expression: parsed.FunctionExtension) -> Value:
    if expression.name not in _FUNCTIONS:
        # Regular expressions of one tenant would run over the events of all.
        raise NotAPath(f"uses {expression.name}(), which is not supported; use {', '.join(_FUNCTIONS)} or a comparison")
    (argument,) = expression.args
    if expression.name == "length":
        sized = _value(argument)
        return lambda node, walk: _length(sized(node, walk))
    if not isinstance(argument, parsed.FilterQuery):
        raise NotAPath(f"uses {expression}, which is not supported")
    run = _filter_query(argument)
    if expression.name == "count":
        return lambda node, walk: sum(1 for _ in run(node, walk))
    return lambda node, walk: _only(list(islice(run(node, walk), 2)))


def _length(value: Any) -> Any:
    return len(value) if isinstance(value, (str, list, dict)) else MISSING


def _only(nodes: list[Any]) -> Any:
    return nodes[0] if len(nodes) == 1 else MISSING


def _is_equal(left: Any, right: Any, walk: Walk) -> bool:
    walk.visit()
    if type(left) is bool or type(right) is bool:  # Python would take them for 1 and 0
        return left is right
    if type(left) is list and type(right) is list:
        return len(left) == len(right) and all(_is_equal(*pair, walk) for pair in zip(left, right, strict=True))
    if type(left) is dict and type(right) is dict:
        return left.keys() == right.keys() and all(_is_equal(value, right[name], walk) for name, value in left.items())
    return bool(left == right)


def _is_less(left: Any, right: Any) -> bool:
    if type(left) is str and type(right) is str:
        return left < right
    return type(left) in (int, Decimal) and type(right) in (int, Decimal) and bool(left < right)


_COMPARISONS: dict[str, Callable[[Any, Any, Walk], bool]] = {
    "==": _is_equal,
    "!=": lambda left, right, walk: not _is_equal(left, right, walk),
    "<": lambda left, right, _walk: _is_less(left, right),
    ">": lambda left, right, _walk: _is_less(right, left),
    "<=": lambda left, right, walk: _is_less(left, right) or _is_equal(left, right, walk),
    ">=": lambda left, right, walk: _is_less(right, left) or _is_equal(left, right, walk),
}
