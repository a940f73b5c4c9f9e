"""The same work has the same idempotency key; anything that must be asked afresh has another."""

from dataclasses import replace

from functions.adapters.stripe.keys import MAX_KEY_CHARACTERS, create_key, customer_key, finalize_key, lines_key
from tests.application.billing.push.world import document


def test_keys_are_stable() -> None:
    lines = document().lines
    assert create_key(document(), 0) == "bill:default:01INVOICE:create:g0"
    assert finalize_key(document(), "in_1", 2) == "bill:default:01INVOICE:finalize:in_1:g2"
    assert lines_key(document(), "in_1", lines, 0) == lines_key(document(), "in_1", lines, 0)
    assert customer_key(document(), 0) == customer_key(replace(document(), invoice_id="another"), 0)


def test_everything_that_makes_it_other_work_makes_another_key() -> None:
    lines = document().lines
    keys = [
        *(create_key(document(), gen) for gen in (0, 1)),
        create_key(replace(document(), tenant="other"), 0),
        lines_key(document(), "in_1", lines, 0),
        lines_key(document(), "in_1", lines, 1),
        lines_key(document(), "in_1", lines[1:], 0),
        lines_key(document(), "in_2", lines, 0),
        customer_key(document(), 0),
        customer_key(replace(document(), customer_name="Acme Inc."), 0),
        customer_key(replace(document(), currency="EUR"), 0),
        finalize_key(document(), "in_1", 0),
    ]
    assert len(set(keys)) == len(keys)


def test_long_names_still_fit() -> None:
    long = replace(document(), tenant="t" * 200, invoice_id="i" * 200)
    assert len(create_key(long, 0)) <= MAX_KEY_CHARACTERS
    assert create_key(long, 0) != create_key(long, 1)
