"""The parts of the document that no router and no model says: ingestion, Stripe's webhook, problems, pages."""

from typing import Any

from functions.application.list_records import MAX_COUNTED, MAX_SEARCHED
from functions.domain.metering.values import event_json
from functions.handlers.metering import ingest_body

DESCRIPTION = (
    "Usage metering and billing, compatible with OpenMeter's API v1 and v2, and with v3 where gateways ask for access "
    "(there names are in snake case, and quantities are texts). Times are RFC 3339 in UTC; money is a "
    "decimal number in a string; quantities of usage are JSON numbers with all their digits. A deleted thing is kept "
    "and marked."
)
EVENT = {
    "specversion": "1.0",
    "id": "req-1",
    "source": "gateway",
    "type": "prompt",
    "subject": "acme",
    "time": "2026-11-30T10:00:00Z",
    "data": {"tokens": 1200, "model": "small"},
}
_EVENT = {"$ref": "#/components/schemas/CloudEvent"}
_BATCH = {"type": "array", "items": _EVENT}
_DATA = {"type": "object", "description": "In binary content mode: the event's data.", "additionalProperties": True}
_FIELD_ERROR = {
    "type": "object",
    "properties": {"field": {"type": "string"}, "code": {"type": "string"}, "message": {"type": "string"}},
    "required": ["field", "code", "message"],
}
_INVALID_PARAMETER = {
    "type": "object",
    "properties": {"field": {"type": "string"}, "rule": {"type": "string"}, "reason": {"type": "string"}},
    "required": ["field", "reason"],
}
_REFUSALS = {
    "400": "BAD_REQUEST",
    "401": "UNAUTHORIZED",
    "403": "FORBIDDEN",
    "413": "REQUEST_ENTITY_TOO_LARGE",
    "415": "UNSUPPORTED_MEDIA_TYPE",
    "429": "TOO_MANY_REQUESTS",
    "500": "INTERNAL_SERVER_ERROR",
    "503": "SERVICE_UNAVAILABLE",
}


def _refused(*statuses: str) -> dict[str, Any]:
    return {status: {"$ref": f"#/components/responses/{_REFUSALS[status]}"} for status in statuses or _REFUSALS}


def _binary_mode() -> list[dict[str, Any]]:
    meanings = {
        "specversion": "Says that the event comes in binary content mode, its attributes in headers: 1.0.",
        "id": "The event's id, in binary content mode.",
        "source": "The event's source, in binary content mode.",
        "type": "The event's type, in binary content mode.",
        "subject": "The event's subject, in binary content mode.",
        "time": "The event's time, in binary content mode; any other `ce-` header is an extension attribute.",
    }
    return [
        {"name": f"ce-{name}", "in": "header", "schema": {"type": "string"}, "description": meaning}
        for name, meaning in meanings.items()
    ]


FIXED_PATHS: dict[str, dict[str, Any]] = {
    "/api/v1/events": {
        "post": {
            "operationId": "ingestEvents",
            "summary": "Send events",
            "description": (
                "204 says that the events will be counted once; after any other answer send the same events again. A "
                f"body has at most {ingest_body.MAX_BODY_BYTES} bytes. Content-Encoding gzip is taken with the two "
                "CloudEvents types; with others only where the bytes arrive as they were sent, else 415. In binary "
                "content mode (`ce-specversion` and other `ce-` headers, percent-encoded) the body is the event's "
                "`data`, of a JSON type. Data that not every reader could read is refused by the event's index: "
                f"`too_deep` (beyond {event_json.MAX_DEPTH} levels), `invalid_utf8`, `duplicate_key`, "
                f"`number_too_long` (beyond {event_json.MAX_NUMBER_LENGTH} characters), `number_out_of_range`, "
                "`malformed_json`. Half a surrogate pair becomes U+FFFD."
            ),
            "tags": ["events"],
            "parameters": [
                {
                    "name": "partial",
                    "in": "query",
                    "schema": {"type": "boolean", "default": False},
                    "description": (
                        "Take the valid events of a batch and answer 200 with what became of each; otherwise one "
                        "invalid event refuses the batch."
                    ),
                },
                *_binary_mode(),
            ],
            "x-scope": "ingest",
            "requestBody": {
                "required": False,
                "content": {
                    ingest_body.EVENT: {"schema": _EVENT, "example": EVENT},
                    ingest_body.BATCH: {"schema": _BATCH, "example": [EVENT]},
                    ingest_body.JSON: {"schema": {"anyOf": [_EVENT, _BATCH, _DATA]}, "example": EVENT},
                    "text/json": {"schema": _DATA},
                    "application/*+json": {"schema": _DATA},
                },
            },
            "responses": {
                "200": {
                    "description": "With `partial`",
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/PartialResult"},
                            "example": {
                                "accepted": 1,
                                "invalid": 0,
                                "results": [{"index": 0, "id": EVENT["id"], "status": "accepted"}],
                            },
                        }
                    },
                },
                "204": {"description": "Accepted"},
                **_refused(),
            },
        }
    },
    "/api/v1/apps/{id}/stripe/webhook": {
        "post": {
            "operationId": "receiveStripeEvent",
            "summary": "Receive an event from Stripe",
            "description": "Only Stripe calls this; its signature takes the place of a key.",
            "tags": ["apps"],
            "security": [],
            "parameters": [
                {
                    "name": "id",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string"},
                    "description": "Any name for the app, as OpenMeter has it; without effect here.",
                },
                {
                    "name": "Stripe-Signature",
                    "in": "header",
                    "required": True,
                    "schema": {"type": "string"},
                    "description": "Stripe's time and HMAC of the body, `t=...,v1=...`.",
                },
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {"type": "object"},
                        "example": {"id": "evt_1", "object": "event", "type": "invoice.paid", "data": {"object": {}}},
                    }
                },
            },
            "responses": {
                "200": {
                    "description": "Settled, or nothing to settle",
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {"received": {"type": "boolean"}, "result": {"type": "string"}},
                                "required": ["received", "result"],
                            },
                            "example": {"received": True, "result": "settled"},
                        }
                    },
                },
                **_refused("400", "429", "500", "503"),
            },
        }
    },
}

FIXED_SCHEMAS: dict[str, Any] = {
    "CloudEvent": {
        "type": "object",
        "description": "CloudEvents 1.0; `time` is the moment of arrival when it is left out.",
        "properties": {
            "specversion": {"type": "string", "const": "1.0"},
            "id": {"type": "string", "minLength": 1},
            "source": {"type": "string", "minLength": 1},
            "type": {"type": "string", "minLength": 1},
            "subject": {"type": "string", "minLength": 1},
            "time": {"type": ["string", "null"], "format": "date-time"},
            "datacontenttype": {
                "type": ["string", "null"],
                "description": "application/json, another type ending in +json, or text/json.",
            },
            "dataschema": {"type": ["string", "null"]},
            "data": {"type": ["object", "null"]},
            "data_base64": {
                "type": ["string", "null"],
                "contentEncoding": "base64",
                "description": "A JSON object as bytes, instead of data.",
            },
        },
        "required": ["id", "source", "type", "subject"],
        "additionalProperties": True,
    },
    "CursorPage": {
        "type": "object",
        "description": (
            "A page may hold fewer items than `limit`, even none, and not be the last one: a filter looks at a bounded "
            "number of records for one answer, and an answer has a bounded size. The last page has no `nextCursor`."
        ),
        "properties": {"nextCursor": {"type": "string"}},
    },
    "GatewayMessage": {
        "type": "object",
        "description": "What the gateway itself says, when it asks no function or when the function does not answer.",
        "properties": {"message": {"type": "string"}},
        "required": ["message"],
    },
    "Page": {
        "type": "object",
        "description": (
            f"`totalCount` is exact up to {MAX_COUNTED} records, and a lower bound beyond. A filter looks at about "
            f"{MAX_SEARCHED} records: if the page is not full by then, and there are more, the answer is a 400 "
            "`too_many_to_filter`; `cursor` goes through any number."
        ),
        "properties": {
            "page": {"type": "integer"},
            "pageSize": {"type": "integer"},
            "totalCount": {"type": "integer"},
            "totalCountIsLowerBound": {"type": "boolean", "const": True},
        },
        "required": ["page", "pageSize", "totalCount"],
    },
    "PartialResult": {
        "type": "object",
        "description": "A very long answer lists only the invalid events, each with its first error.",
        "properties": {
            "accepted": {"type": "integer"},
            "invalid": {"type": "integer"},
            "results": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "index": {"type": "integer"},
                        "id": {"type": "string"},
                        "status": {"enum": ["accepted", "invalid"]},
                        "code": {"type": "string"},
                        "message": {"type": "string"},
                        "errors": {"type": "array", "items": _FIELD_ERROR},
                    },
                    "required": ["index", "status"],
                },
            },
        },
        "required": ["accepted", "invalid", "results"],
    },
    "Problem": {
        "type": "object",
        "description": (
            "RFC 7807; `validationErrors` names each wrong field with a stable code. Under /api/v3 a 400 also names "
            "them as OpenMeter does, in `invalid_parameters`."
        ),
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "extensions": {
                "type": "object",
                "properties": {
                    "validationErrors": {
                        "type": "array",
                        "items": _FIELD_ERROR,
                    }
                },
            },
            "invalid_parameters": {"type": "array", "items": _INVALID_PARAMETER},
        },
        "required": ["type", "title", "status", "detail", "instance"],
    },
    "Refusal": {
        "description": (
            "A message of the gateway. A problem has a media type of its own; it is here for generators that read no "
            "more than one type of an answer."
        ),
        "anyOf": [{"$ref": "#/components/schemas/Problem"}, {"$ref": "#/components/schemas/GatewayMessage"}],
    },
}

# Of what would be too long to show, or is different each time.
FIXED_EXAMPLES: dict[str, Any] = {
    "getThisDocument": {"answer": {"openapi": "3.1.0"}},
    "listCurrencies": {
        "answer": [{"code": "EUR", "name": "Euro", "symbol": "€", "subunits": 2, "collectable": True}],
    },
}
