"""The ledger's hash key from Secrets Manager, held against what the deployment was made with."""

from typing import TYPE_CHECKING

from functions.adapters.dynamo import usage_keys as keys
from functions.domain.metering.values.lanes import Lanes, key_check
from functions.names import PARTITION_KEY, SORT_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient


class WrongDeployment(Exception):
    """The lane count or the hash key is not the one the stored counters were made with."""


def load_lanes(secrets: "SecretsManagerClient", secret_id: str, count: int) -> Lanes:
    key = secrets.get_secret_value(SecretId=secret_id)["SecretString"]
    return Lanes(count, key.encode())


def check_genesis(client: "DynamoDBClient", table: str, lanes: Lanes) -> None:
    """Raises WrongDeployment: with other values a subject would get a second lane and a second writer."""
    partition, sort = keys.GENESIS
    key = {PARTITION_KEY: {"S": partition}, SORT_KEY: {"S": sort}}
    item = client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    if item is None:
        raise WrongDeployment("The ledger has no genesis item yet; the deployment's bootstrap function writes it.")
    stored = (int(item["lanes"]["N"]), item["key_check"]["S"])
    if stored != (lanes.count, key_check(lanes.key)):
        raise WrongDeployment(
            f"The ledger was made with {stored[0]} lanes and another configuration than this function has "
            f"({lanes.count} lanes); lanes and the ledger key never change once events are counted."
        )
