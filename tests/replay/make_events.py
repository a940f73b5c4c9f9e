"""Writes events/ anew: `python -m tests.replay.make_events`. The same input always gives the same files.

The files are what counts and what is committed; this script only spares writing base64, signatures and headers by hand.
"""

import json
from typing import Any

from tests.replay import (
    make_backfill_events,
    make_billing_events,
    make_entitlement_events,
    make_http_events,
    make_migration_events,
    make_stream_events,
)
from tests.replay.make_scenario import Made
from tests.replay.scenario import EVENTS, EXPECT_SUFFIX


def main() -> None:
    sources = (
        *(make_http_events, make_stream_events, make_billing_events, make_backfill_events),
        *(make_migration_events, make_entitlement_events),
    )
    for source in sources:
        for made in source.scenarios():
            write(made)


def write(made: Made) -> None:
    folder = EVENTS / made.handler
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / f"{made.name}.json", made.event)
    _write_json(folder / f"{made.name}{EXPECT_SUFFIX}", {"seeds": list(made.seeds), "answers": list(made.answers)})


def _write_json(file: Any, content: Any) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
