"""The archive as Athena sees it: the schema is the one of the SQL, partitions are projected, queries are bounded."""

import base64
import json
import re
from typing import Any

import pytest

from functions.adapters.archive import ArchivedEvent, archive_key
from functions.adapters.athena.statement import template
from infra.constructs.archive_catalog import COLUMNS, PARTITION, QUERIES, columns_sql, sample_sql


def table(synthesized: Any, name: str) -> Any:
    (found,) = [
        each["Properties"]["TableInput"]
        for each in synthesized.resources("data", "AWS::Glue::Table").values()
        if each["Properties"]["TableInput"]["Name"] == name
    ]
    return found


def text(value: Any) -> str:
    """A property with every reference to another resource as one word."""
    return "".join(part if isinstance(part, str) else "bucket" for part in value["Fn::Join"][1])


def test_the_view_has_a_column_for_every_archived_field(prod: Any) -> None:
    shown = [column["Name"] for column in table(prod, "events")["StorageDescriptor"]["Columns"]]
    assert shown == list(COLUMNS)
    assert set(ArchivedEvent.__struct_fields__) - {"commit"} <= set(shown)  # which the object's name says


def test_the_view_is_the_sql_of_the_saved_queries(prod: Any) -> None:
    stored = re.fullmatch(r"/\* Presto View: (.*) \*/", table(prod, "events")["ViewOriginalText"])
    assert stored
    view = json.loads(base64.b64decode(stored[1]))
    assert view["originalSql"] == columns_sql()
    assert [column["name"] for column in view["columns"]] == selected(columns_sql())


def selected(sql: str) -> list[str]:
    body = sql.removeprefix("SELECT\n").partition("\nFROM")[0]
    return [line.strip().rstrip(",").rpartition(" ")[2] for line in body.split("\n")]


def test_the_line_is_one_column_with_any_content(prod: Any) -> None:
    """Ctrl-A separates fields, and JSON never holds it."""
    storage = table(prod, "lines")["StorageDescriptor"]
    assert [column["Name"] for column in storage["Columns"]] == ["line"]
    serde = storage["SerdeInfo"]
    assert serde["SerializationLibrary"].endswith("LazySimpleSerDe")
    assert serde["Parameters"] == {"serialization.format": "1"}


def test_partitions_are_projected_from_the_keys_the_archive_writes(prod: Any) -> None:
    lines = table(prod, "lines")
    folder = text(lines["Parameters"]["storage.location.template"])
    folder = folder.replace("${day}", "2026-11-23").replace("${hour}", "07")
    hour = 1795417200 // 3600  # 2026-11-23T07:00:00Z
    assert f"s3://bucket/{archive_key(3, 12, hour)}".startswith(folder)
    assert text(lines["StorageDescriptor"]["Location"]) == "s3://bucket/archive/"
    assert [key["Name"] for key in lines["PartitionKeys"]] == list(PARTITION)
    assert lines["Parameters"]["projection.enabled"] == "true"


def test_a_query_may_read_so_much_and_its_answer_is_encrypted(each_stage: Any) -> None:
    (workgroup,) = each_stage.resources("data", "AWS::Athena::WorkGroup").values()
    settings = workgroup["Properties"]["WorkGroupConfiguration"]
    assert settings["BytesScannedCutoffPerQuery"] == each_stage.settings.archive_query_gigabytes * 10**9
    assert settings["EnforceWorkGroupConfiguration"] is True
    result = settings["ResultConfiguration"]
    assert result["EncryptionConfiguration"] == {"EncryptionOption": "SSE_S3"}
    assert text(result["OutputLocation"]) == "s3://bucket/queries/"


def test_the_saved_queries_are_deployed_where_cloudformation_knows_them(prod: Any, local: Any) -> None:
    saved = {
        each["Properties"]["Name"]: each["Properties"]["QueryString"]
        for each in prod.resources("data", "AWS::Athena::NamedQuery").values()
    }
    assert saved == {query: sample_sql(query) for query in QUERIES}
    assert not local.resources("data", "AWS::Athena::NamedQuery")


@pytest.mark.parametrize("query", QUERIES)
def test_a_saved_query_is_what_the_api_asks_with_examples_for_its_shape(query: str) -> None:
    title, parameters, body = sample_sql(query).split("\n", 2)
    asked = re.sub(r":[a-z]\w*", "?", template(query))
    fixed = re.split(r"\{\w+\}", asked)
    assert title == fixed[0].split("\n")[0]
    at = 0
    for part in [fixed[0].split("\n", 1)[1], *fixed[1:]]:
        at = body.index(part, at) + len(part)
    assert len(parameters.split(", ")) == body.count("?")
