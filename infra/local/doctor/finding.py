"""What a check found, and how an operator reads it."""

from dataclasses import dataclass
from enum import StrEnum

from infra.local.console import say


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILS = "FAILS"


@dataclass(frozen=True)
class Finding:
    """`said` is one sentence; every finding that is not ok has a remedy."""

    verdict: Verdict
    said: str
    remedy: str = ""


def ok(said: str) -> Finding:
    return Finding(Verdict.OK, said)


def warning(said: str, remedy: str) -> Finding:
    return Finding(Verdict.WARNING, said, remedy)


def fails(said: str, remedy: str) -> Finding:
    """A deploy would fail, or go where nobody meant it to go."""
    return Finding(Verdict.FAILS, said, remedy)


def show(title: str, finding: Finding) -> Finding:
    say(f"  {finding.verdict:<8} {title:<12} {finding.said}")
    if finding.remedy:
        say(f"{'':24}-> {finding.remedy}")
    return finding
