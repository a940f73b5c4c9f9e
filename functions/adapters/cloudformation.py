"""The answer of a custom resource, put where CloudFormation waits for it."""

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.request import Request, urlopen

# CloudFormation waits for the answer until the resource times out, so one lost packet must not cost that wait.
ATTEMPTS = 4
PAUSE_SECONDS = 0.5
TIMEOUT_SECONDS = 10


def put_answer(url: str, answer: Mapping[str, Any]) -> None:
    """Raises OSError when the address cannot be reached."""
    if not url.startswith(("https://", "http://")):
        raise ValueError("A ResponseURL is an http address.")
    # The address is signed for an empty content type.
    request = Request(url, json.dumps(answer).encode(), {"Content-Type": ""}, method="PUT")  # noqa: S310 - checked
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310 - checked
                return
        except OSError:
            if attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE_SECONDS * attempt)
