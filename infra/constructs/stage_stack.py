"""A stack that knows its stage and how that stage publishes assets."""

from aws_cdk import CliCredentialsStackSynthesizer, Stack
from constructs import Construct

from infra.stage import StageSettings


class StageStack(Stack):
    def __init__(self, scope: Construct, construct_id: str, *, stage: StageSettings, description: str) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"Tollbooth {stage.name}: {description}",
            synthesizer=CliCredentialsStackSynthesizer() if stage.own_credentials else None,
        )
