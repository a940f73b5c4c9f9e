"""The last words of `make up`: where everything is, the key, and commands to try."""

from infra.local import paths
from infra.local.console import heading, say
from infra.local.demo import access
from infra.local.state import LocalStack


def say_what_to_try(stack: LocalStack, *, seconds: float) -> None:
    period = f"from={stack.demo['period_start']}&to={stack.demo['period_end']}"
    heading(f"Tollbooth runs. Everything took {seconds:.0f} s.")
    say(f"  API          {stack.api_url}")
    say(f"  API key      {stack.api_key}   (tenant demo, scope admin)")
    say(f"  Stripe       {stack.stripe_url}/invoices   (look at the invoices, pay one)")
    say(f"  AWS          {stack.emulator_url}   (AWS_ENDPOINT_URL for the AWS command line; credentials test/test)")
    say(f"  All of it    {paths.shown(paths.stack_file())}")
    heading("Try:")
    for command in commands_to_try(stack, period):
        say(f"\n{command}")
    say("\n`make logs` shows what the functions said, `make down` stops everything and forgets what was stored.")


def commands_to_try(stack: LocalStack, period: str) -> list[str]:
    """They work as they stand, pasted into a shell."""
    key = f"-H 'Authorization: Bearer {stack.api_key}'"
    # The shell says what time it is, between the quotes of the JSON.
    event = (
        '{"specversion":"1.0","id":"try-1","source":"curl","type":"prompt","subject":"acme",'
        """"time":"'$(date -u +%FT%TZ)'","data":{"tokens":1200,"model":"small","direction":"output"}}"""
    )
    json_type = "-H 'Content-Type: application/cloudevents+json'"
    query = f"{stack.api_url}/api/v1/meters/tokens/query"
    return [
        f"# usage of the past month, by model\ncurl -s {key} '{query}?{period}&groupBy=model'",
        f"# send an event (204: it will be counted, exactly once); the same id sent again counts no second time\n"
        f"curl -s -o /dev/null -w '%{{http_code}}\\n' {key} {json_type} -d '{event}' {stack.api_url}/api/v1/events",
        f"# may this customer use the assistant, and how much of it is left?\n"
        f"curl -s {key} {stack.api_url}/api/v1/customers/{access.CUSTOMER}/entitlements/{access.FEATURE}/value",
        f"# the invoices\ncurl -s {key} {stack.api_url}/api/v1/billing/invoices",
    ]
