# The words a person types. Each works on a fresh machine with Python 3.11 and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SOAK   ?= long
DIST   ?= dist

.DEFAULT_GOAL := help
.PHONY: help demo test check coverage covered pure fmt bench long soak simulate replay mutants release sbom docs clean

help:  ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/ ##/' | awk -F' ## *' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): pyproject.toml constraints.txt
	@echo "Preparing $(VENV) (once, about half a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)  ## See it run: a small shop's jobs on an SQLite file (REDIS_URL=... on your Redis)
	@$(BIN)/boundary-jobs demo $(if $(REDIS_URL),--url '$(REDIS_URL)')

# Half as many again as there are processors: most of these tests wait for processes they started.
RUNNERS = $(shell $(PYTHON) -c 'import os; print(-(-3 * os.cpu_count() // 2))')

test: $(READY)  ## All tests, on real files and real processes
	@$(BIN)/python -m pytest -n $(RUNNERS) $(ARGS)

check: $(READY)  ## Style, types, architecture
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pyright
	@told=$$(PATH="$(abspath $(BIN)):$$PATH" $(BIN)/pyright --verifytypes boundary.jobs --ignoreexternal) \
		|| { echo "$$told"; exit 1; }  # py.typed is a promise: no public name's type is inferred
	@$(BIN)/lint-imports

# What decides: the core, and every adapter's plans.
PURE := */core/*,*/plans/*
# What tests each of its branches, in a minute or two.
DECIDE := tests/core tests/contract tests/adapters/redis/test_plans.py tests/adapters/redis/test_partitions.py \
	tests/adapters/redis/test_repair.py tests/adapters/sqlite/test_repair.py tests/adapters/sqlite/test_any_seq.py

coverage: $(READY)  ## All tests, and what child processes run: all branches of what decides, 90 % of the rest
	@$(BIN)/python -m pytest -n auto -m "not soak" $(COUNTED) $(ARGS)
	@$(MAKE) --no-print-directory covered

# Of runs that had ARGS="$(COUNTED)", the first, and the same with --cov-append, the others.
COUNTED := --cov --cov-report=

covered: $(READY)
	@$(BIN)/python -m coverage report --include='$(PURE)' --fail-under=100
	@$(BIN)/python -m coverage report --omit='$(PURE)' --fail-under=90

pure: $(READY)  ## All branches of what decides (the core, the plans) are tested
	@$(BIN)/python -m pytest -q -n auto --cov --cov-report= $(DECIDE)
	@$(BIN)/python -m coverage report --include='$(PURE)' --fail-under=100

fmt: $(READY)  ## Put the code in its form
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

bench: $(READY)  ## Measure on this machine, beside others (PEERS=celery,rq or none; ARGS="--quick --rounds 1")
	@$(BIN)/python -m benchmarks --peers $(or $(PEERS),all) $(ARGS)

long: $(READY)  ## The tests that take their time: more servers, a browser, example applications, rude handlers
	@$(BIN)/python -m pytest -n auto -m long $(ARGS)

soak: $(READY)  ## Break everything and count what is lost (SOAK=short: minutes, hour: an hour, long: a night)
	@SOAK=$(SOAK) SOAK_MINUTES=$(SOAK_MINUTES) $(BIN)/python -m tests.chaos $(ARGS)
	@$(BIN)/python -m pytest -m soak --timeout=7200 tests/release

simulate: $(READY)  ## Workers in virtual time, with faults (SEEDS=10000)
	@$(BIN)/python -m tests.simulation many $(or $(SEEDS),10000) $(ARGS)

replay: $(READY)  ## The story of one simulation (SEED=n)
	@$(BIN)/python -m tests.simulation one $(or $(SEED),$(error make replay SEED=n))

mutants: $(READY)  ## Look for the bugs made by hand, and write docs/mutations.md
	@$(BIN)/python -m tests.simulation gate --write

release: $(READY)  ## Build the wheel and the sdist, and what they bring along (sbom.json), into dist/
	@$(BIN)/python -m build --no-isolation --outdir $(DIST) .
	@$(MAKE) --no-print-directory sbom

# Of an environment of its own, so that it names what users get and not what we test with.
sbom: $(READY)  ## Write the bill of materials (CycloneDX) of the wheel in dist/, with every extra
	@ls $(DIST)/*.whl >/dev/null 2>&1 || $(BIN)/python -m build --no-isolation --wheel --outdir $(DIST) .
	@rm -rf $(DIST)/env && $(BIN)/python -m venv --without-pip $(DIST)/env
	@$(BIN)/python -m pip --python $(DIST)/env/bin/python install --quiet --disable-pip-version-check \
		-c constraints.txt "$$(ls $(DIST)/*.whl)[redis,web,metrics,otel,reload,uvloop]"
	@sed "s/^dynamic = .*/version = \"$$($(BIN)/python -c 'import boundary.jobs as j; print(j.__version__)')\"/" \
		pyproject.toml > $(DIST)/env/pyproject.toml
	@$(BIN)/cyclonedx-py environment --pyproject $(DIST)/env/pyproject.toml --mc-type library --short-PURLs \
		--output-reproducible --output-file $(DIST)/sbom.json $(DIST)/env/bin/python
	@rm -rf $(DIST)/env && echo "$(DIST)/sbom.json"

docs: $(READY)  ## Write the generated pages of docs/ anew, and build the site from them, into site/
	@$(BIN)/python -m docs.generate
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet && echo 'site/index.html; with its search: python3 -m http.server -d site'

clean:  ## Remove what make made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage dist site
