"""What a deploy makes and what that costs, before it does."""

from collections.abc import Iterator

from infra.local import paths
from infra.local.doctor.plan import Plan
from infra.standing import standing_of, usd_per_month

README_SECTION = "\n## What it costs\n"


def resources(plan: Plan) -> Iterator[str]:
    for stack, kinds in plan.counted().items():
        yield f"{stack}, {kinds.total()}: {', '.join(f'{count} {kind}' for kind, count in kinds.most_common())}"


def idle(plan: Plan) -> str:
    lines = usd_per_month(standing_of(plan.resources()))
    parts = ", ".join(f"{name} {usd:.2f}" for name, usd in lines.items() if usd)
    return f"${sum(lines.values()):.2f} a month ({parts}), and some cents for what its schedules read"


def per_million_events() -> list[str]:
    """The table of README.md, counted by `make bench`."""
    section = (paths.REPOSITORY / "README.md").read_text().partition(README_SECTION)[2].lstrip()
    return section.partition("\n\n")[0].splitlines()
