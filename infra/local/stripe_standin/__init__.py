"""A stand-in for Stripe on this machine: real idempotency, faults on demand, signed webhooks, and a page to pay on.

It is written from Stripe's published types and prose, not from Tollbooth's code, and shares nothing with it: a mistake
in how Tollbooth understands Stripe is not repeated here by construction. tests/infra/local/stripe_standin checks its
answers against the types in Stripe's own Python package.
"""
