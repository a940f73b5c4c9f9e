"""Where a replayed function finds AWS, DynamoDB and Stripe."""

from dataclasses import dataclass

from functions import names
from functions.adapters.dynamo.table import Table
from functions.domain.metering.values.lanes import Lanes
from infra.local.stripe_standin.server import Server
from tests.conftest import DynamoDb
from tests.replay.cloudformation import CloudFormation

# Fingerprints in committed stream payloads are keyed with it.
LEDGER_KEY = "replayed-events-only-0123456789abcdef"
TENANT = "acme"


@dataclass(frozen=True)
class World:
    """Resources of one replay, and the environment a function finds them with."""

    database: DynamoDb
    environment: dict[str, str]
    stripe: Server
    cloudformation: CloudFormation

    @property
    def lanes(self) -> Lanes:
        return Lanes(int(self.environment[names.ENV_LANES]), LEDGER_KEY.encode())

    @property
    def usage_table(self) -> Table:
        return Table(self.database.client, self.database.usage_table)

    @property
    def billing_table(self) -> Table:
        return Table(self.database.client, self.database.billing_table)
