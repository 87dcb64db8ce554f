# All development tasks of this project are targets here; `make` alone lists them.

PYTHON ?= python3
OLDEST_JAX := jax==0.6.0 jaxlib==0.6.0
OLDEST_PYTHON ?= $(PYTHON)
NEWEST_PYTHON ?= $(shell $(find_newest_python))

VENV := .venv
BIN := $(VENV)/bin
MADE := $(VENV)/made
OLDEST_MADE := .venv-oldest/made
NEWEST_MADE := .venv-newest/made
SITE_MADE := .venv-site/made

# The newest Python on the PATH or in pyenv that is newer than PYTHON; empty if there is none.
define find_newest_python
for version in 3.14 3.13 3.12; do \
  for python in "$$(command -v python$$version)" "$$(pyenv prefix $$version 2>/dev/null)/bin/python"; do \
    "$$python" -c "import ensurepip, sys, venv; assert sys.version_info[:2] == ($${version%.*}, $${version#*.})" \
      2>/dev/null && { $(PYTHON) -c "import sys; assert sys.version_info[:2] < ($${version%.*}, $${version#*.})" \
      2>/dev/null && echo "$$python"; exit; }; \
  done; \
done; true
endef

# The tests that depend on the JAX version. The command line, configuration, reports and pages are
# the same on all versions, and so are tests that are marked `one_jax`.
JAX_TESTS := tests/tracing tests/lineage tests/keys/test_computed_keys.py tests/keys/test_refs.py tests/rules \
  tests/targets tests/checking/test_outcome.py tests/jax_internals tests/watching tests/frontends/test_api.py \
  tests/frontends/test_selfcheck.py tests/listing/test_listings.py tests/test_samplers.py tests/test_samples.py \
  tests/test_threads.py

FAST_TESTS := tests/lineage tests/keys tests/rules tests/checking tests/config tests/reports tests/suppression \
  tests/targets tests/listing tests/project/test_layout.py tests/project/test_wording.py

# JAX's rewrites of scan, checkpoint and custom rules, which will become its defaults.
JAX_NEXT := JAX_SCAN3=1 JAX_REMAT3=1 JAX_CUSTOM_VJP3=1

# Tests with both kinds of keys run with legacy keys on the oldest JAX, with typed ones on the newest.
without = not no-run and not (findings_are_the_comments and $(1))

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-slow test-oldest test-newest matrix test-frameworks test-wheel check lint types layers docs site test-site stale new-rule mutants fuzz bench release-check clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16

demo: $(MADE) ## check a function with shared noise, which fails, and its corrected twin, which passes
	@run() { echo; echo "\$$ jaxrng-doctor check $$1"; $(BIN)/jaxrng-doctor check "$$1"; code=$$?; echo "exit code $$code"; }; \
	run sample_scripts/noise.py:batch_shared; bad=$$code; \
	run sample_scripts/noise.py:batch_split; good=$$code; \
	echo; \
	if [ $$bad -eq 1 ]; then echo "batch_shared has shared noise: the check failed (exit code 1), as expected."; \
	else echo "batch_shared has shared noise: exit code 1 was expected."; fi; \
	if [ $$good -eq 0 ]; then echo "batch_split has separate noise for each example: the check passed (exit code 0), as expected."; \
	else echo "batch_split is correct: exit code 0 was expected."; fi; \
	[ $$bad -eq 1 ] && [ $$good -eq 0 ]

test: $(MADE) ## run the tests; CI also runs test-slow
	$(BIN)/pytest -n 2 --dist worksteal

test-fast: $(MADE) ## run a sample of the tests in less than a minute
	$(BIN)/pytest -n 2 --dist worksteal --one-in 20 -q $(FAST_TESTS)

test-slow: $(MADE) ## run the tests that start many processes or take minutes
	$(BIN)/pytest -n 2 --dist worksteal -m 'slow and not every_case'

test-oldest: $(OLDEST_MADE) ## run the tests that depend on JAX on the oldest supported version
	.venv-oldest/bin/pytest -n 2 -m 'not one_jax' -k '$(call without,typed)' $(JAX_TESTS)

test-newest: ## run the tests that depend on JAX on the newest Python here, with the newest JAX
	@python="$(NEWEST_PYTHON)"; \
	if [ -z "$$python" ]; then echo "skipped: no newer Python here than $$($(PYTHON) -V)"; \
	else $(MAKE) --no-print-directory NEWEST_PYTHON="$$python" $(NEWEST_MADE) && echo ".venv-newest/bin/pytest" && \
	  .venv-newest/bin/pytest -n 2 -m 'not one_jax and not every_case' -k '$(call without,legacy)' \
	    $(JAX_TESTS) && \
	  echo "JAX's coming defaults" && \
	  env $(JAX_NEXT) .venv-newest/bin/pytest -n 2 -m 'not one_jax' -k '$(call without,legacy)' \
	    $(JAX_TESTS); fi

matrix: ## run the tests that depend on JAX on each version, and write docs/compatibility.md (hours)
	$(PYTHON) .ci/matrix -n 2 -m 'not one_jax' -k '$(call without,legacy)' $(JAX_TESTS)

test-frameworks: $(NEWEST_MADE) ## run the tests of programs that use Flax, Equinox, Haiku and others
	.venv-newest/bin/pytest -n 2 tests/frameworks

test-wheel: $(MADE) ## build the wheel, and use it in an empty environment outside of this tree
	.ci/try-wheel $(BIN)/python

check: lint types layers stale test ## run all checks that must pass before a commit

lint: $(MADE) ## ruff: lint and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(MADE) ## mypy
	$(BIN)/mypy

layers: $(MADE) ## import-linter: which modules may import which
	$(BIN)/lint-imports

docs: $(MADE) $(NEWEST_MADE) ## generate the reference pages and pictures, and refresh all shown outputs
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/refresh.py
	.venv-newest/bin/python docs/make_key_reuse.py
	$(BIN)/python docs/make_page_picture.py

site: $(SITE_MADE) ## build the documentation in .venv-site/html; a warning or a broken link is an error
	.venv-site/bin/python -m sphinx -W --keep-going -n -q -d .venv-site/doctrees docs .venv-site/html
	@echo "built: .venv-site/html/index.html"

test-site: $(MADE) site ## build the documentation, and open it in a browser
	SITE=.venv-site/html $(BIN)/pytest -n 2 tests/project/test_site.py

stale: $(MADE) ## fail if `make docs` would change something, or the changelog contradicts the version
	$(BIN)/python docs/generate.py --check
	$(BIN)/python .ci/release.py

new-rule: $(MADE) ## write a rule's skeleton, its case file and its page: CODE=RNG016 NAME=short-name
	$(BIN)/python .ci/new-rule "$(CODE)" "$(NAME)"
	$(BIN)/python docs/generate.py

mutants: $(MADE) ## change the package at 300 random places, and report what no test notices (hours)
	$(BIN)/python .ci/mutate --count 300 --seed 0 --jobs 2

fuzz: $(MADE) ## compare the verdict with an oracle on randomly generated programs (hours)
	$(BIN)/python -m tests.fuzz --count 10000 --seed 0
	$(BIN)/python -m tests.fuzz --count 2000 --seed 0 --derived
	$(BIN)/python -m tests.fuzz --count 2000 --seed 0 --family all

bench: $(MADE) ## run the benchmarks, and print the ratios (minutes)
	$(BIN)/python benchmarks/split_vs_batch.py
	$(BIN)/python benchmarks/million.py
	$(BIN)/python benchmarks/lineage.py
	$(BIN)/python benchmarks/watch.py
	$(BIN)/python benchmarks/listing.py
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/jobs.py

release-check: $(MADE) ## fail unless version, changelog and recipes are ready for a release
	$(BIN)/python .ci/release.py --release

clean: ## remove the environments and the caches
	rm -rf .venv .venv-oldest .venv-newest .venv-site .venv-jax* .matrix .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamp files: an environment is created once, and updated when pyproject.toml changes.
$(MADE): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade -e '.[dev]'
	@$(BIN)/python tests/browser.py
	@touch $@

$(OLDEST_MADE): pyproject.toml
	$(OLDEST_PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/pip install --quiet -e '.[test]' $(OLDEST_JAX)
	@touch $@

$(SITE_MADE): pyproject.toml
	$(PYTHON) -m venv .venv-site
	.venv-site/bin/pip install --quiet -e '.[docs]'
	@touch $@

# With the frameworks; fails if one of them does not allow the newest JAX.
$(NEWEST_MADE): pyproject.toml
	$(or $(NEWEST_PYTHON),$(PYTHON)) -m venv .venv-newest
	.venv-newest/bin/pip install --quiet --upgrade -e '.[test]'
	.venv-newest/bin/pip freeze | grep -E '^jax(lib)?==' > .venv-newest/jax.txt
	.venv-newest/bin/pip install --quiet -e '.[test,frameworks]' -c .venv-newest/jax.txt
	@touch $@
