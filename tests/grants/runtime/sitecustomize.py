"""Python imports it when a function starts: what the function needs goes into a file, a JSON line for each."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

# Without a function's name this is the emulator, which hands its environment on to functions.
if FUNCTION := os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
    # The function's own botocore, where it brings one.
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    from needs import needs
    from recorder import record

    sys.path.remove(os.environ["LAMBDA_TASK_ROOT"])
    NEEDS_FILE = os.open(os.environ["TOLLBOOTH_NEEDS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    NAMED = {value: variable for variable, value in os.environ.items()}

    def note(operation: str, params: Mapping[str, Any], is_missing: bool) -> None:
        for need in needs(operation, params, NAMED, is_missing=is_missing):
            os.write(NEEDS_FILE, json.dumps([FUNCTION, *need]).encode() + b"\n")

    record(note)
