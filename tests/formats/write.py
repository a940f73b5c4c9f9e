"""`python -m tests.formats.write`: what today's code stores and answers becomes a release's folder of fixtures."""

import argparse
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from infra.local import emulator, processes
from infra.local.dynamodb_local import dynamodb_local
from infra.local.ports import free_port
from tests.conftest import REGION, DynamoDb, create_table
from tests.formats.readers import EVERY, answers
from tests.formats.release import FOLDER, Release, digest
from tests.formats.work import work
from tests.formats.world import deployed

LATER_IDS = 1_000_000


@contextmanager
def tables(endpoint: str) -> Iterator[DynamoDb]:
    client = boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    suffix = uuid.uuid4().hex
    database = DynamoDb(endpoint, client, f"usage-{suffix}", f"billing-{suffix}")
    for name in (database.usage_table, database.billing_table):
        create_table(client, name)
    yield database


@contextmanager
def aws() -> Iterator[int]:
    """The emulator, in a home of its own."""
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOLLBOOTH_HOME", home)
        port = emulator.start(free_port()).port
        try:
            yield port
        finally:
            processes.stop(emulator.NAME)


def made(endpoint: str, port: int) -> Release:
    """Answers are those of another deployment that finds what this one has stored."""
    with tables(endpoint) as database, deployed(database, port) as world:
        work(world)
        stored = Release.of(world)
    with tables(endpoint) as database, deployed(database, port, first_id=LATER_IDS) as world:
        stored.load(world)
        return replace(stored, answers=answers(world, EVERY))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.formats.write", description=__doc__)
    parser.add_argument("--name", default=f"{datetime.now(UTC):%Y-%m-%d}", help="of the folder: the release's date")
    parser.add_argument("--readers", nargs="+", choices=sorted(EVERY), help="a part: the answers of these alone")
    parser.add_argument("--keys", nargs="+", help="and the items whose partition key ends so, such as #customer")
    arguments = parser.parse_args()
    if bool(arguments.readers) != bool(arguments.keys):
        parser.error("--readers and --keys go together: the answers of a part, and the items they are read from")
    folder: Path = FOLDER / arguments.name
    if folder.exists():
        print(f"{folder.name} is there already; a release is never written anew. Give another --name.", file=sys.stderr)
        return 1
    with dynamodb_local() as endpoint, aws() as port:
        release = made(endpoint, port)
        if arguments.readers:
            release = release.part(arguments.readers, arguments.keys)
        release.write(folder)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f'{folder}: {size:,} bytes. Add to RELEASED in test_formats.py:\n    "{folder.name}": "{digest(folder)}",')
    return 0


if __name__ == "__main__":
    sys.exit(main())
