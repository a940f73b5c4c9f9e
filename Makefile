.DEFAULT_GOAL := help
.PHONY: help up down logs audit repair-archive unit test check soak fix openapi examples pin bench synth doctor deploy destroy admin-key running install install-tests install-unit

# Any Python from 3.11 to 3.13 that can make environments; only the installer runs on it.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$python && break; done)
BIN := .venv/bin
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.local/node/node_modules/.bin:$(PATH)
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
STAGE ?= dev
NAMED := command line environment
RUNNING = $(if $(filter $(NAMED),$(origin STAGE)),,running)
SYSTEM_PYTHON = $(if $(PYTHON),$(PYTHON),$(error No Python 3.11, 3.12 or 3.13 with venv was found. Install one, or name it: make PYTHON=/path/to/python3.12))
INSTALL = $(SYSTEM_PYTHON) -m infra.local.install $(if $(filter $(NAMED),$(origin PYTHON)),--named)

help:  ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

up: export TOLLBOOTH_MAKE_BEGAN := $(shell date +%s)
up: install  ## Run the whole service on this machine: emulator, deploy, demo from event to paid invoice
	@$(BIN)/python -m infra.local.up

down:  ## Stop everything `make up` started, and nothing else; what it stored is gone
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m infra.local.down; else echo "Nothing is installed, so nothing runs."; fi

logs: running install  ## Show what the functions of the running local stack have logged
	@$(BIN)/python -m infra.local.logs

unit: install-unit  ## The fast loop: lint, contracts, and the tests that need only Python; ONLY= as for test
	@$(BIN)/python -m infra.local.checks --unit --only="$(ONLY)"

test: install-tests  ## Every check and test, also end to end on a stack of its own; ONLY="tests/domain -k name" just these tests
	@$(BIN)/python -m infra.local.checks --with-stack --only="$(ONLY)"

check: install-tests  ## The part of `make test` that needs no stack; templates, state machines and policies are linted, too
	@$(BIN)/python -m infra.local.checks

soak: install-tests  ## What takes too long for every change, on a stack of its own: fuzz, simulation, kills, two tenants (SECONDS= each)
	@$(BIN)/python -m infra.local.soak $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

fix: install  ## Let ruff mend what it can
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

openapi: install  ## Write functions/handlers/openapi.json anew, after a change of routes or models
	@$(BIN)/python -m functions.handlers.openapi && echo "functions/handlers/openapi.json is up to date"

examples: install-tests  ## Take the document's examples anew from requests and answers of the tests; then make openapi
	@$(BIN)/python -m tests.handlers.examples

pin: install  ## Write the hashes of the assets' wheels anew (infra/locks), after a change of requirements
	@$(BIN)/python -m infra.local.pin

bench: install-tests  ## Count what a million events cost; prints a table, writes .local/bench.json
	@$(BIN)/python -m tests.bench

synth: install  ## Write the CloudFormation templates of STAGE (default dev) to cdk.out
	@$(BIN)/python -m infra.local.synth --stage $(STAGE)

doctor: install  ## Ask the account of your credentials what would make a deploy of STAGE (default dev) fail; says what it costs
	@$(BIN)/python -m infra.local.doctor --stage $(STAGE)

deploy: install  ## Deploy STAGE (default dev) to the AWS account of your credentials; APPROVAL=never asks nothing
	@$(BIN)/python -m infra.local.deployed --stage $(STAGE)
	@cdk deploy '**' -c stage=$(STAGE) --require-approval $(or $(APPROVAL),broadening)

destroy: install  ## Say what stays of STAGE=... when its stacks go, then delete them; prod wants CONFIRM=tollbooth-prod
	@$(BIN)/python -m infra.local.destroy $(if $(filter $(NAMED),$(origin STAGE)),--stage $(STAGE)) $(if $(CONFIRM),--confirm $(CONFIRM))

admin-key: $(RUNNING) install  ## Print the first admin API key of the running local stack, or of STAGE=... in AWS
	@$(BIN)/python -m infra.local.admin_key $(if $(filter $(NAMED),$(origin STAGE)),--stage $(STAGE))

audit: $(RUNNING) install  ## Recount DAY (default today) of the local stack, or of STAGE=..., against its counters; fails on a difference
	@$(BIN)/python -m infra.local.audit $(if $(DAY),--day $(DAY)) $(if $(filter $(NAMED),$(origin STAGE)),--stage $(STAGE))

repair-archive: $(RUNNING) install  ## Find archived objects of DAY= [LANE=] that not every reader can read; APPLY=1 mends them
	@$(BIN)/python -m infra.local.repair_archive --day "$(DAY)" $(if $(LANE),--lane $(LANE)) $(if $(filter 1,$(APPLY)),--apply) $(if $(filter $(NAMED),$(origin STAGE)),--stage $(STAGE))

# What asks the running local stack says at once that there is none, before anything is installed.
running:
	@$(SYSTEM_PYTHON) -m infra.local.state

install:
	@$(INSTALL)

install-tests:
	@$(INSTALL) --for-tests

install-unit:
	@$(INSTALL) --python-only
