# Every target is one thin line or two; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
FORGE := contracts/tools/forge
# Analysers of the contract, each in a folder of its own, for they pin what others want newer.
SLITHER := .tools/slither
# Files in which floors and lists are the arithmetic itself (contracts/SECURITY.md).
ARITHMETIC := node_modules|Assignment|BitPlanes|BitSlicedSerum|Lanes|Limits|Majority|Matches|PackedLabels|Patterns|PeerTruthSerum|Poll|Recount|Sixteens|Tally|Votes
HALMOS := .tools/halmos
# Flower wants other versions of much than we do; what it can share, torch above all, it takes from us.
FLOWER := .tools/flower
# Settings of `make demo`: each becomes the environment variable FEDSERUM_<NAME>.
DEMO := WORKERS SAMPLES ROUNDS ALPHA SPLIT PRIVATE PUBLIC PRIVATE_SAMPLES MODELS REWARD_DECAY STOP_AGREEMENT SEED PORT CHAIN_PORT EPOCHS DISTILL_EPOCHS PREPROCESSING SEALED_ORDER TARGETS ABSTENTION
DEMO_ENV = $(foreach name,$(DEMO),$(if $($(name)),FEDSERUM_$(name)='$($(name))'))

.PHONY: figures bench-gas bench-learning bench-train snapshots mutants slither halmos help setup demo test hardhat lint fmt contract docs up down clean limits compare flower fuzz soak
.DEFAULT_GOAL := help

help: ## List the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

setup: .venv/.ready node_modules/.ready ## Install what is missing into .venv and node_modules.

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'error: Python 3.11 or newer is needed, $(PYTHON) is older; set PYTHON=python3.11' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e '.[worker,forest,orchestrator,demo,data,experiments,dev]'
	@touch $@

node_modules/.ready: package.json package-lock.json
	@command -v npm >/dev/null || { echo 'error: Node 20 or newer with npm is needed (the chain and the compiler come from npm); install it' >&2; exit 1; }
	npm install --no-audit --no-fund
	@touch $@

# Hardhat wants a newer Node than the host may have: the first pass brings one, and the second,
# which runs on it, the native part that npm leaves out on an older one.
tests/hardhat/node_modules/.ready: tests/hardhat/package.json tests/hardhat/package-lock.json
	cd tests/hardhat && npm install --no-audit --no-fund
	cd tests/hardhat && PATH="$$PWD/node_modules/.bin:$$PATH" npm install --no-audit --no-fund
	@touch $@

demo: setup ## Run a federation on this host: WORKERS=10 SAMPLES=10000 ALPHA=100 ROUNDS=1 PRIVATE=… PUBLIC=…
	@exec env $(DEMO_ENV) $(BIN)/fedserum demo

test: setup ## Lint, then run every test: contract, unit, differential, integration, faults, stack, Flower, Hardhat; JOBS=2 at a time.
	@$(MAKE) --no-print-directory lint
	@FORGE_SNAPSHOT_CHECK=true $(FORGE) test || { echo 'error: see above; if only gas figures differ and are meant to, run `make snapshots` and commit contracts/snapshots' >&2; exit 1; }
	$(BIN)/pytest -n $(or $(JOBS),2) --dist loadfile --ignore tests/stack
	$(BIN)/pytest tests/stack
	@$(MAKE) --no-print-directory flower hardhat

hardhat: setup tests/hardhat/node_modules/.ready ## Run the faster integration tests on Hardhat's node.
	FEDSERUM_TEST_NODE=hardhat $(BIN)/pytest $(addprefix tests/integration/test_,chain.py keeper.py kernels.py stranger.py)

fuzz: setup ## Send the API 5,000 requests that nobody sane sends: REQUESTS=20000 for more.
	FEDSERUM_FUZZ_REQUESTS=$(or $(REQUESTS),5000) $(BIN)/pytest -q tests/faults/test_api_fuzz.py

soak: setup ## Play many rounds while processes, chain and network fail at random: ROUNDS=50 SEED=0 ARGS='--faults 0'.
	PYTHONPATH=. $(BIN)/python -m soak --rounds $(or $(ROUNDS),50) --seed $(or $(SEED),0) $(ARGS)

lint: setup ## Check format, style and types.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(FORGE) fmt --check

fmt: setup ## Format everything.
	$(BIN)/ruff format .
	$(FORGE) fmt

contract: setup ## Build the contract and write services/abi/Federation.json.
	$(FORGE) build
	$(BIN)/python contracts/tools/export_abi.py

snapshots: setup ## Write the gas figures in contracts/snapshots anew.
	FORGE_SNAPSHOT_CHECK=false $(FORGE) test --match-path 'contracts/test/{Snapshots,Capacity}.t.sol'

mutants: setup contract ## Mutate the contract's money and phases: some half an hour, ARGS='--limit 50 --seed 2'.
	$(BIN)/python contracts/tools/mutate.py $(ARGS)

$(SLITHER)/.ready $(HALMOS)/.ready: .tools/%/.ready: contracts/tools/%.txt
	$(PYTHON) -m venv .tools/$*
	.tools/$*/bin/pip install -q -r $<
	@touch $@

slither: setup $(SLITHER)/.ready ## Search the contract for what slither knows; fails on high and medium.
	$(FORGE) build contracts/src --force --build-info --out contracts/cache/slither --cache-path contracts/cache/slither-cache
	PATH="$$PWD/contracts/tools:$$PATH" $(SLITHER)/bin/slither . --fail-medium
	PATH="$$PWD/contracts/tools:$$PATH" $(SLITHER)/bin/slither . --fail-medium --filter-paths '$(ARITHMETIC)' --exclude uninitialized-local

halmos: setup $(HALMOS)/.ready ## Show by symbolic execution what holds for one call from any state.
	FOUNDRY_PROFILE=halmos PATH="$$PWD/contracts/tools:$$PATH" $(HALMOS)/bin/halmos

bench-gas: setup ## Play rounds of many sizes on anvil and print what they cost.
	PYTHONPATH=. $(BIN)/python -m bench.gas $(if $(CASE),--case '$(CASE)')

bench-learning: setup ## Measure what a round teaches: PRIVATE=… TARGETS=corrected ABSTENTION=0.85 ARGS='--seeds 0'.
	FEDSERUM_TARGETS=$(or $(TARGETS),corrected) FEDSERUM_ABSTENTION=$(or $(ABSTENTION),0.85) PYTHONPATH=. $(BIN)/python -m bench.learning --private $(or $(PRIVATE),torchvision:EMNIST:digits) $(ARGS)

limits: setup ## Measure where the mechanism breaks: PRIVATE=… FAST=1 ARGS='--preprocessing box'.
	OMP_NUM_THREADS=1 PYTHONPATH=. $(BIN)/python -m experiments.limits --private $(or $(PRIVATE),torchvision:EMNIST:digits) $(if $(FAST),--fast) $(ARGS)

$(FLOWER)/.ready: experiments/compare/flower.txt .venv/.ready
	$(BIN)/python -m venv $(FLOWER)
	cd $(FLOWER)/lib/python*/site-packages && ls -d $(CURDIR)/.venv/lib/python*/site-packages > ours.pth
	$(FLOWER)/bin/pip install -q --no-warn-conflicts -r $<
	@touch $@

compare: setup $(FLOWER)/.ready ## Compare rounds of labels with FedAvg: PRIVATE=… FAST=1 ARGS='--seeds 0 1 2'.
	OMP_NUM_THREADS=1 FLWR_TELEMETRY_ENABLED=0 PYTHONPATH=. $(FLOWER)/bin/python -m experiments.compare --private $(or $(PRIVATE),torchvision:EMNIST:digits) $(if $(FAST),--fast) $(ARGS)

flower: setup $(FLOWER)/.ready ## Test what the comparison has of Flower.
	PYTHONPATH=. $(FLOWER)/bin/python -m pytest tests/unit/test_compare_fedavg.py

bench-train: setup ## Time training, prediction and distillation beside bare PyTorch: MODEL=lenet for one.
	OMP_NUM_THREADS=1 PYTHONPATH=. $(BIN)/python -m bench.training $(if $(MODEL),--model $(MODEL))

figures: setup ## Make the paper's figures: PRIVATE=… PREPROCESSING=box ONLY=5,6 JOBS=2, or FAST=1 in a minute or two.
	PYTHONPATH=. $(BIN)/python -m experiments figures $(foreach name,PRIVATE PREPROCESSING ONLY JOBS,$(if $($(name)),--$(shell echo $(name) | tr A-Z a-z) '$($(name))')) $(if $(FAST),--fast)

docs: setup ## Write docs/settings.md from the settings, and from their records the pages of experiments.
	PYTHONPATH=. $(BIN)/python docs/settings_table.py > docs/settings.md
	PYTHONPATH=. $(BIN)/python docs/reproduction_page.py > docs/reproduction.md
	$(if $(wildcard results/*-compare/record.json),PYTHONPATH=. $(BIN)/python docs/compare_page.py > docs/compare.md)

up: ## Start the containers: settings as for `make demo`.
	@$(DEMO_ENV) docker compose up -d --build

down: ## Stop the containers and forget their state.
	docker compose down -v

clean: ## Remove what setup and builds made; runs stay.
	rm -rf .venv .tools node_modules tests/hardhat/node_modules contracts/out contracts/cache
