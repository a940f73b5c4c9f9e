"""`make audit`: audits all lanes of a day, of the running local stack or of a stage in AWS; prints what it found."""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

from infra.local import deployed, emulator, state
from infra.local.console import report_failure, say
from infra.local.failure import StepFailed

FUNCTION_OUTPUT = "ScheduleAuditFunctionName"
# By their names in the function's answer.
COLUMNS = {
    name: name
    for name in ("lane", "received", "accepted", "duplicates", "redelivered", "rejected", "archived", "recounted")
} | {"cells": "cells", "historyCells": "history", "differenceCount": "difference"}
DIFFERENCE = "differenceCount"
AT_ONCE = 2
READ_SECONDS = 900
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
DAY_REMEDY = "Please give DAY=2026-11-23, a UTC date."

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Audited:
    """Where audits run: a Lambda client, and the function's name."""

    client: Any
    function: str

    def lane(self, lane: int, day: str | None) -> Row:
        """An audit that had no time to end goes on with the next call."""
        while True:
            found = self.ask({"lane": lane} | ({"day": day} if day else {}), f"Lane {lane} could not be audited")
            if not found.pop("goesOn", False):
                return found
            say(f"lane {lane}: {found['recounted']:,} events recounted so far, goes on")

    def ask(self, question: Mapping[str, Any], failure: str) -> dict[str, Any]:
        """The function's answer; raises StepFailed, saying so, when it has none."""
        answer = self.client.invoke(FunctionName=self.function, Payload=json.dumps(question).encode())
        found = json.loads(answer["Payload"].read())
        if "FunctionError" in answer or "errorMessage" in found:
            raise StepFailed(f"{failure}: {found.get('errorMessage', found)}", "See the logs of the function.")
        return dict(found)

    def day(self, day: str | None) -> list[Row]:
        """A row for each lane, the sums last."""
        first = self.lane(0, day)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            others = list(pool.map(lambda lane: self.lane(lane, day), range(1, self.lanes())))
        return [first, *others]

    def lanes(self) -> int:
        found = self.client.get_function_configuration(FunctionName=self.function)
        return int(found["Environment"]["Variables"]["LANES"])


def of_local_stack(stack: state.LocalStack) -> Audited:
    return Audited(emulator.client("lambda", stack.ports[emulator.NAME]), stack.outputs[FUNCTION_OUTPUT])


def of_stage(stage: str) -> Audited:
    from botocore.config import Config

    function = deployed.outputs(f"tollbooth-{stage}-ingestion")[FUNCTION_OUTPUT]
    patience = Config(read_timeout=READ_SECONDS, retries={"total_max_attempts": 1})
    return Audited(deployed.session().client("lambda", config=patience), function)


def of(stage: str | None) -> Audited:
    """Of a stage in AWS, or of the running local stack; raises StepFailed when it is not there."""
    return of_local_stack(state.load()) if not stage or stage == "local" else of_stage(stage)


def date_of(text: str) -> str:
    """Raises StepFailed for what is no UTC date as the function reads it."""
    if not DATE.fullmatch(text):
        raise StepFailed(f"{text!r} is no date.", DAY_REMEDY)
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise StepFailed(f"{text!r} is no date.", DAY_REMEDY) from error


def table(rows: Sequence[Row]) -> str:
    total = {"lane": "all"} | {name: sum(row[name] for row in rows) for name in COLUMNS if name != "lane"}
    lines = [tuple(COLUMNS.values()), *(tuple(str(row[name]) for name in COLUMNS) for row in [*rows, total])]
    return "\n".join("  ".join(text.rjust(11) for text in line) for line in lines)


def described(difference: Mapping[str, str]) -> str:
    return "{kind}: {place}: {expected} expected, {found} found".format(**difference)


def without_commits(rows: Sequence[Row], day: str) -> str:
    """Events that happened on a day may have been counted on others."""
    if any(row[name] for row in rows for name in ("recounted", "cells", "historyCells")):
        return f"No commit of {day} was looked at: received to archived are empty, and only counters were compared."
    return f"Nothing was counted on {day}, and no event of it on another day: these audits had nothing to compare."


def run(where: Audited, day: str | None) -> int:
    """0 when no lane has a difference."""
    rows = where.day(day)
    say(table(rows))
    for row in rows:
        for difference in row["differences"]:
            say(f"lane {row['lane']}: {described(difference)}")
    audited = rows[0]["day"]
    say(f"{len(rows)} of {where.lanes()} lanes of {audited} are audited.")
    if not any(row["commits"] for row in rows):
        say(without_commits(rows, audited))
    return 1 if any(row[DIFFERENCE] for row in rows) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", help="a stage deployed to AWS; without it, the local stack")
    parser.add_argument("--day", help="a UTC date, without it today; older than six days: counters only")
    question = parser.parse_args()
    try:
        day = date_of(question.day) if question.day else None
        with deployed.asking(question.stage):
            return run(of(question.stage), day)
    except StepFailed as failure:
        return report_failure(failure)


if __name__ == "__main__":
    sys.exit(main())
