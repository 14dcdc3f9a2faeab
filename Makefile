.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test bench soak check lint format lock

BIN := .venv/bin
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))

# Some images set it. Each of the hundreds of gateways that tests start would then compile itself, each pytest all tests.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/run.stamp ## Start the gateway and print a key for it; HOST=0.0.0.0 and PORT=9000 choose where
	@exec $(BIN)/gateway serve --with-key $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT))

test: .venv/dev.stamp ## Run the tests
	$(BIN)/pytest -n auto --dist worksteal

bench: .venv/dev.stamp ## Measure what a request costs (needs nginx and wrk); ARGS=--json or ARGS=--profile
	$(BIN)/python -m tests.bench $(ARGS)

soak: .venv/dev.stamp ## Race, kill, restart and watch whole gateways for an hour; ROUNDS=20 for less
	SOAK_ROUNDS=$(or $(ROUNDS),200) $(BIN)/pytest -n 2 tests/races tests/deploy/test_prometheus.py

check: lint test ## Run all that CI runs

lint: .venv/dev.stamp ## Check style, formatting, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev.stamp ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The header must not depend on where, or with which options, it was made.
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url

lock: .venv/dev.stamp ## Pin the newest versions of all dependencies, with hashes
	$(LOCK) pyproject.toml --output-file requirements.txt
	$(LOCK) pyproject.toml --extra otel --group dev --constraints requirements.txt --output-file requirements-dev.txt
	for name in openai-1 langchain litellm; do \
		$(LOCK) tests/clients/requirements-$$name.in --output-file tests/clients/requirements-$$name.txt || exit 1; \
	done

.venv/run.stamp: requirements.txt pyproject.toml | .venv/bin/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# Debian's python3 comes without ensurepip; a pip of its own can fill the environment all the same.
.venv/bin/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it by make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 \
		|| { $(PYTHON) -m venv --clear --without-pip .venv && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; } \
		|| { rm -rf .venv; echo "$(PYTHON) cannot make a virtual environment: apt-get install python3-venv" >&2; exit 1; }
