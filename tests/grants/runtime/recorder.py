"""Tells of every call that clients of AWS make, by botocore's events; it imports nothing of this repository."""

from collections.abc import Callable, Mapping
from typing import Any

import botocore

# operation ("dynamodb.GetItem"), parameters, whether the answer was 404
Note = Callable[[str, Mapping[str, Any], bool], None]


def record(note: Note) -> None:
    """From now on, by every client of a session that begins later."""

    def keep(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["asked"] = dict(params)  # botocore rewrites what it was given

    def tell(model: Any, context: Mapping[str, Any], http_response: Any, **_: Any) -> None:
        operation = f"{model.service_model.service_name}.{model.name}"
        note(operation, context["asked"], http_response.status_code == 404)

    def begin(session: Any) -> None:
        session.register("provide-client-params.*.*", keep)
        session.register("after-call.*.*", tell)

    botocore.register_initializer(begin)
