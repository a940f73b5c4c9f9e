"""Stripe's package takes 0.3 s and 31 MB to import, so only the functions that speak to Stripe ever do."""

import subprocess
import sys

from functions.names import HANDLERS

SPEAKS_TO_STRIPE = {"workflow_push_invoice", "webhook_stripe"}


def test_no_other_function_imports_stripe() -> None:
    modules = [path.rpartition(".")[0] for name, (_, path) in HANDLERS.items() if name not in SPEAKS_TO_STRIPE]
    code = f"import sys, {', '.join(modules)}; print('stripe' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
