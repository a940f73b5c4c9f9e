"""What one release stored and answered, in a folder of its own: written once, read for ever."""

import base64
import gzip
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.formats.world import World

FOLDER = Path(__file__).parent / "releases"
LONG_BYTES = 10_000  # a look-back is 64 KB, most of it zeros
MAX_BATCH = 25  # DynamoDB's own limit
Items = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Release:
    """Items as the table's API has them, bytes of stream records and objects, and every reader's answer."""

    usage: Items
    billing: Items
    records: Sequence[bytes]
    objects: Mapping[str, bytes]
    told: Mapping[str, Any]  # the clock and the first key, which readers need
    answers: Mapping[str, Any]

    @classmethod
    def of(cls, world: World) -> "Release":
        """What the world stores now; its readers have not been asked yet."""
        tables = (world.items(world.database.usage_table), world.items(world.database.billing_table))
        told = {"now": world.clock.now().isoformat(), "first_key": world.vault.read()}
        return cls(*tables, tuple(world.stream.delivered), world.objects(), told, {})

    def part(self, readers: Collection[str], keys: Collection[str]) -> "Release":
        """The answers of these readers, and the items whose partition key ends with one of these: `#customer`."""

        def kept(items: Items) -> Items:
            return [item for item in items if item["pk"]["S"].endswith(tuple(keys))]

        answers = {name: self.answers[name] for name in readers}
        return replace(
            self, usage=kept(self.usage), billing=kept(self.billing), records=(), objects={}, answers=answers
        )

    @classmethod
    def read(cls, folder: Path) -> "Release":
        def load(name: str) -> Any:
            return _with_bytes(json.loads((folder / f"{name}.json").read_text()))

        return cls(**{name: load(name) for name in cls.__dataclass_fields__})

    def write(self, folder: Path) -> None:
        """Raises FileExistsError where there is a release: what was released is never written anew."""
        folder.mkdir(parents=True)
        for name in self.__dataclass_fields__:
            (folder / f"{name}.json").write_text(_lines(_without_bytes(getattr(self, name))) + "\n")

    def load(self, world: World) -> None:
        """Into empty tables and an empty bucket, and the clock to that moment."""
        for table, items in ((world.database.usage_table, self.usage), (world.database.billing_table, self.billing)):
            for start in range(0, len(items), MAX_BATCH):
                puts: Any = [{"PutRequest": {"Item": item}} for item in items[start : start + MAX_BATCH]]
                answer = world.database.client.batch_write_item(RequestItems={table: puts})
                assert not answer.get("UnprocessedItems")
        for key, body in self.objects.items():
            world.s3.put_object(Bucket=world.bucket, Key=key, Body=body)
        world.stream.delivered = list(self.records)
        world.vault.write(self.told["first_key"])
        world.clock.set(self.told["now"])


def releases() -> list[Path]:
    return sorted(path for path in FOLDER.iterdir() if path.is_dir())


def digest(folder: Path) -> str:
    """Of every file of a release."""
    files = sorted(folder.iterdir())
    return hashlib.sha256(b"".join(file.name.encode() + b"\0" + file.read_bytes() for file in files)).hexdigest()


def differences(expected: Any, found: Any, path: str = "$") -> Iterator[str]:
    """What was answered and is not any more; what a later version says beyond it is no difference."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for name, value in expected.items():
            if name in found:
                yield from differences(value, found[name], f"{path}.{name}")
            else:
                yield f"{path}.{name} is missing"
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif expected != found:
        yield f"{path} was {expected!r} and is {found!r}"


def _without_bytes(value: Any) -> Any:
    """Bytes as {"base64": ...}, long ones as {"gzip": ...} in base64: nothing that is stored has such a mapping."""
    if isinstance(value, bytes):
        name, body = ("gzip", gzip.compress(value, mtime=0)) if len(value) > LONG_BYTES else ("base64", value)
        return {name: base64.b64encode(body).decode()}
    if isinstance(value, Mapping):
        return {name: _without_bytes(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_bytes(each) for each in value]
    return value


def _with_bytes(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"base64"}:
            return base64.b64decode(value["base64"])
        if value.keys() == {"gzip"}:
            return gzip.decompress(base64.b64decode(value["gzip"]))
        return {name: _with_bytes(each) for name, each in value.items()}
    return [_with_bytes(each) for each in value] if isinstance(value, list) else value


def _lines(value: Any) -> str:
    """An entry a line, so that a person finds one and the whole stays small."""
    if isinstance(value, dict):
        return "{\n" + ",\n".join(f"{json.dumps(name)}: {_compact(each)}" for name, each in value.items()) + "\n}"
    return "[\n" + ",\n".join(map(_compact, value)) + "\n]"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
