"""Archived objects that not every reader can read: found line by line, kept under quarantine/, written anew."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from isal import igzip, isal_zlib

from functions.adapters.archive import GZIP_LEVEL, ArchivedEvent, readable_line
from functions.adapters.aws import object_body
from functions.application.metering.audit.repair_archive import BrokenObject
from functions.application.ports.archive_repair import Mended
from functions.domain.metering.ledger.archive_repair import QUARANTINE, Location
from functions.domain.metering.ledger.ledger import HOUR_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HOURS = range(24)
_NO_GZIP = (OSError, EOFError, isal_zlib.error)
_KEY = re.compile(r"archive/day=(\d{4}-\d\d-\d\d)/hour=(\d\d)/lane-(\d{3})-(\d{12})\.jsonl\.gz", re.ASCII)


@dataclass
class MendedObject:
    body: bytes = b""
    lines: int = 0
    aside: list[ArchivedEvent] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)


def mend(body: bytes) -> MendedObject | None:
    """The object with its readable lines as they are; None when all are. Raises BrokenObject."""
    try:
        raw: bytes = igzip.decompress(body)  # type: ignore[no-untyped-call]
    except _NO_GZIP as error:  # type: ignore[misc]
        raise BrokenObject(f"It is no gzip: {error}") from error
    mended, kept = MendedObject(), []
    for number, text in enumerate(raw.split(b"\n"), 1):
        if not text:
            continue
        mended.lines += 1
        found = readable_line(text)
        if found is None:
            mended.lost.append(number)
            continue
        line, written = found
        kept.append(written)
        if written != text:
            mended.aside.append(line)
    if not mended.aside and not mended.lost:
        return None
    mended.body = igzip.compress(b"".join(b"%b\n" % line for line in kept), compresslevel=GZIP_LEVEL, mtime=0)
    return mended


class S3ArchiveRepair:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def keys_of(self, lane: int, day: date, after: str) -> Iterator[str]:
        for hour in HOURS:
            prefix = f"archive/day={day.isoformat()}/hour={hour:02d}/lane-{lane:03d}-"
            if after > prefix and not after.startswith(prefix):
                continue  # all of that hour's keys come before
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix, StartAfter=after if after > prefix else prefix
            )
            for page in pages:
                yield from (found["Key"] for found in page.get("Contents", ()))

    def mended(self, key: str) -> MendedObject | None:
        return mend(object_body(self._client, self._bucket, key))

    def quarantine(self, key: str) -> None:
        source = {"Bucket": self._bucket, "Key": key}
        self._client.copy_object(Bucket=self._bucket, Key=f"{QUARANTINE}{key}", CopySource=source)  # type: ignore[arg-type]

    def replace(self, key: str, mended: Mended) -> None:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=mended.body)

    def location_of(self, key: str) -> Location:
        found = _KEY.fullmatch(key)
        assert found is not None, key
        decided = datetime.fromisoformat(found[1]).replace(hour=int(found[2]), tzinfo=UTC)
        return Location(int(found[3]), int(found[4]), int(decided.timestamp()) // HOUR_SECONDS)
