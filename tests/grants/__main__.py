"""`make test`: permissions of prod that no test has used. Each is taken away, or acknowledged here with its reason.

Only unused ones fail: some are used when two writers meet, so that an acknowledged one may be used now and then.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from infra.local.checks import USED_GRANTS
from tests.grants.grants import Grant, of_prod

READS_ARCHIVE = ("schedule_reconcile", "workflow_issue_invoice", "workflow_preview_migration")
LISTS_ARCHIVE = (*READS_ARCHIVE, "http_api", "stream_aggregate", "schedule_audit", "workflow_fill_history")


@dataclass(frozen=True)
class Acknowledged:
    """Grants whose parts match; * is any text. `resource` is what stands behind the last colon of an ARN."""

    function: str
    action: str
    resource: str
    reason: str

    def covers(self, grant: Grant) -> bool:
        function, action, resource = grant
        return (
            fnmatchcase(function, self.function)
            and fnmatchcase(action, self.action)
            and fnmatchcase(resource.removesuffix(":*").rpartition(":")[2], self.resource)
        )


def acknowledged() -> Iterator[Acknowledged]:
    """Used by services with a function's role, or by a function where no test leads."""
    yield Acknowledged("*", "logs:*", "*", "Lambda's runtime writes the log of a function.")
    yield Acknowledged("stream_aggregate", "kinesis:*", "stream/*", "Lambda reads the stream; CDK says with what.")
    yield Acknowledged("stream_aggregate", "s3:PutObject", "*/aws/lambda/*", "Lambda keeps failed batches there.")
    for action, resource in (
        *(("glue:*", "*"), ("s3:*", "*/queries/*")),
        *(("s3:GetBucketLocation", "Archive*"), ("s3:ListBucket", "Archive*")),
    ):
        yield Acknowledged("http_api", action, resource, "Athena asks with the rights of the caller of a query.")
    for function in LISTS_ARCHIVE:
        yield Acknowledged(
            function, "s3:ListBucket", "Archive*", "Asked only where an object is gone, to say that it is."
        )
    for function in READS_ARCHIVE:
        yield Acknowledged(
            function, "s3:GetObject", "*/archive/*", "Bills read events only at edges and of groups without room."
        )
    yield Acknowledged(
        "stream_aggregate",
        "s3:DeleteObject",
        "*/look-back/*",
        "The parts of a look-back go when a whole one replaces them; stores are tested for it.",
    )
    yield Acknowledged(
        "workflow_preview_migration",
        "dynamodb:Query",
        "table/UsageTable*",
        "It reads usage as workflow_issue_invoice does; dry runs of tests have fees only.",
    )


def main() -> int:
    folder = Path(os.environ[USED_GRANTS])
    used = {tuple(each) for file in folder.glob("*.json") for each in json.loads(file.read_text())}
    unused = sorted(set(of_prod()) - used)
    unexplained = [each for each in unused if not any(one.covers(each) for one in acknowledged())]
    for function, action, resource in unexplained:
        print(f"{function} may {action} on {resource}, and no test has used it. Take it away, or say why it is needed.")
    print(f"{len(used)} permissions of prod were used, {len(unused) - len(unexplained)} others are acknowledged.")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
