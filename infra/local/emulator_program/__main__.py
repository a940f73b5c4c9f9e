"""Runs the AWS emulator with an Athena that takes what ours asks; runs in the emulator's own environment."""

import trino  # type: ignore[import-not-found]
from ministack.app import main  # type: ignore[import-not-found]

trino.teach()
main()
