"""Runs the AWS emulator with an Athena that takes what ours asks, and a Lambda that says what was raised.

Runs in the emulator's own environment.
"""

import lambda_errors  # type: ignore[import-not-found]
import trino  # type: ignore[import-not-found]
from ministack.app import main  # type: ignore[import-not-found]

lambda_errors.teach()
trino.teach()
main()
