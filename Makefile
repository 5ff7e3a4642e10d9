# Every command of the project. `make help` lists them.
#
# The first command makes .venv from requirements.lock. It needs make, a Python of 3.11 or newer with venv, and a
# package index; uv is used when it is there, because it is faster.

SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready

# The models have a templater of their own, which sqlfluff reads from the directory that it is started in.
SQL := database ingest datalayer api orchestration

# The wheels that the lock names exist for these; older interpreters are not supported.
FIND_PYTHON = for name in python3.13 python3.12 python3.11 python3; do \
	if command -v $$name >/dev/null 2>&1 \
		&& $$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$name; break; fi; done

.PHONY: help up demo replay job migrate test check bench chaos fuzz lint format lock docs

help: ## List the commands.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Settings come from the environment or from .env: see .env.example."

up: $(READY) ## Run everything until Ctrl-C: database, webhook, Dagster, stand-in provider.
	@exec $(PYTHON) -m orchestration up

demo: $(READY) ## Stream a synthetic day through the webhook, build and check the marts, print them, end.
	@exec $(PYTHON) -m orchestration demo

replay: $(READY) ## Post archived tweets through the running webhook: FILES="…" [ZONE=…] [DIALECT=…].
	@test -n "$(FILES)" || { echo 'Say which files: make replay FILES="one.jsonl two.jsonl"' >&2; exit 2; }
	@exec $(PYTHON) -m ingest replay $(if $(ZONE),--zone "$(ZONE)") $(if $(DIALECT),--dialect "$(DIALECT)") $(FILES)

job: $(READY) ## Run one Dagster job to its end: NAME=… [ONCE=1] [AS_OF=…].
	@test -n "$(NAME)" || { echo 'Say which job: make job NAME=normalize' >&2; exit 2; }
	@exec $(PYTHON) -m orchestration job "$(NAME)" $(if $(ONCE),--once) $(if $(AS_OF),--as-of "$(AS_OF)")

migrate: $(READY) ## Bring the database to the newest schema.
	@exec $(PYTHON) -m orchestration migrate

test: $(READY) ## Run the tests, two at a time: ARGS="-k name" chooses.
	@$(PYTHON) -m pytest -n 2 --dist loadgroup $(ARGS)

check: lint test ## All that CI runs.

lint: $(READY) ## Check style, types, SQL and the rules about imports.
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@PYTHONWARNINGS=ignore:resource_tracker $(VENV)/bin/sqlfluff lint --processes 2 --disable-progress-bar $(SQL)
	@cd dbt_project && PYTHONWARNINGS=ignore:resource_tracker ../$(VENV)/bin/sqlfluff lint --processes 2 --disable-progress-bar models

docs: $(READY) ## Write docs/data-dictionary.md, and dbt's pages into one file.
	@exec $(PYTHON) -m orchestration.marts.documentation

format: $(READY) ## Format the code.
	@$(VENV)/bin/ruff check --fix-only --quiet .
	@$(VENV)/bin/ruff format .

bench: $(READY) ## Measure what is promised: [SCALE=tiny, small, goals or a number of tweets] [ONLY=P2,P6].
	@exec $(PYTHON) -m bench $(if $(SCALE),--scale "$(SCALE)") $(if $(ONLY),--only "$(ONLY)") $(ARGS)

chaos: $(READY) ## Kill everything again and again under load, then audit: [MINUTES=10] [SEED=1] [KILLS=200].
	@exec $(PYTHON) -m orchestration chaos $(if $(MINUTES),--minutes "$(MINUTES)") $(if $(SEED),--seed "$(SEED)") \
		$(if $(KILLS),--kills "$(KILLS)") $(ARGS)

fuzz: $(READY) ## Fire mutated requests at the webhook service, normalise, settle the accounts: [REQUESTS=100000] [SEED=1].
	@exec $(PYTHON) -m tests.fuzz $(if $(REQUESTS),--requests "$(REQUESTS)") $(if $(SEED),--seed "$(SEED)")

lock: ## Resolve the dependencies again into requirements.lock (needs uv).
	@command -v uv >/dev/null 2>&1 || { echo "make lock needs uv: pip install uv" >&2; exit 2; }
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --group dev pyproject.toml --output-file requirements.lock

$(READY): requirements.lock pyproject.toml
	@set -e; \
	python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
		echo "No Python of 3.11 or newer with venv was found. Install one (Debian: apt-get install python3-venv)." >&2; \
		exit 2; \
	fi; \
	if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then \
		echo "Setting up $(VENV) with uv and $$python (once)."; \
		test -x $(PYTHON) || uv venv --quiet --python "$$python" $(VENV); \
		VIRTUAL_ENV="$(CURDIR)/$(VENV)" uv pip sync --quiet --require-hashes requirements.lock; \
	else \
		echo "Setting up $(VENV) with pip and $$python (once, about a minute)."; \
		test -x $(PYTHON) || "$$python" -m venv $(VENV); \
		$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock; \
	fi; \
	$(PYTHON) -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "this_project.pth").write_text("$(CURDIR)\n")'; \
	touch $@
