"""`make up`: the whole service on this machine, from an empty folder to a paid invoice.

Every step can be repeated: what runs already is kept, what is deployed already is brought up to date, and the demo
does not send, bill or pay anything twice.
"""

import os
import sys
import time
import traceback

from infra.local import admin_key, deploy, emulator, farewell, paths, processes, state, stripe
from infra.local.console import fact, heading, report_failure, say, step
from infra.local.demo import story
from infra.local.failure import StepFailed
from infra.local.front_door import NAME as FRONT_DOOR
from infra.local.front_door import start as start_front_door
from infra.local.ports import configured_or_free, unheeded
from infra.local.processes import Process

API_PORT_VARIABLE = "TOLLBOOTH_PORT"
STRIPE_PORT_VARIABLE = "TOLLBOOTH_STRIPE_PORT"
EMULATOR_PORT_VARIABLE = "TOLLBOOTH_EMULATOR_PORT"
# Set by the Makefile before it installs anything.
MAKE_BEGAN_VARIABLE = "TOLLBOOTH_MAKE_BEGAN"


def up() -> state.LocalStack:
    if not processes.running(FRONT_DOOR):
        # Needed last, but better known to be taken before anything starts.
        configured_or_free(API_PORT_VARIABLE)
    heading("1. AWS and Stripe, emulated on loopback")
    aws, stripe_process = start_neighbours()
    heading("2. The CDK app that goes to AWS")
    outputs = deploy_stacks(aws, stripe_process)
    heading("3. Addresses and keys")
    door = open_front_door(aws, outputs)
    api_url = f"http://127.0.0.1:{door.port}"
    introduce_stripe(aws, stripe_process, outputs, api_url)
    key = read_admin_key(aws, outputs)
    stack = state.LocalStack(
        home=str(paths.home()),
        api_url=api_url,
        api_key=story.tenant_key(api_url, key, previous_key()),
        admin_key=key,
        stripe_url=stripe.url(stripe_process.port),
        emulator_url=emulator.url(aws.port),
        region=emulator.REGION,
        ports={process.name: process.port for process in (aws, stripe_process, door)},
        pids={process.name: process.pid for process in (aws, stripe_process, door)},
        outputs=outputs,
        demo=story.begun(previous_demo()),
    )
    state.save(stack)
    heading("4. The demo: from usage to a paid invoice")
    if story.is_told(stack):
        say(f"  ok Told already: invoice {stack.demo['invoice_number']} was paid; nothing is sent or billed again")
    else:
        stack = story.tell(stack)
        state.save(stack)
    heading("5. Access: 1,000 tokens run dry")
    if story.is_access_told(stack):
        say(f"  ok Told already: {stack.demo['access_left']} were left of what {stack.demo['access_customer']} may use")
    else:
        stack = story.tell_of_access(stack)
        state.save(stack)
    return stack


def start_neighbours() -> tuple[Process, Process]:
    """The emulator and the stand-in; both are kept when both still run, otherwise everything starts from nothing."""
    aws, stripe_process = processes.running(emulator.NAME), processes.running(stripe.NAME)
    if aws and stripe_process:
        say("  ok Both are running already")
        say_what_is_unheeded(EMULATOR_PORT_VARIABLE, aws)
        say_what_is_unheeded(STRIPE_PORT_VARIABLE, stripe_process)
        return aws, stripe_process
    for name in processes.recorded():
        processes.stop(name)
    state.forget()
    with step("Starting the AWS emulator, IAM enforced") as current:
        aws = emulator.start(configured_or_free(EMULATOR_PORT_VARIABLE))
        current.says(emulator.url(aws.port))
    with step("Starting the Stripe stand-in") as current:
        stripe_process = stripe.start(configured_or_free(STRIPE_PORT_VARIABLE))
        current.says(stripe.url(stripe_process.port))
    return aws, stripe_process


def say_what_is_unheeded(variable: str, kept: Process) -> None:
    if sentence := unheeded(variable, kept.port):
        fact(sentence)


def deploy_stacks(aws: Process, stripe_process: Process) -> dict[str, str]:
    with step("cdk bootstrap") as current:
        current.says("done" if deploy.bootstrap(aws.port) else "was there already")
    with step("cdk deploy") as current:
        outputs = deploy.deploy(aws.port, stripe_api_base=stripe.url(stripe_process.port))
        current.says(f"{len(outputs)} outputs, log in {paths.shown(paths.log_file('cdk'))}")
    return outputs


def open_front_door(aws: Process, outputs: dict[str, str]) -> Process:
    target = f"{emulator.url(aws.port)}/_aws/execute-api/{deploy.needed(outputs, 'ApiId')}/$default"
    kept = processes.running(FRONT_DOOR)
    with step("Opening the front door of the API") as current:
        door = start_front_door(target, lambda: configured_or_free(API_PORT_VARIABLE))
        current.says(f"http://127.0.0.1:{door.port}")
    if kept:
        say_what_is_unheeded(API_PORT_VARIABLE, kept)
    return door


def introduce_stripe(aws: Process, stripe_process: Process, outputs: dict[str, str], api_url: str) -> None:
    with step("Introducing Stripe and the stacks to each other") as current:
        webhook = stripe.introduce(
            stripe_port=stripe_process.port,
            emulator_port=aws.port,
            secret_arn=deploy.needed(outputs, "StripeSecretArn"),
            api_url=api_url,
        )
        current.says(f"webhooks go to {webhook}")


def read_admin_key(aws: Process, outputs: dict[str, str]) -> str:
    with step("Reading the first admin key, which the deployment made"):
        secret_arn = deploy.needed(outputs, admin_key.ADMIN_SECRET_OUTPUT)
        return admin_key.read(emulator.client("secretsmanager", aws.port), secret_arn)


def previous_key() -> str | None:
    stack = state.find()
    return stack.api_key if stack else None


def previous_demo() -> dict[str, object]:
    stack = state.find()
    return stack.demo if stack else {}


def began_at() -> float:
    """When `make up` began, installing included; now where there is no make. Epoch seconds."""
    text = os.environ.get(MAKE_BEGAN_VARIABLE, "")
    return float(text) if text.isdigit() else time.time()


def main() -> int:
    began = began_at()
    try:
        stack = up()
    except StepFailed as failure:
        return report_failure(failure)
    except KeyboardInterrupt:
        say("\nInterrupted. `make up` goes on from here, `make down` stops what runs.")
        return 130
    except Exception as error:
        log = paths.log_file("up")
        log.write_text(traceback.format_exc())
        remedy = f"This should not happen; the traceback is in {paths.shown(log)}, and `make logs` shows the functions."
        return report_failure(StepFailed(f"{type(error).__name__}: {error}", remedy))
    farewell.say_what_to_try(stack, seconds=time.time() - began)
    return 0


if __name__ == "__main__":
    sys.exit(main())
