"""A stack that knows its stage, how that stage publishes assets, and whether it may be deleted."""

from aws_cdk import CliCredentialsStackSynthesizer, RemovalPolicy, Stack
from constructs import Construct

from infra.stage import StageSettings

# What holds data outlives its stack, unless the very deployment that made it failed: then it is empty.
KEPT = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE


class StageStack(Stack):
    def __init__(self, scope: Construct, construct_id: str, *, stage: StageSettings, description: str) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"Tollbooth {stage.name}: {description}",
            synthesizer=CliCredentialsStackSynthesizer() if stage.own_credentials else None,
            termination_protection=stage.protect_data,
        )
