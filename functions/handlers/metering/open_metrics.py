"""The OpenMetrics text of what was counted: a counter that begins anew at midnight UTC, a series for each type."""

from collections.abc import Iterable, Iterator

from functions.application.metering.usage.count_todays_events import CountedToday

NAME = "openmeter_events"  # OpenMeter's, so that queries and dashboards go on
HELP = "Events of today in UTC, as a COUNT meter without a filter counts their type."


def events_text(counted: Iterable[CountedToday]) -> str:
    return "".join(f"{line}\n" for line in _lines(counted))


def _lines(counted: Iterable[CountedToday]) -> Iterator[str]:
    yield f"# HELP {NAME} {HELP}"
    yield f"# TYPE {NAME} counter"
    for each in counted:
        labels = f'{{type="{_escaped(each.event_type)}"}}'
        yield f"{NAME}_total{labels} {each.events}"
        yield f"{NAME}_created{labels} {int(each.since.timestamp())}"
    yield "# EOF"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
