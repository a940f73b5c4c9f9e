"""Builds the CDK app; `-c stage=` chooses dev (the default), prod or local."""

from aws_cdk import App

from infra import nag, stage
from infra.service import Service

app = App()
match app.node.try_get_context("stage") or "dev":
    case "dev":
        service = Service(app, stage.dev())
    case "prod":
        service = Service(app, stage.prod())
    case "local":
        service = Service(app, stage.local(app.node.try_get_context("stripe_api_base") or ""))
    case other:
        raise SystemExit(f"There is no stage {other!r}; use -c stage=dev, prod or local.")
nag.check(app, service)
app.synth()
