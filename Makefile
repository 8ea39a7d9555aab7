# AgentFlow: every task of a developer, the same at the desk and in CI. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check format docs lock bench fuzz chaos clean

BIN := .venv/bin
# The stamp says that .venv holds exactly what uv.lock names; make repeats the set-up when one of these changed.
READY := .venv/.ready
ARGS ?=
export PYTHONUTF8 := 1

help:  ## List the tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## Make .venv with the agentflow command in it
	@echo "Ready: $(BIN)/agentflow"

$(READY): pyproject.toml uv.lock scripts/setup.sh scripts/uv.txt
	@scripts/setup.sh

demo: $(READY)  ## Index these docs and answer a question: make demo QUESTION="…"
	@$(BIN)/python -m scripts.demo $(if $(QUESTION),--question "$$QUESTION")

serve: $(READY)  ## Start the server: make serve ARGS="--port 9000"
	@$(BIN)/agentflow serve $(ARGS)

test: $(READY)  ## Start the services that are missing and run all tests: make test ARGS="-k spec"
	@$(BIN)/python -m scripts.services -- $(BIN)/python -m scripts.tests $(ARGS)

check: $(READY)  ## Format, lint, types, import order, generated docs, security; writes the SBOM to dist
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m scripts.reference --check
	@$(BIN)/python -m scripts.check_features
	@$(BIN)/python -m scripts.security

format: $(READY)  ## Format the code and repair what the linter can
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format

docs: $(READY)  ## Write docs/reference and the page of attacks again from the code and its tests
	@$(BIN)/python -m scripts.reference

lock: $(READY)  ## Take newer versions of dependencies, a week old at least
	@.tools/bin/uv lock --upgrade
	@.tools/bin/uv export --quiet --frozen --only-group setup --no-emit-project --no-annotate --no-header --output-file scripts/uv.txt

bench: $(READY)  ## Measure against the targets and the peers
	@$(BIN)/python -m benchmarks.run $(ARGS)

fuzz: $(READY)  ## 3,000 generated requests against the OpenAPI document, and sqlmap (level 3, risk 2) against every query parameter
	@AGENTFLOW_FUZZ_CASES=3000 AGENTFLOW_SQLMAP=all $(BIN)/pytest tests/interfaces/rest/test_schemathesis.py tests/security/test_sqlmap.py $(ARGS)

chaos: $(READY)  ## Every fault at full size, for hours; one of them: make chaos ARGS="enumerate" (kills, restarts, broker, queued)
	@$(BIN)/python -m scripts.services -- $(BIN)/python -m scripts.chaos $(ARGS)

clean:  ## Remove what the tasks made, the demo's data too
	@rm -rf .venv .tools .agentflow .services .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
