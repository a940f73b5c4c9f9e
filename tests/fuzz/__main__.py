"""`python -m tests.fuzz --seconds 600 --seed 1`: plays seed after seed, prints those that fail with their reason."""

import argparse
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from random import Random

import boto3
import pytest

from functions import names
from infra.local.dynamodb_local import dynamodb_local
from tests.conftest import LOCAL_CREDENTIALS, REGION, DynamoDb, create_table
from tests.fuzz.ingest import judge
from tests.fuzz.story import Story
from tests.fuzz.world import Broken
from tests.handlers.conftest import forget_clients

REQUESTS_A_SEED = 300
SHOWN = 1_500


@contextmanager
def _tables(endpoint: str, seed: int) -> Iterator[tuple[DynamoDb, pytest.MonkeyPatch]]:
    """Tables of a seed's own, where the handlers look for them."""
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("dynamodb", endpoint_url=endpoint, region_name=REGION, **credentials)  # type: ignore[call-overload]
    database = DynamoDb(endpoint, client, f"usage-{seed}", f"billing-{seed}")
    tables = {names.ENV_USAGE_TABLE: database.usage_table, names.ENV_BILLING_TABLE: database.billing_table}
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in (LOCAL_CREDENTIALS | {"AWS_ENDPOINT_URL_DYNAMODB": endpoint} | tables).items():
            patch.setenv(variable, value)
        for table in tables.values():
            create_table(client, table)
        forget_clients()
        yield database, patch
        for table in tables.values():
            client.delete_table(TableName=table)


def _problems(endpoint: str, seed: int, *, in_memory: bool, only: str) -> list[str]:
    problems = []
    if only != "ingest":
        try:
            with _tables(endpoint, seed) as (database, patch):
                Story(seed, database, patch, in_memory=in_memory).play()
        except Broken as broken:
            problems.append(str(broken))
        except Exception:  # an exception that no reader turns into an answer
            problems.append(traceback.format_exc(limit=-6))
    if only != "readers":
        with pytest.MonkeyPatch.context() as patch:
            problems += judge(Random(seed), patch, REQUESTS_A_SEED)
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="no seed begins later")
    parser.add_argument("--seed", type=int, default=1, help="the first one; the others follow")
    parser.add_argument("--dynamodb", action="store_true", help="the ledger too is on DynamoDB Local: ten times slower")
    parser.add_argument(
        "--only", choices=("ingest", "readers"), default="", help="ingest's answers, or what comes after"
    )
    arguments = parser.parse_args()
    failed = played = 0
    with dynamodb_local() as endpoint:
        end = time.monotonic() + arguments.seconds
        for seed in count(arguments.seed):
            if time.monotonic() > end:
                break
            played += 1
            problems = _problems(endpoint, seed, in_memory=not arguments.dynamodb, only=arguments.only)
            failed += bool(problems)
            for problem in problems:
                print(f"seed {seed}: {problem[:SHOWN]}\n", flush=True)
    print(f"{played} seeds played from {arguments.seed} on, {failed} of them fail")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
