"""What a person sees while the local tooling works: numbered steps with seconds, facts, and failures with a remedy."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from infra.local.failure import StepFailed

# Often enough to show life, seldom enough not to fill a CI log.
HEARTBEAT_SECONDS = 15.0


class Step:
    """One running step; `note` is what its closing line says besides the seconds."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.note = ""

    def says(self, note: str) -> None:
        self.note = note


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Announce a step, show that it is alive, and close it with its result and seconds."""
    current = Step(title)
    started = time.monotonic()
    finished = threading.Event()
    say(f"  .. {title}")
    heart = threading.Thread(target=_beat, args=(title, started, finished), daemon=True)
    heart.start()
    try:
        yield current
    except BaseException:
        say(f"  !! {title} failed after {time.monotonic() - started:.1f} s")
        raise
    finally:
        finished.set()
        heart.join()
    note = f": {current.note}" if current.note else ""
    say(f"  ok {title}{note} ({time.monotonic() - started:.1f} s)")


def _beat(title: str, started: float, finished: threading.Event) -> None:
    while not finished.wait(HEARTBEAT_SECONDS):
        say(f"     {title}: still working, {time.monotonic() - started:.0f} s")


def say(text: str = "") -> None:
    print(text, flush=True)


def heading(text: str) -> None:
    say(f"\n{text}")


def fact(text: str) -> None:
    say(f"     {text}")


def report_failure(failure: StepFailed) -> int:
    """Print what went wrong and how to go on; the exit code of the command."""
    print(f"\nStopped: {failure.reason}\n  -> {failure.remedy}", file=sys.stderr, flush=True)
    return 1
