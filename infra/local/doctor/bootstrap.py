"""What `cdk bootstrap` has to have made before a deploy: its version, its bucket, a role that the caller may take."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from infra.local import paths
from infra.local.doctor.account import DENIED, Account, Check, code_of
from infra.local.doctor.finding import Finding, Verdict, fails, ok, warning
from infra.local.doctor.plan import Plan


def command(account: Account) -> str:
    return f"`{paths.shown(paths.CDK)} bootstrap aws://{account.id}/{account.region}`"


def version(account: Account, plan: Plan) -> int | None:
    """None when this account was never bootstrapped in this region."""
    ssm = account.client("ssm")
    try:
        return int(ssm.get_parameter(Name=plan.version_parameter)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        return None


def has_bucket(account: Account, bucket: str) -> bool:
    try:
        account.client("s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=account.id)
    except ClientError as error:
        if code_of(error) != "404":
            raise
        return False
    return True


def judge(found: int | None, has_bucket: bool, plan: Plan, bucket: str, bootstrap: str) -> Finding:
    """The bucket outlives a deleted bootstrap stack, and is not made again by one that has lost it (aws-cdk issues
    24143 and 18261).
    """
    needed = plan.version
    if needed and found is None and has_bucket:
        return fails(
            f"The account is not bootstrapped here, and {bucket} is left from an earlier bootstrap.",
            f"`aws s3 rb s3://{bucket} --force`, which deletes what is in it, then {bootstrap}.",
        )
    if needed and found is None:
        return fails("The account is not bootstrapped in this region.", f"{bootstrap}.")
    if found is not None and found < needed:
        return fails(f"The bootstrap has version {found}, and {needed} is needed.", f"{bootstrap} renews it.")
    if not has_bucket:
        return fails(
            f"The bootstrap has lost its bucket {bucket}.",
            f"`aws cloudformation delete-stack --stack-name CDKToolkit`, and when that is done {bootstrap}.",
        )
    return ok(f"Version {found} is there, {needed} is needed." if needed else f"{bucket} is there.")


def role(account: Account, role: str) -> Finding:
    """The credentials are thrown away. The CDK takes the same role, and goes on without it when it may not."""
    try:
        account.client("sts").assume_role(RoleArn=role, RoleSessionName="tollbooth-doctor")
    except ClientError as error:
        if code_of(error) not in DENIED:
            raise
        return warning(
            f"This caller may not take {role.rpartition('/')[2]}: the CDK would go on with the caller's own rights.",
            f"Allow it sts:AssumeRole on {role.rpartition('/')[0]}/cdk-*, or every action of the deploy.",
        )
    return ok("The caller may take the CDK's role for deploying.")


def bootstrapped(account: Account, plan: Plan) -> Iterator[Finding]:
    bucket = account.filled_in(plan.bucket)
    found = version(account, plan) if plan.version_parameter else None
    finding = judge(found, has_bucket(account, bucket), plan, bucket, command(account))
    yield finding
    if finding.verdict is Verdict.OK and plan.role:
        yield role(account, account.filled_in(plan.role))


CHECK = Check("bootstrap", ("ssm:GetParameter", "s3:ListBucket"), bootstrapped)
