"""Whose account it is and in which region, found as the CDK finds them; and a check that asks something of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

from infra.local import deployed
from infra.local.doctor.finding import Finding, fails, warning
from infra.local.doctor.plan import Plan
from infra.local.failure import StepFailed

PATIENCE = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"}
# An account that has never been activated, or has been suspended, for a service.
NOT_ACTIVE = {"OptInRequired", "SubscriptionRequiredException"}
# A region that has to be opted into answers so until that is done, with any key.
UNKNOWN_KEY = {"InvalidClientTokenId", "UnrecognizedClientException", "RegionDisabledException"}
SIGN_IN = "Sign in, for example with `aws sso login`, and set AWS_PROFILE; or set AWS_ACCESS_KEY_ID and its secret."


@dataclass(frozen=True)
class Account:
    session: boto3.Session
    region: str
    arn: str

    @property
    def id(self) -> str:
        return self.arn.split(":")[4]

    def client(self, service: Any) -> Any:
        return self.session.client(service, region_name=self.region, config=PATIENCE)

    def filled_in(self, text: str) -> str:
        """With the CDK's placeholders replaced."""
        facts = {"Partition": self.arn.split(":")[1], "AccountId": self.id, "Region": self.region}
        for name, value in facts.items():
            text = text.replace(f"${{AWS::{name}}}", value)
        return text


@dataclass(frozen=True)
class Check:
    """`run` asks the account about what the plan adds to it, and needs `actions` for that."""

    title: str
    actions: tuple[str, ...]
    run: Callable[[Account, Plan], Iterable[Finding]]
    otherwise: str = ""  # what follows from not knowing

    def findings(self, account: Account, plan: Plan) -> list[Finding]:
        try:
            return list(self.run(account, plan))
        except ClientError as error:
            return [self._refused(code_of(error), error)]
        except BotoCoreError as error:
            return [warning(f"AWS could not be asked: {error}", "Is the service there in this region? Then try again.")]

    def _refused(self, code: str, error: ClientError) -> Finding:
        if code in DENIED:
            remedy = f"Allow it {' and '.join(self.actions)}. {self.otherwise}"
            return warning(f"This caller may not look ({code}).", remedy.strip())
        if code in NOT_ACTIVE:
            return fails(
                f"The account is not active: {error}", "Finish signing up for AWS, payment included, and wait."
            )
        return warning(f"AWS could not be asked: {error}", "Try again; if it stays so, look in the console.")


def code_of(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def signed_in(environment: Mapping[str, str]) -> Account:
    """Raises StepFailed when nothing could be asked of it."""
    try:
        session = deployed.session()
        region = region_of(session)
        account = Account(session, region, "")
        arn = account.client("sts").get_caller_identity()["Arn"]
    except NoCredentialsError as error:
        raise StepFailed("There are no AWS credentials here.", SIGN_IN) from error
    except EndpointConnectionError as error:
        where = "AWS_ENDPOINT_URL" if "AWS_ENDPOINT_URL" in environment else f"that there is a region {region}"
        raise StepFailed(f"AWS does not answer: {error}", f"Check the network, and {where}.") from error
    except ClientError as error:
        more = f" If {region} has to be opted into, enable it first (Account, AWS Regions)."
        remedy = SIGN_IN + (more if code_of(error) in UNKNOWN_KEY else "")
        raise StepFailed(f"AWS does not take these credentials: {error}", remedy) from error
    except (BotoCoreError, ValueError) as error:
        remedy = f"Check AWS_PROFILE, AWS_REGION and AWS_ENDPOINT_URL. {SIGN_IN}"
        raise StepFailed(f"AWS could not be asked: {error}", remedy) from error
    return replace(account, arn=arn)


def region_of(session: boto3.Session) -> str:
    """Raises StepFailed when none is chosen: the CDK would take us-east-1 (aws-cdk, `AwsCliCompatible.region`)."""
    if not session.region_name:
        raise StepFailed("No region is chosen, and the CDK would take us-east-1.", "Set AWS_REGION.")
    return str(session.region_name)
