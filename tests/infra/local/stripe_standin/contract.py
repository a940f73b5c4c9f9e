"""What Stripe wrote down about its own requests and answers: the types in its Python package, checked at run time."""

import builtins
import inspect
import re
import sys
import types
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import stripe
import stripe.params as params
from stripe import RequestOptions
from typing_extensions import is_typeddict

REQUESTS: list[tuple[str, str, Any]] = [
    ("POST", r"/v1/customers", params.CustomerCreateParams),
    ("GET", r"/v1/customers", params.CustomerListParams),
    ("POST", r"/v1/customers/[^/]+", params.CustomerUpdateParams),
    ("GET", r"/v1/customers/[^/]+", params.CustomerRetrieveParams),
    ("DELETE", r"/v1/customers/[^/]+", params.CustomerDeleteParams),
    ("POST", r"/v1/invoices", params.InvoiceCreateParams),
    ("GET", r"/v1/invoices", params.InvoiceListParams),
    ("GET", r"/v1/invoices/[^/]+", params.InvoiceRetrieveParams),
    ("POST", r"/v1/invoices/[^/]+", params.InvoiceUpdateParams),
    ("DELETE", r"/v1/invoices/[^/]+", params.InvoiceDeleteParams),
    ("POST", r"/v1/invoices/[^/]+/add_lines", params.InvoiceAddLinesParams),
    ("GET", r"/v1/invoices/[^/]+/lines", params.InvoiceListLinesParams),
    ("POST", r"/v1/invoices/[^/]+/finalize", params.InvoiceFinalizeInvoiceParams),
    ("POST", r"/v1/invoices/[^/]+/pay", params.InvoicePayParams),
    ("POST", r"/v1/invoices/[^/]+/void", params.InvoiceVoidInvoiceParams),
    ("POST", r"/v1/invoices/[^/]+/mark_uncollectible", params.InvoiceMarkUncollectibleParams),
    ("POST", r"/v1/invoices/[^/]+/send", params.InvoiceSendInvoiceParams),
    ("POST", r"/v1/invoiceitems", params.InvoiceItemCreateParams),
    ("POST", r"/v1/credit_notes", params.CreditNoteCreateParams),
    ("POST", r"/v1/refunds", params.RefundCreateParams),
]


class _AnyName(dict[str, Any]):
    """Names that Stripe imports for type checkers only: its own classes, or anything where those are not exported."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        modules = [sys.modules[each.__module__] for each in (kind, *kind.__mro__, RequestOptions)]
        self._scopes = [*map(vars, modules), vars(builtins)]

    def __missing__(self, name: str) -> Any:
        if name.startswith("__"):
            raise KeyError(name)
        for scope in self._scopes:
            if name in scope:
                return scope[name]
        return getattr(stripe, name, object)


@cache
def hints(kind: Any) -> dict[str, Any]:
    found = get_type_hints(kind, localns=_AnyName(kind))
    base = set(RequestOptions.__annotations__) if is_typeddict(kind) else set(stripe.StripeObject.__annotations__)
    return {
        name: hint
        for name, hint in found.items()
        if name not in base and not name.startswith("_") and not name.isupper()
    }


def wrong_request(method: str, path: str, values: dict[str, Any]) -> list[str]:
    """What is wrong with one request's decoded form parameters."""
    for known_method, pattern, kind in REQUESTS:
        if method == known_method and re.fullmatch(pattern, path):
            return _wrong_params(kind, values, path)
    return [f"{method} {path} is not a known request"]


def _wrong_params(kind: Any, values: Any, where: str) -> list[str]:
    if not isinstance(values, dict):
        return [f"{where}: not an object"]
    known = hints(kind)
    wrong = [f"{where}: {name} is unknown" for name in values if name not in known]
    wrong += [f"{where}: {name} is missing" for name in kind.__required_keys__ if name not in values]
    for name, value in values.items():
        if name in known:
            wrong += _wrong_value(known[name], value, f"{where}.{name}", is_form=True)
    return wrong


def wrong_answer(kind: Any, value: Any, where: str = "") -> list[str]:
    """What is wrong with one JSON object of the kind: unknown, missing and mistyped fields."""
    where = where or kind.__name__
    if not isinstance(value, dict):
        return [f"{where}: not an object"]
    known = hints(kind)
    wrong = [f"{where}: {name} is unknown" for name in value if name not in known]
    wrong += [f"{where}: {name} is missing" for name, hint in known.items() if name not in value and not _is_null(hint)]
    for name, each in value.items():
        if name in known:
            wrong += _wrong_value(known[name], each, f"{where}.{name}", is_form=False)
    return wrong


def _is_null(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)


def _wrong_value(hint: Any, value: Any, where: str, *, is_form: bool) -> list[str]:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any or hint is object:
        return []
    if origin in (Union, types.UnionType):
        return _wrong_union(args, value, where, is_form=is_form)
    if origin is Literal:
        return [] if value in args else [f"{where}: {value!r} is none of {args}"]
    if origin is list:
        if not isinstance(value, list):
            return [f"{where}: not a list"]
        return [
            w for i, each in enumerate(value) for w in _wrong_value(args[0], each, f"{where}[{i}]", is_form=is_form)
        ]
    if origin is dict or getattr(origin or hint, "__name__", "") == "UntypedStripeObject":
        fine = isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
        return [] if fine else [f"{where}: not a hash of texts"]
    if origin is stripe.ListObject:
        return _wrong_list(args[0], value, where)
    if is_typeddict(hint):
        return _wrong_params(hint, value, where)
    if inspect.isclass(hint) and issubclass(hint, stripe.StripeObject):
        return wrong_answer(hint, value, where)
    return [] if _is_scalar(hint, value, is_form=is_form) else [f"{where}: {value!r} is not {hint}"]


def _wrong_union(choices: tuple[Any, ...], value: Any, where: str, *, is_form: bool) -> list[str]:
    named = [each for each in choices if get_origin(each) is Literal and get_args(each) != ("",)]
    if named and isinstance(value, str):
        # `Literal[...] | str` leaves room for new words; we only use today's.
        choices = tuple(each for each in choices if each is not str)
    tried = [_wrong_value(each, value, where, is_form=is_form) for each in choices]
    return min(tried, key=len)


def _wrong_list(item: Any, value: Any, where: str) -> list[str]:
    if (
        not isinstance(value, dict)
        or value.get("object") != "list"
        or set(value) != {"object", "data", "has_more", "url"}
    ):
        return [f"{where}: not a list object"]
    return [w for i, each in enumerate(value["data"]) for w in wrong_answer(item, each, f"{where}.data[{i}]")]


def _is_scalar(hint: Any, value: Any, *, is_form: bool) -> bool:
    if hint is type(None):
        return value is None
    if hint is Decimal:
        return isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d{1,12})?", value) is not None
    if is_form and hint is int:
        return isinstance(value, str) and re.fullmatch(r"-?\d+", value) is not None
    if is_form and hint is bool:
        return value in ("true", "false")
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return inspect.isclass(hint) and isinstance(value, hint)
