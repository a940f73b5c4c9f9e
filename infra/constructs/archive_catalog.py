"""The archive as a table of Athena: catalogue, workgroup and saved queries; nothing here holds data.

`lines` is the stored line as it is, so that no JSON SerDe rounds a number, lower-cases a key or drops a row; `events`
is a view with a column for every field. Partitions are projected from their names: no crawler, nothing to add by hour.
"""

import base64
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from aws_cdk import Stack, aws_athena, aws_glue, aws_s3
from aws_cdk import aws_iam as iam
from constructs import Construct

from functions import names
from infra.constructs.access import Access
from infra.stage import StageSettings

SQL = Path(names.__file__).parent / "adapters" / "athena" / "sql"
RESULTS = "queries/*"
LINES = "lines"
EVENTS = "events"
FIRST_DAY = "2026-01-01"  # no event was archived before
QUERIES = ("usage", "recount", "percentiles", "subjects", "invoice-line-events")

PARAMETER = re.compile(r":([a-z]\w*)")

# In the order of columns.sql; the last two are the partition.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "tenant": ("string", "whose event it is"),
    "id": ("string", "the event's id, as its source gave it"),
    "source": ("string", "who sent it"),
    "type": ("string", "the event type meters count"),
    "subject": ("string", "who caused the usage"),
    "time": ("string", "when it happened: 2026-01-31T23:59:59Z, UTC, whole seconds"),
    "micros": ("bigint", "the microsecond within the second of time, 0 to 999999"),
    "received_at": ("string", "when it was accepted, written like time"),
    "meter_version": ("bigint", "the version of the meter set it was counted with"),
    "data": ("string", "the event's data as JSON; fractions as doubles, exact ones are in line"),
    "extensions": ("string", "further CloudEvents attributes as JSON"),
    "voids": ("string", "set on a line that voids the event of the same identity"),
    "data_base64": ("string", "data that are no JSON anybody could read; data is null then, and no meter counts them"),
    "line": ("string", "the line as it was stored, every digit as it was sent"),
    "day": ("string", "partition: the UTC day its commit was decided, 2026-01-31"),
    "hour": ("string", "partition: the UTC hour its commit was decided, 00 to 23"),
}
PARTITION = ("day", "hour")

# What a person puts in the place of the shape's blanks; parameters become question marks.
SAMPLE_SHAPE = {
    "value": "'$.data.tokens'",
    "window": "substr(time, 1, 10)",
    "subject": "subject",
    **{f"path_{n}": path for n, path in enumerate(("'$.data.model'", "'$'", "'$'"), 1)},
    **{f"shown_{n}": shown for n, shown in enumerate(("group_1", "''", "''"), 1)},
}


class ArchiveCatalog(Construct):
    def __init__(self, scope: Construct, construct_id: str, *, stage: StageSettings, bucket: aws_s3.Bucket) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self._bucket = bucket
        self.workgroup_name = f"tollbooth-{stage.name}"
        self.database_name = f"tollbooth_{stage.name.replace('-', '_')}"
        account = Stack.of(self).account
        database = aws_glue.CfnDatabase(
            self,
            "Database",
            catalog_id=account,
            database_input=aws_glue.CfnDatabase.DatabaseInputProperty(
                name=self.database_name, description="Tollbooth: accepted events"
            ),
        )
        lines = self._lines(account, database)
        self._events(account, lines)
        workgroup = self._workgroup()
        if stage.named_queries:
            for query in QUERIES:
                self._named_query(query, workgroup, database)

    def allows_queries(self) -> Access:
        """The rights that the caller of a query needs: the catalogue, the objects, room for the result."""
        stack = Stack.of(self)
        workgroup = stack.format_arn(service="athena", resource="workgroup", resource_name=self.workgroup_name)
        parts = ("catalog", f"database/{self.database_name}", f"table/{self.database_name}/{LINES}")
        reads = ["athena:GetQueryExecution", "athena:GetQueryResults"]
        bucket = self._bucket.bucket_arn
        statements = [
            iam.PolicyStatement(actions=["athena:StartQueryExecution", *reads], resources=[workgroup]),
            iam.PolicyStatement(
                actions=["glue:GetDatabase", "glue:GetTable", "glue:GetPartitions"],
                resources=[stack.format_arn(service="glue", resource=part) for part in parts],
            ),
            iam.PolicyStatement(actions=["s3:GetBucketLocation", "s3:ListBucket"], resources=[bucket]),
            iam.PolicyStatement(
                actions=["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"], resources=[f"{bucket}/{RESULTS}"]
            ),
        ]
        if self._stage.some_actions_on_all:
            statements.append(iam.PolicyStatement(actions=reads, resources=["*"]))
        environment = {
            names.ENV_ARCHIVE_WORKGROUP: self.workgroup_name,
            names.ENV_ARCHIVE_DATABASE: self.database_name,
            names.ENV_ARCHIVE_QUERY_GIGABYTES: str(self._stage.archive_query_gigabytes),
            names.ENV_ARCHIVE_DAY_GIGABYTES: str(self._stage.archive_day_gigabytes),
        }
        return Access(tuple(statements), environment)

    def _lines(self, account: str, database: aws_glue.CfnDatabase) -> aws_glue.CfnTable:
        """Fields are separated by Ctrl-A, which JSON never holds: the whole line is one column."""
        serde = aws_glue.CfnTable.SerdeInfoProperty(
            serialization_library="org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            parameters={"serialization.format": "1"},
        )
        table = aws_glue.CfnTable(
            self,
            "Lines",
            catalog_id=account,
            database_name=self.database_name,
            table_input=aws_glue.CfnTable.TableInputProperty(
                name=LINES,
                description="Accepted events, one JSON line each, in the hour their commit was decided",
                table_type="EXTERNAL_TABLE",
                parameters=self._projection(),
                partition_keys=[_column(name) for name in PARTITION],
                storage_descriptor=aws_glue.CfnTable.StorageDescriptorProperty(
                    columns=[_column("line")],
                    location=f"s3://{self._bucket.bucket_name}/archive/",
                    input_format="org.apache.hadoop.mapred.TextInputFormat",
                    output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                    serde_info=serde,
                ),
            ),
        )
        table.add_resource_dependency(database)
        return table

    def _projection(self) -> Mapping[str, str]:
        return {
            "EXTERNAL": "TRUE",
            "projection.enabled": "true",
            "projection.day.type": "date",
            "projection.day.format": "yyyy-MM-dd",
            "projection.day.range": f"{FIRST_DAY},NOW",
            "projection.day.interval": "1",
            "projection.day.interval.unit": "DAYS",
            "projection.hour.type": "integer",
            "projection.hour.range": "0,23",
            "projection.hour.digits": "2",
            "storage.location.template": f"s3://{self._bucket.bucket_name}/archive/day=${{day}}/hour=${{hour}}/",
        }

    def _events(self, account: str, lines: aws_glue.CfnTable) -> None:
        """A view in the form Athena itself writes to the catalogue."""
        trino_types = {"string": "varchar", "bigint": "bigint"}
        definition = {
            "originalSql": columns_sql(),
            "catalog": "awsdatacatalog",
            "schema": self.database_name,
            "columns": [{"name": name, "type": trino_types[kind]} for name, (kind, _) in COLUMNS.items()],
        }
        encoded = base64.b64encode(json.dumps(definition).encode()).decode()
        view = aws_glue.CfnTable(
            self,
            "Events",
            catalog_id=account,
            database_name=self.database_name,
            table_input=aws_glue.CfnTable.TableInputProperty(
                name=EVENTS,
                description="Accepted events with a column for every field; always ask with a range of days",
                table_type="VIRTUAL_VIEW",
                parameters={"presto_view": "true", "comment": "Presto View"},
                partition_keys=[],
                storage_descriptor=aws_glue.CfnTable.StorageDescriptorProperty(
                    columns=[_column(name) for name in COLUMNS], location="", serde_info={}
                ),
                view_original_text=f"/* Presto View: {encoded} */",
                view_expanded_text="/* Presto View */",
            ),
        )
        view.add_resource_dependency(lines)

    def _workgroup(self) -> aws_athena.CfnWorkGroup:
        work = aws_athena.CfnWorkGroup
        return work(
            self,
            "Workgroup",
            name=self.workgroup_name,
            description=f"Tollbooth {self._stage.name}: questions to the archive",
            recursive_delete_option=True,
            work_group_configuration=work.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                bytes_scanned_cutoff_per_query=self._stage.archive_query_gigabytes * 1_000_000_000,
                publish_cloud_watch_metrics_enabled=True,
                engine_version=work.EngineVersionProperty(selected_engine_version="Athena engine version 3"),
                result_configuration=work.ResultConfigurationProperty(
                    output_location=f"s3://{self._bucket.bucket_name}/{RESULTS.removesuffix('*')}",
                    encryption_configuration=work.EncryptionConfigurationProperty(encryption_option="SSE_S3"),
                ),
            ),
        )

    def _named_query(self, query: str, workgroup: aws_athena.CfnWorkGroup, database: aws_glue.CfnDatabase) -> None:
        sql = sample_sql(query)
        saved = aws_athena.CfnNamedQuery(
            self,
            "".join(word.capitalize() for word in query.split("-")),
            name=query,
            description=sql.partition("\n")[0].removeprefix("-- "),
            database=self.database_name,
            work_group=self.workgroup_name,
            query_string=sql,
        )
        saved.add_resource_dependency(workgroup)
        saved.add_resource_dependency(database)


@cache
def columns_sql() -> str:
    return (SQL / "columns.sql").read_text().strip()


def sample_sql(query: str) -> str:
    """A saved query for people: paths are examples to be edited, parameters are asked for, in the order listed."""
    text = (SQL / f"{query}.sql").read_text().strip()
    text = text.replace("{counted}", (SQL / "counted.sql").read_text().strip()).replace("{columns}", columns_sql())
    text = re.sub(r"\{(\w+)\}", lambda blank: SAMPLE_SHAPE[blank[1]], text)
    title, _, body = text.partition("\n")
    parameters = ", ".join(PARAMETER.findall(body))
    return f"{title}\n-- Parameters: {parameters}\n{PARAMETER.sub('?', body)}"


def _column(name: str) -> aws_glue.CfnTable.ColumnProperty:
    kind, comment = COLUMNS[name]
    return aws_glue.CfnTable.ColumnProperty(name=name, type=kind, comment=comment)
