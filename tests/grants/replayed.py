"""What functions needed that ran in processes of their own: in AWS's runtime, or on a local stack."""

import json
from collections.abc import Mapping
from pathlib import Path

from functions import names
from tests.grants.grants import refusal
from tests.grants.runtime.needs import Need

RUNTIME = Path(__file__).parent / "runtime"


def recording_in(file: Path) -> dict[str, str]:
    """The environment in which functions write down what they need."""
    return {"PYTHONPATH": str(RUNTIME), "TOLLBOOTH_NEEDS": str(file)}


def refusals(file: Path, outputs: Mapping[str, str] | None = None) -> list[str]:
    """What the policies of prod would not have let them; a stack's outputs say how its functions are called."""
    called = {(outputs or {}).get(f"{_construct(handler)}FunctionName", handler): handler for handler in names.HANDLERS}
    refused = []
    for line in dict.fromkeys(file.read_text().splitlines()):
        function, action, resource, keys = json.loads(line)
        refused.append(refusal(called[function], Need(action, resource, tuple(keys))))
    return sorted(filter(None, refused))


def _construct(handler: str) -> str:
    return "".join(word.capitalize() for word in handler.split("_"))
