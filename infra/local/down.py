"""`make down`: stops every program `make up` started, and nothing else."""

import subprocess
import sys
import time
from pathlib import Path

from infra.local import paths, processes, state
from infra.local.console import say

GONE = "What it stored is gone, with its keys: the emulator kept it in memory. `make up` begins anew."


def delete_beside(folder: Path) -> None:
    """So many files take a minute: another process deletes them, and what one before it did not get to."""
    folder.rename(folder.with_name(f"{folder.name}-deleted-{time.time_ns()}"))
    subprocess.Popen(
        ["rm", "-rf", *map(str, folder.parent.glob(f"{folder.name}-deleted-*"))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    say("  what the emulator unpacked is being deleted")


def main() -> int:
    names = processes.recorded()
    for name in names:
        say(f"  {'stopped' if processes.stop(name) else 'was not running any more:'} {name}")
    state.forget()
    # The emulator keeps everything in memory: what it left on disk belongs to nobody now.
    if (scratch := paths.home() / "emulator-scratch").exists():
        delete_beside(scratch)
    say(GONE if names else "Nothing of the local stack is running.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
