"""The stages: dev and prod as `stage.py` ships them; the operator changes and adds stages in `stages.toml`.

[prod]
alarm_emails = ["ops@example.com"]

[staging]            # one more, named in every stack
like = "prod"
events_per_second = 1500
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra import stage
from infra.stage import StageSettings

FILE = Path(__file__).resolve().parents[1] / "stages.toml"
SHIPPED: Mapping[str, Callable[[], StageSettings]] = {"dev": stage.dev, "prod": stage.prod}
LIKE = "like"
NAME = re.compile(r"[a-z][a-z0-9]{0,15}", re.ASCII)  # log groups, stacks and roles are named after it


def named(name: str, file: Path = FILE) -> StageSettings:
    """Raises ValueError for a stage that is not there, and for what the file says wrong."""
    written = _written(file)
    if name not in {*SHIPPED, *written}:
        there = ", ".join([*SHIPPED, *(each for each in written if each not in SHIPPED)])
        raise ValueError(f"There is no stage {name!r}; there are {there}. stages.toml may have more.")
    changes = dict(written.get(name, {}))
    like = changes.pop(LIKE, name if name in SHIPPED else "dev")
    if not isinstance(like, str) or like not in SHIPPED or (name in SHIPPED and like != name):
        raise ValueError(f"stages.toml: {name} is like {like!r}; a stage of its own is like {' or '.join(SHIPPED)}.")
    if unknown := changes.keys() - (stage.reasons().keys() - {"name"}):
        raise ValueError(
            f"stages.toml: {name} has no setting {', '.join(sorted(unknown))}. infra/stage.py lists them with reasons."
        )
    settled: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in changes.items()
    }
    try:
        return replace(SHIPPED[like](), name=name, **settled)
    except ValueError as error:
        raise ValueError(f"stages.toml, {name}: {error}") from error


def _written(file: Path) -> Mapping[str, Mapping[str, Any]]:
    if not file.exists():
        return {}
    try:
        found = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"stages.toml is no TOML: {error}") from error
    for name, settings in found.items():
        if not isinstance(settings, dict) or not NAME.fullmatch(name) or name == "local":
            raise ValueError(
                f"stages.toml: {name!r} is no stage. A stage is a table, [{name}], named by up to 16 small letters and "
                "digits, and not local, which `make up` makes."
            )
    return found
