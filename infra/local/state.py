"""`stack.json`: the addresses, keys and names of the running local stack, for people, tests and `make admin-key`."""

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from infra.local import paths
from infra.local.console import report_failure
from infra.local.failure import StepFailed


@dataclass(frozen=True)
class LocalStack:
    """`api_key` belongs to the demo tenant, with the scope admin; `admin_key` is the deployment's own first key."""

    home: str
    api_url: str
    api_key: str
    admin_key: str
    stripe_url: str
    emulator_url: str
    region: str
    ports: dict[str, int]
    pids: dict[str, int]
    outputs: dict[str, str]
    demo: dict[str, Any] = field(default_factory=dict)


def save(stack: LocalStack) -> None:
    """At once or not at all: a reader never sees half a file. Only its owner may read the keys."""
    target = paths.stack_file()
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(stack), indent=2) + "\n")
    os.replace(draft, target)


def load() -> LocalStack:
    stack = find()
    if stack is None:
        raise StepFailed("No local stack is running here.", "Start one with `make up`.")
    return stack


def find() -> LocalStack | None:
    target = paths.stack_file()
    return LocalStack(**json.loads(target.read_text())) if target.exists() else None


def forget() -> None:
    paths.stack_file().unlink(missing_ok=True)


def main() -> int:
    """Fails at once, on any Python with the stdlib alone, when no stack is running."""
    try:
        load()
    except StepFailed as failure:
        return report_failure(failure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
