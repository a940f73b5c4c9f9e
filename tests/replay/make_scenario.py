"""The shapes in which AWS delivers payloads, filled with what a scenario is about."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Every date in events/ is near this one; replays run with an acceptance window that never ends.
DAY = "2026-11-02"
AT = 1_793_620_800

ACCOUNT, REGION = "000000000000", "us-east-1"


@dataclass(frozen=True)
class Made:
    """One payload with its sidecar."""

    handler: str
    name: str
    event: Any
    answers: Sequence[Mapping[str, Any]]
    seeds: Sequence[str] = ()


def http_request(
    method: str,
    path: str,
    body: Any = None,
    *,
    tenant: str = "acme",
    scopes: str = "admin",
    query: str = "",
    headers: Mapping[str, str] | None = None,
    path_parameters: Mapping[str, str] | None = None,
    route: str = "ANY /api/{proxy+}",
) -> dict[str, Any]:
    """API Gateway HTTP API, payload 2.0, after the authorizer has spoken."""
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    request = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "authorization": "Bearer tb_01JBXR0000000000000000KEY0_hidden",
            "content-type": "application/json",
            "host": "0123456789.execute-api.us-east-1.amazonaws.com",
            **(headers or {}),
        },
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "0123456789",
            "authorizer": {"lambda": {"tenant": tenant, "scopes": scopes, "key_id": "01JBXR0000000000000000KEY0"}},
            "domainName": "0123456789.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "0123456789",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "openmeter-python/1.0.0",
            },
            "requestId": "Jd1xHgQboAMEPcQ=",
            "routeKey": route,
            "stage": "$default",
            "time": "02/Nov/2026:12:00:00 +0000",
            "timeEpoch": AT * 1000,
        },
        "isBase64Encoded": False,
    }
    if path_parameters:
        request["pathParameters"] = dict(path_parameters)
    return request if text is None else request | {"body": text}


def kinesis_record(number: int, data: bytes) -> dict[str, Any]:
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "0",
            "sequenceNumber": f"4954511523456789012345678901234567890123456789012345{number:04d}",
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": AT + 0.25,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:4954511523456789012345678901234567890123456789012345{number:04d}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT}:role/tollbooth-dev-ingestion-StreamAggregateRole",
        "awsRegion": REGION,
        "eventSourceARN": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/tollbooth-dev-ingestion-Stream",
    }


def scheduled(name: str) -> dict[str, Any]:
    """EventBridge Scheduler's own default input."""
    return {
        "version": "0",
        "id": "a1b2c3d4-0000-4000-8000-000000000001",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": f"{DAY}T12:00:00Z",
        "region": REGION,
        "resources": [f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{name}"],
        "detail": "{}",
    }
