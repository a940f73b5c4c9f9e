"""Synthesizes every stage once per session, with cdk-nag and without building assets."""

import fcntl
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from aws_cdk import App

from infra import nag, stage
from infra.local.doctor import plan
from infra.service import Service
from infra.stage import StageSettings

REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = {"dev": stage.dev(), "prod": stage.prod(), "local": stage.local("http://127.0.0.1:12111")}

Resources = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Synthesized:
    """The templates of one stage, by the lifetime that names the stack."""

    settings: StageSettings
    stacks: Mapping[str, Mapping[str, Any]]
    plan: plan.Plan
    protected: set[str]  # stacks that CloudFormation refuses to delete

    def resources(self, stack: str, kind: str) -> Resources:
        found: Resources = self.stacks[stack]["Resources"]
        return {name: each for name, each in found.items() if each["Type"] == kind}

    def all(self, kind: str) -> Resources:
        return {f"{stack}/{name}": each for stack in self.stacks for name, each in self.resources(stack, kind).items()}


class Shared:
    """Where the workers of a session leave what they have synthesized: a stage takes half a minute of CPU."""

    folder: Path | None = None


@pytest.fixture(scope="session", autouse=True)
def _shared_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> None:
    if hasattr(request.config, "workerinput"):
        Shared.folder = tmp_path_factory.getbasetemp().parent


@cache
def synthesize(name: str) -> Synthesized:
    if Shared.folder is None:
        return synthesized(SETTINGS[name])
    kept = Shared.folder / f"synthesized-{name}.pickle"
    with (Shared.folder / f"synthesized-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_bytes(pickle.dumps(synthesized(SETTINGS[name])))
        found = pickle.loads(kept.read_bytes())
        assert isinstance(found, Synthesized)
        return found


def synthesized(settings: StageSettings) -> Synthesized:
    name = settings.name
    # The flags of cdk.json, as the command line passes them.
    context = json.loads((REPOSITORY / "cdk.json").read_text())["context"] | {"aws:cdk:bundling-stacks": []}
    lifetime = len(f"tollbooth-{name}-")
    with TemporaryDirectory(prefix="tollbooth-synth-") as out:
        app = App(context=context, outdir=out)
        nag.check(app, Service(app, settings))
        stacks = app.synth().get_nested_assembly(f"assembly-tollbooth-{name}").stacks
        planned = plan.read(Path(out))
        protected = {stack.stack_name[lifetime:] for stack in stacks if stack.termination_protection}
    templates = {stack[lifetime:]: template for stack, template in planned.templates.items()}
    return Synthesized(settings, templates, planned, protected)


@pytest.fixture(scope="session", params=["dev", "prod", "local"])
def each_stage(request: pytest.FixtureRequest) -> Synthesized:
    return synthesize(request.param)


@pytest.fixture(scope="session")
def dev() -> Synthesized:
    return synthesize("dev")


@pytest.fixture(scope="session")
def prod() -> Synthesized:
    return synthesize("prod")


@pytest.fixture(scope="session")
def local() -> Synthesized:
    return synthesize("local")
