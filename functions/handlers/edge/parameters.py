"""The query parameters of every route: what OpenMeter documents and the SDKs send, what we read, and nothing else.

A parameter that is documented but changes nothing here is taken all the same. What narrows a question is never
ignored: a misspelt parameter, one given twice, an empty one or one with brackets it does not have is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from typing import NamedTuple

from functions.domain.errors import FieldError, InvalidInput
from functions.handlers.edge.query_string import Given, Query, is_index

UNKNOWN, INVALID = "unknown_parameter", "invalid_parameter"
SEPARATED = "is to be separated by &"
MAX_NAMED = 3  # in the sentence; the list has all
MAX_SHOWN = 80

# Acting for another tenant is possible everywhere; who may is decided elsewhere.
EVERYWHERE = ("tenant",)
PAGE = ("page", "pageSize", "cursor=", "limit")
BY_NUMBER = ("page", "pageSize")
ORDER = ("order", "orderBy")
VERSIONS = ("includeDeleted", "id[]", "key[]", "keyVersion[key]", "status[]", "currency[]")
USAGE = (
    *("clientId", "from", "to", "windowSize", "windowTimeZone", "subject[]", "filterCustomerId[]"),
    *("filterGroupBy[key]", "groupBy[]", "advancedMeterGroupByFilters", "fillZero", "exact", "percentile"),
    "cursor=",
)
INVOICE_TIMES = (
    *("issuedAfter", "issuedBefore", "periodStartAfter", "periodStartBefore", "createdAfter", "createdBefore"),
)

# Routes as their routers spell them; one that is not here takes none. `name[]` is a list, `name[,]` one that may be
# separated by commas too, `name[key]` a mapping, `name=` may be empty; all others take one value.
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "GET /api/v1/events": (
        *("clientId", "ingestedAtFrom", "ingestedAtTo", "id", "subject", "customerId[,]", "from", "to"),
        *("cursor=", "limit"),
    ),
    "GET /api/v1/events/corrections": ("cursor=", "limit"),
    "GET /api/v2/events": ("cursor=", "limit", "clientId", "filter"),
    "GET /api/v1/meters": (*PAGE, *ORDER, "includeDeleted"),
    "GET /api/v1/meters/<id_or_slug>/query": USAGE,
    "GET /api/v1/meters/<id_or_slug>/subjects": ("from", "to", "after="),
    "GET /api/v1/meters/<id_or_slug>/group-by/<key>/values": (*BY_NUMBER, "from", "to"),
    "GET /api/v1/customers": (
        *(*PAGE, *ORDER, "includeDeleted", "key", "name", "primaryEmail", "subject", "planKey", "expand[]"),
    ),
    "GET /api/v1/customers/<id_or_key>": ("expand[]",),
    "GET /api/v1/customers/<id_or_key>/attribution": PAGE,
    "GET /api/v1/customers/<id_or_key>/subscriptions": (*PAGE, *ORDER, "status[]"),
    "GET /api/v1/customers/<id_or_key>/coupons": (*PAGE, "includeRemoved"),
    "GET /api/v1/coupons": (*PAGE, *ORDER, "includeArchived"),
    "GET /api/v1/features": (*PAGE, *ORDER, "meterSlug[]", "includeArchived", "offset"),
    "GET /api/v1/plans": (*PAGE, *ORDER, *VERSIONS),
    "GET /api/v1/plans/<id_or_key>": ("includeLatest",),
    "GET /api/v1/plans/<id_or_key>/versions": PAGE,
    "GET /api/v1/plans/<id_or_key>/migrations/<migration_id>/subscriptions": (*PAGE, "status[]"),
    "GET /api/v1/plans/<id_or_key>/addons": (*PAGE, *ORDER, *VERSIONS),
    "GET /api/v1/addons": (*PAGE, *ORDER, *VERSIONS),
    "GET /api/v1/addons/<id_or_key>": ("includeLatest",),
    "GET /api/v1/subscriptions": (*PAGE, *ORDER, "planKey", "planVersion", "status[]", "customerId", "phase"),
    "GET /api/v1/subscriptions/<subscription_id>": ("at",),
    "PATCH /api/v1/subscriptions/<subscription_id>": ("dryRun",),
    "GET /api/v1/subscriptions/<subscription_id>/coupons": (*PAGE, "includeRemoved"),
    "GET /api/v1/billing/invoices": (
        *(*PAGE, *ORDER, *INVOICE_TIMES),
        *("statuses[,]", "extendedStatuses[,]", "customers[,]", "expand[,]", "includeDeleted"),
    ),
    "GET /api/v1/billing/invoices/<invoice_id>": ("expand[,]", "includeDeletedLines"),
    "GET /api/v1/subscriptions/<subscription_id>/upcoming-invoice": ("notBefore", "expand"),
    "GET /api/v1/billing/failures": PAGE,
    "GET /api/v1/billing/reconciliation": (*PAGE, "customerId", "from", "to", "status"),
    "GET /api/v1/api-keys": PAGE,
    "GET /api/v1/archive/queries/<query_id>": ("cursor=", "limit"),
    "GET /api/v1/audit/metering": ("day",),
    "GET /api/v1/rejects": ("from", "to", "code[]", "cursor=", "limit"),
}


class Kind(Enum):
    ONE = "name=value, once"
    LIST = "name=a&name=b"
    COMMAS = "name=a&name=b or name=a,b"
    MAPPING = "name[key]=value"

    def spelled(self, name: str) -> str:
        return self.value.replace("name", name)


class Parameter(NamedTuple):
    name: str
    kind: Kind = Kind.ONE
    may_be_empty: bool = False

    @classmethod
    def declared(cls, text: str) -> "Parameter":
        for ending, kind in (("[,]", Kind.COMMAS), ("[key]", Kind.MAPPING), ("[]", Kind.LIST)):
            if text.endswith(ending):
                return cls(text.removesuffix(ending), kind)
        return cls(text.removesuffix("="), may_be_empty=text.endswith("="))

    def problem(self, sent: Sequence[Given]) -> str | None:
        """What is wrong with the way it was sent, continuing its name; whatever would be ignored is."""
        if not all(self._is_spelled(each) for each in sent):
            return f"is written {self.kind.spelled(self.name)}."
        if len([each for each in sent if not each.keys]) > 1 and self.kind in (Kind.ONE, Kind.MAPPING):
            return "is given more than once and takes one value."
        if not self.may_be_empty and any(self._is_empty(each) for each in sent):
            return "is empty; give it a value or leave it out."
        return None

    def _is_spelled(self, each: Given) -> bool:
        match self.kind:
            case Kind.ONE:
                return not each.keys
            case Kind.MAPPING:
                is_list = len(each.keys) == 2 and is_index(each.keys[1])
                return not each.keys or (bool(each.keys[0]) and (len(each.keys) == 1 or is_list))
        return each.is_of_list

    def _is_empty(self, each: Given) -> bool:
        """The empty text is a value of a dimension like any other."""
        if self.kind is Kind.COMMAS:
            return "" in each.value.split(",")
        return not each.value and not (self.kind is Kind.MAPPING and each.keys)


def taken_by(declared: Iterable[str]) -> Mapping[str, Parameter]:
    """By name."""
    return {each.name: each for each in map(Parameter.declared, declared)}


def check_parameters(raw_query: str, known: Mapping[str, Parameter]) -> None:
    """Raises InvalidInput naming each parameter that is not known, or that is sent so that it would not be read."""
    if not raw_query:
        return
    sent: dict[str, list[Given]] = {}
    for each in Query(raw_query).given:
        sent.setdefault(each.name, []).append(each)
    if unknown := [name for name in sent if name not in known]:
        fields = [FieldError(name[:MAX_SHOWN], UNKNOWN, _message(name, known)) for name in unknown]
        raise InvalidInput(f"{_detail(fields)} It takes {', '.join(known)}.", fields=fields)
    problems = {name: problem for name, each in sent.items() if (problem := known[name].problem(each))}
    problems |= {name: f"{SEPARATED}, not by a semicolon." for name in _behind_semicolons(raw_query) if name in known}
    if problems:
        fields = [FieldError(name, INVALID, f"{name} {problem}") for name, problem in problems.items()]
        raise InvalidInput(_detail(fields), fields=fields)


def _detail(fields: Sequence[FieldError]) -> str:
    return " ".join(field.message for field in fields[:MAX_NAMED])


def _behind_semicolons(raw_query: str) -> list[str]:
    """Names that an older convention would have read; a value that has a semicolon is sent with %3B."""
    return [part.partition("=")[0].partition("[")[0] for part in raw_query.split(";")[1:] if "=" in part]


def _message(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name[:MAX_SHOWN], known, 1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    return f"{name[:MAX_SHOWN]!r} is not a query parameter of this route.{meant}"
