"""`python -m infra.local.stripe_standin --port N --api-key K --webhook-secret S [--webhook-url U]`."""

import argparse
import contextlib
import signal
import sys
import threading

from infra.local.stripe_standin.server import running


def main() -> int:
    parser = argparse.ArgumentParser(prog="stripe_standin", description="A stand-in for Stripe on 127.0.0.1.")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--api-key", required=True, help="the only key it accepts")
    parser.add_argument("--webhook-secret", required=True, help="signs every webhook")
    parser.add_argument("--webhook-url", help="where events go; POST /_standin/webhook sets it later")
    given = parser.parse_args()
    stopped = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stopped.set())
    try:
        with running(
            api_key=given.api_key,
            webhook_secret=given.webhook_secret,
            port=given.port,
            webhook_url=given.webhook_url,
        ) as server:
            print(f"Stripe stand-in on {server.url}, invoices at {server.url}/invoices", flush=True)
            stopped.wait()
    except OSError as error:
        print(f"Port {given.port} cannot be used: {error.strerror}. Choose another with --port.", file=sys.stderr)
        return 1
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
