"""Randomness from the operating system: secrets of API keys."""

import secrets

SECRET_BYTES = 32


def new_secret() -> str:
    """256 random bits as hex."""
    return secrets.token_hex(SECRET_BYTES)
