"""What a refusal says besides, where the third version of OpenMeter's API is asked."""

from typing import Any

from functions.domain.errors import FieldError, InvalidInput
from functions.handlers.edge.problem import MAX_FIELD_ERRORS

PATHS = "/api/v3/"
# Our codes by OpenMeter's name of the rule that was broken; any other is "invalid".
RULES = {
    "required": "required",
    "unknown_field": "unknown_property",
    "unknown_parameter": "unknown_property",
    "wrong_type": "type",
}


def invalid_parameters(error: BaseException, path: str) -> dict[str, Any]:
    """Nothing for other errors, and for other paths."""
    if not isinstance(error, InvalidInput) or not path.startswith(PATHS):
        return {}
    fields = error.fields[:MAX_FIELD_ERRORS] or (FieldError("$", error.code, error.detail),)
    listed = [{"field": each.field, "rule": RULES.get(each.code, "invalid"), "reason": each.message} for each in fields]
    return {"invalid_parameters": listed}
