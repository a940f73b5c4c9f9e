"""`make down`: stops every program `make up` started, and nothing else."""

import shutil
import sys

from infra.local import paths, processes, state
from infra.local.console import say


def main() -> int:
    names = processes.recorded()
    for name in names:
        say(f"  {'stopped' if processes.stop(name) else 'was not running any more:'} {name}")
    state.forget()
    # The emulator keeps everything in memory: what it left on disk belongs to nobody now.
    if (scratch := paths.home() / "emulator-scratch").exists():
        say("  deleting what the emulator unpacked")
        shutil.rmtree(scratch, ignore_errors=True)
    if not names:
        say("Nothing of the local stack is running.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
