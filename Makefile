# The development loop of airlift.registry. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
export PYTHON

# The environment is as good as the files that made it: another content or place, another stamp.
STAMP := .venv/stamp-$(shell (pwd; cat requirements/dev.lock requirements/apt.txt requirements/venv.sh) | sha256sum | cut -c1-16)

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
