"""Lines of the archive mean the same to every reader: our reader, Python's and DuckDB's."""

import json
import subprocess
from typing import Any

import pytest
from isal import igzip

from functions.adapters import archive
from functions.domain.metering.values.cloudevents import parse_events
from functions.domain.metering.values.event import AcceptanceWindow
from functions.domain.metering.values.event_json import MAX_DEPTH, MAX_NUMBER_LENGTH
from functions.domain.metering.values.lanes import Lanes
from infra.local import paths

NOW = 1_790_000_000
LANES = Lanes(8, b"a key of the test")
MOST_SECONDS = 60
# Whole lines, as the archive's table has them; and everything in them, as a tenant loads them into its own table.
DUCKDB = """
import json, sys, duckdb
lines = sys.stdin.read().split("\\n")[:-1]
ask = "SELECT json_extract_string(?, '$.id'), json_extract(?, '$.data')::varchar, json_valid(?)"
read = [duckdb.execute(ask, [line] * 3).fetchone() for line in lines]
with open(sys.argv[1], "w") as file:
    for line in lines:
        file.write(line + chr(10))
loaded = duckdb.execute("SELECT id FROM read_json(?, maximum_object_size = 10000000, records = true)", sys.argv[1:])
print(json.dumps({"read": read, "loaded": [row[0] for row in loaded.fetchall()]}))
"""

DATA = {
    "deep": b'{"k":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}",
    "long": b'{"k":%b}' % (b"9" * MAX_NUMBER_LENGTH),
    "large": b'{"k":1.7976931348623157e308}',
    "small": b'{"k":-1e-308}',
    "precise": b'{"k":0.10000000000000000000000001}',
    "nul": b'{"k":"a\\u0000b"}',
    "a name of nul": b'{"\\u0000":1,"k":2}',
    "separators": '{"k":"\u2028\u2029\u0085"}'.encode(),
    "half a pair": b'{"k":"\\ud83d"}',
    "a pair": b'{"k":"\\ud83d\\ude00"}',
    "no characters": b'{"k":"\\uffff\\ufffe"}',
    "lines": b'{"k":\r\n[1,\n2]}',
    "an empty name": b'{"":1,"k":""}',
    "many names": b"{%b}" % b",".join(b'"k%d":%d' % (number, number) for number in range(2_000)),
    "nothing": b"null",
}


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    made = (b'{"id":"%b","source":"s","type":"t","subject":"c","data":%b}' % (n.encode(), d) for n, d in DATA.items())
    events = parse_events(b"[" + b",".join(made) + b"]", "acme", LANES, AcceptanceWindow(), NOW)
    body = igzip.decompress(archive.encode_lines([("acme", "c", events)], NOW, {"acme": 1}))  # type: ignore[no-untyped-call]
    assert body.count(b"\n") == len(DATA)
    return [*body.split(b"\n")[:-1]]


def shown(value: Any) -> Any:
    """Numbers as doubles, as far as everybody goes."""
    if isinstance(value, dict):
        return {name: shown(each) for name, each in value.items()}
    if isinstance(value, list):
        return list(map(shown, value))
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def test_every_reader_reads_every_line_alike(lines: list[bytes], tmp_path: Any) -> None:
    python = [json.loads(line) for line in lines]
    ours = list(archive.decode_lines(igzip.compress(b"\n".join(lines)), 1))
    command = [paths.EMULATOR_PYTHON, "-c", DUCKDB, tmp_path / "lines.jsonl"]
    ran = subprocess.run(
        command, input=b"\n".join([*lines, b""]), capture_output=True, timeout=MOST_SECONDS, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()
    duckdb = json.loads(ran.stdout)
    assert [line["id"] for line in python] == [event.id for event in ours] == duckdb["loaded"] == list(DATA)
    for line, event, (name, data, is_valid) in zip(python, ours, duckdb["read"], strict=True):
        assert (name, is_valid) == (event.id, True)
        assert shown(json.loads(data or "null")) == shown(line.get("data")), name
        assert shown(json.loads(event.raw_data or b"null")) == shown(line.get("data")), name
