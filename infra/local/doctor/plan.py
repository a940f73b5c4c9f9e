"""What a deploy would make, read from the cloud assembly that `cdk synth` wrote."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infra.local.failure import StepFailed

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """Templates by the name of their stack, in the order they are deployed, and what they need of the CDK's bootstrap.

    `bucket` and `role` hold the CDK's placeholders for account and region; `role` is empty where none is assumed.
    """

    templates: Mapping[str, Mapping[str, Any]]
    tags: Mapping[str, str]
    bucket: str
    role: str
    version_parameter: str
    version: int

    def without(self, stacks: Set[str]) -> "Plan":
        return self.only(self.templates.keys() - stacks)

    def only(self, stacks: Set[str]) -> "Plan":
        return replace(self, templates={name: one for name, one in self.templates.items() if name in stacks})

    def resources(self) -> Iterator[Mapping[str, Any]]:
        for template in self.templates.values():
            yield from template["Resources"].values()

    def of(self, kind: str) -> list[Properties]:
        """The properties of every AWS::<kind>."""
        return [one.get("Properties", {}) for one in self.resources() if one["Type"] == f"AWS::{kind}"]

    def counted(self) -> Mapping[str, Counter[str]]:
        """How many resources of each kind, by stack."""
        return {
            name: Counter(one["Type"].removeprefix("AWS::") for one in template["Resources"].values())
            for name, template in self.templates.items()
        }

    def deliveries(self) -> list[str]:
        """The log groups that services of AWS deliver to; empty for one whose name CloudFormation makes up."""
        return [
            template["Resources"][group]["Properties"].get("LogGroupName", "")
            for template in self.templates.values()
            for one in template["Resources"].values()
            for group in _delivered_to(one.get("Properties", {}))
        ]


def outlives_its_stack(resource: Mapping[str, Any]) -> bool:
    return bool(resource.get("DeletionPolicy", "Delete") != "Delete")


def read(folder: Path) -> Plan:
    """Of the one stage that was synthesized into the folder; raises StepFailed when there is none."""
    if not (folder / "manifest.json").exists():
        raise StepFailed(f"{folder} holds no synthesized stage.", "`make synth` writes one to cdk.out.")
    (stage,) = (one for one in _artifacts(folder) if one["type"] == "cdk:cloud-assembly")
    nested = folder / stage["properties"]["directoryName"]
    stacks = [one["properties"] for one in _artifacts(nested) if one["type"] == "aws:cloudformation:stack"]
    needs = max(stacks, key=lambda one: int(one.get("requiresBootstrapStackVersion", 0)))
    return Plan(
        templates={one["stackName"]: json.loads((nested / one["templateFile"]).read_text()) for one in stacks},
        tags=stacks[0]["tags"],
        bucket=stacks[0]["stackTemplateAssetObjectUrl"].split("/")[2],
        role=stacks[0].get("assumeRoleArn", ""),
        version_parameter=needs.get("bootstrapStackVersionSsmParameter", ""),
        version=int(needs.get("requiresBootstrapStackVersion", 0)),
    )


def _artifacts(folder: Path) -> list[Mapping[str, Any]]:
    return list(json.loads((folder / "manifest.json").read_text())["artifacts"].values())


def _delivered_to(properties: Properties) -> Iterator[str]:
    """The logical ids of the log groups of a state machine or of a stage of an API."""
    for one in properties.get("LoggingConfiguration", {}).get("Destinations", []):
        yield one["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0]
    if "AccessLogSettings" in properties:
        yield properties["AccessLogSettings"]["DestinationArn"]["Fn::GetAtt"][0]
