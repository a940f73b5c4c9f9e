"""Regions of an emulated account that no test has touched, and an environment in which nobody is signed in."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from infra.local import emulator, ports, processes
from infra.local.doctor import __main__ as doctor
from infra.local.doctor import account
from infra.local.doctor.finding import Finding
from infra.local.doctor.plan import Plan

BUCKET = "cdk-hnb659fds-assets-000000000000-{region}"
VERSION = "/cdk-bootstrap/hnb659fds/version"
REGIONS = iter(f"{area}-{number}" for area in ("eu-west", "ap-south", "us-west") for number in range(1, 9))


class Region:
    """An untouched region of the emulated account, with what an operator's shell has in its environment."""

    def __init__(self, name: str, url: str, key: str = "test", secret: str = "test") -> None:
        self.name, self.url = name, url
        self.session = boto3.Session(key, secret, region_name=name)

    def client(self, service: Any) -> Any:
        return self.session.client(service, endpoint_url=self.url)

    def caller(self, name: str, actions: list[str]) -> "Region":
        """The same region as a user sees it who may do no more than these."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        if actions:
            statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
            document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            iam.put_user_policy(UserName=name, PolicyName="doctor", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Region(self.name, self.url, key["AccessKeyId"], key["SecretAccessKey"])

    @property
    def bucket(self) -> str:
        return BUCKET.format(region=self.name)

    def bootstrap(self, version: str) -> None:
        self.set_version(version)
        self.make_bucket()

    def set_version(self, version: str) -> None:
        self.client("ssm").put_parameter(Name=VERSION, Value=version, Type="String", Overwrite=True)

    def make_bucket(self) -> None:
        where = {"LocationConstraint": self.name}
        self.client("s3").create_bucket(Bucket=self.bucket, CreateBucketConfiguration=where)

    @property
    def account(self) -> account.Account:
        return account.Account(self.session, self.name, "arn:aws:iam::000000000000:user/operator")

    def examined(self, plan: Plan) -> dict[str, list[Finding]]:
        """By title of the check."""
        found: dict[str, list[Finding]] = {}
        for title, finding in doctor.examined(self.account, plan):
            found.setdefault(title, []).append(finding)
        return found

    def found(self, title: str, plan: Plan) -> list[Finding]:
        """By one check alone."""
        (check,) = (one for one in doctor.CHECKS if one.title == title)
        return check.findings(self.account, plan)


@pytest.fixture(autouse=True)
def _signed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOLLBOOTH_HOME", str(tmp_path_factory.mktemp("doctor")))
        yield emulator.url(emulator.start(ports.free_port()).port)
        processes.stop(emulator.NAME)


@pytest.fixture
def region(emulated: str, monkeypatch: pytest.MonkeyPatch) -> Region:
    """The emulator keeps its regions apart, so that no test sees another's."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulated)
    return Region(next(REGIONS), emulated)


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What doctor stops with, run with this in the environment and nothing else."""

    def run(**environment: str) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.argv", ["doctor", "--assembly", "nowhere"])
        assert doctor.main() == 1
        return capsys.readouterr().err

    return run
