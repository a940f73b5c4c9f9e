"""`make logs`: what the functions of the running local stack have logged, oldest first."""

import sys
from datetime import UTC, datetime

from infra.local import emulator, state
from infra.local.console import report_failure, say
from infra.local.failure import StepFailed

# What a person scrolls through; the rest is one filter call away.
SHOWN_EVENTS = 300
# Lambda's own frame around every invocation.
FRAME = ("START RequestId:", "END RequestId:", "REPORT RequestId:")


def show() -> None:
    stack = state.load()
    logs = emulator.client("logs", stack.ports[emulator.NAME])
    events: list[tuple[int, str, str]] = []
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            name = group["logGroupName"]
            found = logs.filter_log_events(logGroupName=name)["events"]
            said = ((event["timestamp"], name, event["message"].rstrip()) for event in found)
            events += [event for event in said if not event[2].startswith(FRAME)]
    for timestamp, name, message in sorted(events)[-SHOWN_EVENTS:]:
        at = datetime.fromtimestamp(timestamp / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
        say(f"{at} {name.rpartition('/')[2]}: {message}")


def main() -> int:
    try:
        show()
    except StepFailed as failure:
        return report_failure(failure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
