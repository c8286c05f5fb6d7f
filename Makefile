# One word each. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
TOOLS := build/tools
BENCH_OBJECTS ?= 1000,10000
SOAK_MINUTES ?= 60
SOAK_OBJECTS ?= 500
SOAK_SEED ?=
PYTEST_ARGS ?=
TEST_WORKERS ?= 2
export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help setup servers check test unit prove fault verify generate lock audit sbom bench soak demo down kind clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): requirements/dev.txt pyproject.toml
	@echo "== Python environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "influxops needs Python 3.11 or later; this is %d.%d. Install it, or set PYTHON=/path/to/python3.11" % sys.version_info[:2])'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMP) servers ## Make .venv with everything, and build the servers that are missing

servers: $(STAMP)
	@$(BIN)/python -m devstack build

check: $(STAMP) ## Lint, types, layers, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .
	$(BIN)/codespell

verify: $(STAMP) ## Generated files are what the models say
	$(BIN)/python -m influxops.api.crdgen --check crds
	$(BIN)/python -m influxops.api.docgen --check docs/reference
	$(BIN)/python -m influxops.cli.docgen --check docs/reference

generate: $(STAMP) ## Write the generated files anew
	$(BIN)/python -m influxops.api.crdgen crds
	$(BIN)/python -m influxops.api.docgen docs/reference
	$(BIN)/python -m influxops.cli.docgen docs/reference

test: setup check verify ## The whole suite against real servers (some 28 minutes on two cores, servers cached), TEST_WORKERS=2 at a time
	$(BIN)/pytest -n $(TEST_WORKERS) --dist worksteal $(PYTEST_ARGS)

unit: $(STAMP) ## Only the tests that need no server
	$(BIN)/pytest tests/unit $(PYTEST_ARGS)

prove: setup ## The long proofs, in parts of under an hour, with their sums: PART=crashes runs one; what has passed with this code is not run again
	$(BIN)/python -m tests.support.prove $(PART)

fault: setup ## Run one plan of a fault matrix and show what passed the proxies: ID=create-influx-post-task-alpha-1-committed
	@$(BIN)/python -m tests.fault.again "$(ID)"

bench: setup ## Measure, print a table, write build/bench.json; BENCH_OBJECTS=1000,10000
	$(BIN)/python -m bench --objects $(BENCH_OBJECTS) --output build/bench.json

soak: setup ## A random fault every 10 to 30 s, then judged; SOAK_MINUTES=60 SOAK_OBJECTS=500 SOAK_SEED=, build/soak.json
	$(BIN)/python -m tests.soak --minutes $(SOAK_MINUTES) --objects $(SOAK_OBJECTS) $(if $(SOAK_SEED),--seed $(SOAK_SEED)) --output build/soak.json

demo: setup ## Everything at work in a few minutes, on loopback; leaves it up
	@$(BIN)/python -m devstack.demo

down: $(STAMP) ## End what `make demo` left up
	@$(BIN)/python -m devstack.demo --down

kind: ## The same with Docker and kind: cluster, InfluxDB, operator
	@bash hack/kind.sh

lock: ## Pin the dependencies anew, with hashes (needs uv)
	uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements/run.txt
	uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -c requirements/run.txt --group dev pyproject.toml -o requirements/dev.txt

$(TOOLS)/.stamp: Makefile
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1 cyclonedx-bom==7.5.0
	@touch $@

audit: $(TOOLS)/.stamp ## Known vulnerabilities of the pinned dependencies (asks pypi.org; fails if it does not answer)
	$(TOOLS)/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements/run.txt

sbom: $(TOOLS)/.stamp ## Write build/sbom.cdx.json: what the image is made of, with hashes (CycloneDX)
	$(TOOLS)/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file build/sbom.cdx.json requirements/run.txt

clean: ## Remove what was made here; the cached servers stay
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
