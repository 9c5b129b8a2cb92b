# `make help` lists what there is. Everything is set up on first use, in .venv and in ~/.cache/hanan.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=

.PHONY: help up down test brokers check unit format generate bench long clean
.DEFAULT_GOAL := help

help: ## What there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Hanan needs Python 3.11 or newer; set PYTHON=python3.x"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing Hanan and its libraries into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,city,plots]'
	@touch $@

up: $(READY) ## Start everything and show the live table; Ctrl-C stops it (ARGS="--for 2m" ends by itself)
	@$(BIN)/hanan up $(ARGS)

down: $(READY) ## Stop what a previous `make up` left running
	@$(BIN)/hanan down

test: $(READY) ## All tests, on real servers
	@$(BIN)/hanan servers install
	@$(BIN)/python -m pytest --ignore tests/contract/test_mqtt_brokers.py $(ARGS)

brokers: $(READY) ## The contract suite of the MQTT brokers, Mosquitto and RabbitMQ: kills and full disks, four minutes
	@$(BIN)/python -m pytest tests/contract/test_mqtt_brokers.py $(ARGS)

unit: $(READY) ## The tests that need no server, in seconds
	@$(BIN)/python -m pytest tests/unit tests/property tests/golden $(ARGS)

check: $(READY) ## Lint, types, layers, generated files
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/hanan contract --check
	@$(BIN)/hanan grafana build --check

format: $(READY) ## Format the code
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

generate: $(READY) ## Write the generated files again
	@$(BIN)/hanan contract
	@$(BIN)/hanan grafana build

bench: $(READY) ## CPU cost of a reading, role by role, on real servers
	@$(BIN)/hanan servers install
	@$(BIN)/python -m tests.bench

clean: ## Remove the environment; data in .hanan and servers in ~/.cache/hanan stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
