# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
#
# Every target works in a fresh clone and does what is missing first. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Left empty, each keeps what .venv was made with, or takes the default: wheels of Kilted, python3, torch as pip finds it.
ROS_SET ?=
PYTHON ?=
TORCH ?=
TORCH_SPEC ?=
TORCH_INDEX_URL ?=

# What pytest runs, and more arguments for it, for example: make test TESTS=test/node PYTEST_ARGS='-k replay -x'
TESTS ?= test
# Processes of the unit tests when every test is run; those of nodes and systems want the machine for themselves.
TEST_JOBS ?= 2
# Modules that may be missing, so that the tests that need them may be left out: torch without training.
TEST_WITHOUT ?= $(if $(filter none,$(TORCH)),torch numba onnx onnxscript optuna)
# Every test below test/ but those of the packages, which are links there and which `colcon test` runs.
REPOSITORY_UNIT_TESTS := $(shell find test/unit -mindepth 1 -maxdepth 1 -type d ! -name __pycache__)
REPOSITORY_TESTS := test --ignore=test/unit $(addprefix --ignore=,$(shell find test -type l))
PYTEST_ARGS ?=

SETUP_PYTHON := $(or $(PYTHON),$(wildcard .venv/bin/python),python3)
TORCH_OPTIONS := --torch='$(TORCH)' --torch-spec='$(TORCH_SPEC)' --torch-index-url='$(TORCH_INDEX_URL)'
SETUP := $(SETUP_PYTHON) tools/setup_environment.py $(TORCH_OPTIONS)
RUN := tools/run_in_environment

.PHONY: help
help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20
	@echo '  Variables: ROS_SET=kilted|jazzy|system  PYTHON=python3.12  TORCH=default|cpu|none  TORCH_SPEC  TORCH_INDEX_URL'

.PHONY: setup
setup: ## Make .venv: ROS 2, the Python packages, the surface command
	@$(SETUP) --ros-set='$(ROS_SET)'

.PHONY: build
build: setup ## Build the workspace with colcon into install/
	@SURFACE_OVERLAY=0 $(RUN) tools/build_workspace

.PHONY: demo
demo: build ## Simulate, record, train, classify live, and show what was right
	@$(RUN) python demo/demo.py

.PHONY: demo-real
demo-real: build ## The same chain on real Husky currents (SURFACE_DATA_DIR)
	@$(RUN) python demo/demo_real.py

.PHONY: test
test: build ## Run every test: colcon test for the packages, then those of the repository
ifeq ($(TESTS),test)
	@TEST_JOBS=$(TEST_JOBS) TEST_WITHOUT='$(TEST_WITHOUT)' $(RUN) tools/test_packages $(PYTEST_ARGS)
	@# Status 5: no test was selected, which is an error only where none was asked for by PYTEST_ARGS.
	@$(RUN) pytest -n $(TEST_JOBS) $(REPOSITORY_UNIT_TESTS) $(PYTEST_ARGS)$(if $(PYTEST_ARGS), || [ $$? -eq 5 ])
	@$(RUN) pytest $(REPOSITORY_TESTS) $(PYTEST_ARGS)$(if $(PYTEST_ARGS), || [ $$? -eq 5 ])
else
	@$(RUN) pytest $(TESTS) $(PYTEST_ARGS)
endif

.PHONY: test-distro
test-distro: ## Build and test with Python packages from apt (Debian 12) beside the ROS wheels
	@tools/test_distro $(PYTEST_ARGS)

.PHONY: test-unit
test-unit: ## Run the unit tests without ROS, in an environment of their own: make test-unit PYTHON=python3.12
	@TORCH='$(TORCH)' tools/test_without_ros $(or $(PYTHON),python3) $(PYTEST_ARGS)

.PHONY: peers
peers: ## Make .venv-peers: Keras on JAX, TensorFlow and torch, for bench/epoch_time.py
	@$(SETUP_PYTHON) tools/setup_peers.py $(TORCH_OPTIONS)

.PHONY: lint
lint: setup ## Run ruff, mypy and codespell; check layout, file sizes and run bits
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) tools/check_types
	@git ls-files -z | xargs -0 $(RUN) codespell
	@python3 tools/check_layout.py
	@python3 tools/check_files.py

.PHONY: format
format: setup ## Let ruff format the code and fix what it can
	@$(RUN) ruff check --fix-only --quiet .
	@$(RUN) ruff format .

.PHONY: messages
messages: ## Copy the message definitions that bags carry from src/surface_msgs
	@cp src/surface_msgs/msg/*.msg src/current_driver/current_driver/recordings/msg_definitions/surface_msgs/msg/

.PHONY: tree
tree: ## Write the tree in README.md
	@python3 tools/write_readme_tree.py

.PHONY: clean
clean: ## Remove what colcon built
	@rm -rf build install log

.PHONY: distclean
distclean: clean ## Remove the environments and caches as well
	@rm -rf .venv* .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
