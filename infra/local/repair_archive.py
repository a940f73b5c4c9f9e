"""`make repair-archive`: finds archived objects of a day that not every reader can read; APPLY=1 mends them."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from infra.local import audit, deployed
from infra.local.console import report_failure, say
from infra.local.failure import StepFailed

Damage = Mapping[str, Any]


def damaged(where: audit.Audited, lane: int, day: str, *, is_applied: bool) -> Iterator[tuple[int, list[Damage]]]:
    """(objects looked at, what is wrong with some of them), call by call until the lane's day is done."""
    question: dict[str, Any] = {"repair": "archive", "lane": lane, "day": day, "apply": is_applied}
    while True:
        found = where.ask(question, f"The archive of lane {lane} could not be repaired")
        yield int(found["objects"]), list(found["damaged"])
        if not found["nextAfter"]:
            return
        question["after"] = found["nextAfter"]


def described(damage: Damage, *, is_applied: bool) -> str:
    if damage["reason"]:
        return f"{damage['key']}: cannot be mended. {damage['reason']}"
    named = ", ".join(f"{each['tenant']}/{each['id']}" for each in damage["events"])
    more = ", ..." if len(damage["events"]) < damage["aside"] else ""
    does, leaves = ("lie aside now", "left out") if is_applied else ("would lie aside", "would be left out")
    return (
        f"{damage['key']}: of {damage['lines']} lines the data of {damage['aside']} {does}"
        f"{f' ({named}{more})' if named else ''}, {damage['lost']} {leaves}"
    )


def run(where: audit.Audited, lanes: Iterable[int], day: str, *, is_applied: bool) -> int:
    """0 when every reader can read every object now."""
    objects = broken = mended = 0
    for lane in lanes:
        of_lane = 0
        for count, found in damaged(where, lane, day, is_applied=is_applied):
            of_lane += count
            for each in found:
                say(described(each, is_applied=is_applied))
            broken += sum(bool(each["reason"]) for each in found)
            mended += sum(not each["reason"] for each in found)
        say(f"lane {lane}: {of_lane} objects of {day}")
        objects += of_lane
    if is_applied:
        say(f"{mended} of {objects} objects are mended; their former bytes are under quarantine/.")
    elif mended:
        say(f"{mended} of {objects} objects can be mended: run it again with APPLY=1.")
    else:
        say(f"Nothing can be mended in {objects} objects.")
    if broken:
        say(f"{broken} objects hold no lines and were left as they are.")
    return 1 if broken or (mended and not is_applied) else 0


def lanes_of(where: audit.Audited, lane: int | None) -> Sequence[int]:
    """Every lane, or the one that is named; raises StepFailed when there is no such lane."""
    every = range(where.lanes())
    if lane is None:
        return every
    if lane not in every:
        raise StepFailed(
            f"There is no lane {lane}: there are 0 to {len(every) - 1}.", "Give LANE= one of them, or none."
        )
    return [lane]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local.repair_archive", description=__doc__)
    parser.add_argument("--stage", help="a stage deployed to AWS; without it, the local stack")
    parser.add_argument("--day", default="", help="the UTC date the events were counted on")
    parser.add_argument("--lane", type=int, help="without it, every lane")
    parser.add_argument("--apply", action="store_true", help="mend them; without it nothing is changed")
    question = parser.parse_args()
    try:
        if not question.day:
            raise StepFailed("No day is named.", audit.DAY_REMEDY)
        day = audit.date_of(question.day)
        with deployed.asking(question.stage):
            where = audit.of(question.stage)
            return run(where, lanes_of(where, question.lane), day, is_applied=question.apply)
    except StepFailed as failure:
        return report_failure(failure)


if __name__ == "__main__":
    sys.exit(main())
