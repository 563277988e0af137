# The development loop of airlift.registry. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
# Arguments for pytest, molecule or ansible-test: make unit ARGS="-k reference"
ARGS ?=

# The environment is as good as the files that made it: another content or place, another stamp.
STAMP := .venv/stamp-$(shell (pwd; cat requirements/dev.lock requirements/apt.txt requirements/venv.sh) | sha256sum | cut -c1-16)
COLLECTION := .venv/collections/ansible_collections/airlift/registry
LAB := $(PYTHON) molecule/resources/lab

export PYTHON
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.venv/collections

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: venv
venv: $(STAMP) ## make the development environment in .venv
	@:

$(STAMP):
	@requirements/venv.sh $@

### The story

.PHONY: demo demo-down lab-down
demo: venv ## show the whole journey on real engines
	@python molecule/resources/demo

demo-down: ## remove what the demo left running
	@$(LAB) down demo

lab-down: ## remove every lab: containers, volumes, networks, state
	@$(LAB) down --all

### The daily loop

CHECKS := sanity unit ansible docs types build yaml ruff format changelog
# Checks to leave out: make check SKIP="sanity docs"
SKIP ?=
# One line for a check that passes, all that it said for one that fails.
quietly = @mkdir -p .cache/check && begin=$$SECONDS && { { $(1); } >.cache/check/$*.log 2>&1 \
	&& printf '  %-10s ok in %s s\n' $* $$((SECONDS - begin)) || { cat .cache/check/$*.log; echo "  $* FAILED"; false; }; }

.PHONY: check unit sanity lint format
check: venv ## everything that needs no engine (under two minutes)
	@$(MAKE) --no-print-directory --jobs=$$(nproc) --output-sync=target --keep-going $(patsubst %,check-%,$(filter-out $(SKIP),$(CHECKS)))

# Hostile input and properties have a process or many examples for each case; make check has them too.
unit: venv ## the unit tests of the daily loop (under 30 seconds)
	@pytest tests/unit --numprocesses auto --ignore tests/unit/plugins/hostile --ignore tests/unit/plugins/properties $(ARGS)

sanity: venv ## ansible-test sanity
	@python tests/sanity/run.py $(ARGS)

lint: venv ## the checks of make check without sanity and unit tests
	@$(MAKE) --no-print-directory check SKIP="sanity unit"

format: venv ## format the Python code and sort its imports
	@ruff check --quiet --select I --fix
	@ruff format --quiet

check-sanity: check-%: venv
	$(call quietly,python tests/sanity/run.py)

check-unit: check-%: venv
	$(call quietly,pytest tests/unit --numprocesses auto)

check-ansible: check-%: venv
	$(call quietly,ansible-lint -q --nocolor)

check-docs: check-%: venv
	$(call quietly,antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=dependent --skip-rstcheck .)

# mypy must see the files under the collection's name, so it gets the link; the messages name the files without it.
check-types: check-%: venv
	$(call quietly,mypy $(addprefix $(COLLECTION)/,plugins tests molecule) | sed 's|$(COLLECTION)/||')

check-build: check-%: venv
	$(call quietly,tests/sanity/import.sh)

check-yaml: check-%: venv
	$(call quietly,yamllint --strict .)

check-ruff: check-%: venv
	$(call quietly,ruff check --output-format concise)

check-format: check-%: venv
	$(call quietly,ruff format --check --output-format concise || { echo "Run make format."; false; })

check-changelog: check-%: venv
	$(call quietly,antsibull-changelog lint)

### Real engines

.PHONY: test test-all integration molecule bench
test: venv ## all tests: the checks, then real engines and molecule (under 30 minutes)
	@tests/all.sh

test-all: test ## all tests, and then the corners that take long (half an hour more)
	@pytest --verbose --numprocesses auto -m slow tests/integration $(ARGS)

integration: venv ## the tests against real engines and registries
	@pytest tests/integration --deselect tests/integration/test_molecule.py $(ARGS)

molecule: venv ## the molecule scenarios; ARGS="-k NAME" for one
	@pytest tests/integration/test_molecule.py $(ARGS)

bench: venv ## measure what docs/architecture.md promises
	@pytest tests/bench --capture=no $(ARGS)

### Upkeep

.PHONY: lock build clean
lock: venv ## bring requirements/dev.lock up to date
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --system-certs \
		--custom-compile-command "make lock" --output-file requirements/dev.lock requirements/dev.in

build: venv ## build the collection's tarball
	@ansible-galaxy collection build --force

clean: ## remove the environment, the caches and the tarballs
	@rm -rf .venv .cache .ansible .mypy_cache .pytest_cache .ruff_cache airlift-registry-*.tar.gz
