"""Builds the CDK app; `-c stage=` chooses dev (the default), prod, local or a stage of stages.toml."""

from aws_cdk import App

from infra import nag, stage, stages
from infra.service import Service

app = App()
name = app.node.try_get_context("stage") or "dev"
try:
    if name == "local":
        origins = tuple((app.node.try_get_context("portal_origins") or "").split())
        settings = stage.local(app.node.try_get_context("stripe_api_base") or "", origins)
    else:
        settings = stages.named(name)
except ValueError as error:
    raise SystemExit(str(error)) from None
service = Service(app, settings)
nag.check(app, service)
app.synth()
