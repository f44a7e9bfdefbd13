# The same commands for people and for CI. `make help` lists them.
#
# Everything installs into folders of this checkout: .venv (the project and its tools),
# .proto-venv (the pinned stub generator, which needs an older protobuf), .fuzz-venv (atheris),
# .lock-venv (uv), .peers (servers to compare with) and examples/node/node_modules.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
PROTO_VENV := .proto-venv
LOCK_VENV := .lock-venv
FUZZ_VENV := .fuzz-venv
SECONDS ?= 30
CORES := $(shell getconf _NPROCESSORS_ONLN)
# One process more than cores, since tests wait for servers and browsers. Work stealing keeps all of
# them busy to the end. ARGS="-n 0" turns parallel runs off.
PARALLEL := -n $(shell expr $(CORES) + 1) --dist worksteal
# One thread of linear algebra per process: more would compete for the cores.
ONE_THREAD := OMP_NUM_THREADS=1
BUF := npx --yes --loglevel=error @bufbuild/buf@1.75.0
# The wire contract of the last release; the next release may add to it but not break it.
RELEASED := $(lastword $(sort $(wildcard protos/released/*.binpb)))
VERSION := $(shell sed -n 's/^version = "\([0-9]*\.[0-9]*\)\..*/\1/p' pyproject.toml)
SITE := build/site
DEMO := build/demo
CHECKS := check-lint check-format check-types check-imports check-stubs check-protos check-hosts
# Every extra except spark, which has its own pins.
PINNED := pyproject.toml --extra all
UV := uv==0.13.9

# Stamps are named after the Python that made them, so a different PYTHON triggers a new setup.
STAMP := $(VENV)/.made-by-$(subst /,_,$(PYTHON))
SPARK_STAMP := $(VENV)/.spark-by-$(subst /,_,$(PYTHON))
FUZZ_STAMP := $(FUZZ_VENV)/.made-by-$(subst /,_,$(PYTHON))
PROTO_STAMP := $(PROTO_VENV)/.made-by-$(subst /,_,$(PYTHON))
LOCK_STAMP := $(LOCK_VENV)/.$(UV)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# Hides TensorFlow's messages about CPU features and a missing GPU at every start.
export TF_CPP_MIN_LOG_LEVEL ?= 3

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# === For people ===

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  PYTHON=python3.12 picks the interpreter, VENV=.venv-3.12 another folder for it."

.PHONY: setup
setup: $(STAMP)  ## install the project and its tools into .venv (other targets do so when needed)
	@echo "$(VENV) is ready: $(BIN)/adscore --help"

.PHONY: demo
demo: $(STAMP)  ## simulate a campaign log, train, serve and score: about 2 minutes (ARGS="--keep DIR")
	@$(BIN)/adscore demo $(ARGS)

.PHONY: page
page: $(if $(MODEL),$(STAMP),$(DEMO)/model)  ## open the web page, with a model of simulated data (or MODEL=DIR)
	@$(BIN)/adscore page --model $(or $(MODEL),$(DEMO)/model) $(ARGS)

.PHONY: screenshots
screenshots: $(DEMO)/model  ## retake the screenshots of docs/page.md; needs chromium
	@$(BIN)/python tools/screenshots.py $(DEMO)/model $(DEMO)/new

.PHONY: test
test: $(STAMP)  ## run the tests, in parallel (ARGS="-k NAME -x" goes to pytest)
	@$(if $(ARGS),,sh tools/install_browser.sh)
	@$(ONE_THREAD) $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

.PHONY: test-quick
test-quick: $(STAMP)  ## run the tests except those marked slow
	@$(ONE_THREAD) $(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(ARGS)

.PHONY: test-spark
test-spark: $(SPARK_STAMP)  ## run the tests on Spark; installs pyspark, which is large, and needs Java 17
	@$(BIN)/python -m pytest tests/adscore/offline/test_spark.py \
		tests/adscore/training/encoders/test_on_spark.py $(ARGS)

.PHONY: test-page
test-page: $(STAMP)  ## test the page in a browser; installs Debian's chromium if there is none
	@sh tools/install_browser.sh
	@$(BIN)/python -m pytest tests/web $(ARGS)

.PHONY: test-node
test-node: $(STAMP)  ## compare the example for Node.js with the Python client (needs npm)
	@cd examples/node && npm install --no-audit --no-fund --package-lock=false --loglevel=error
	@$(BIN)/python -m pytest tests/examples/test_node.py $(ARGS)

.PHONY: fmt
fmt: $(STAMP)  ## format the code, and fix what the linter can fix
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

.PHONY: check
check:  ## run all static checks in parallel, one per core
	@$(MAKE) --no-print-directory --jobs=$(CORES) --output-sync=target $(CHECKS)
	@echo "== all checks passed"

.PHONY: docs
docs: $(STAMP)  ## build the documentation, with the API reference, into build/site
	@$(BIN)/python tools/build_site.py $(SITE)

.PHONY: rules-age
rules-age: $(STAMP)  ## list the sources of the placements' rules, the oldest first
	@$(BIN)/python tools/rules_age.py

.PHONY: release-check
release-check: $(STAMP)  ## check a release: a bare wheel, the site, version, changelog and contract
	@ADSCORE_RELEASE=1 $(BIN)/python -m pytest $(PARALLEL) tests/packaging $(ARGS)

.PHONY: release-protos
release-protos:  ## store the wire contract as that of the release in pyproject.toml
	@cd protos && $(BUF) build --exclude-source-info -o released/$(VERSION).binpb </dev/null

.PHONY: proto
proto: $(PROTO_STAMP)  ## regenerate the stubs in protos/gen from protos/adscore
	@rm -rf protos/gen/adscore_protos
	@$(call generate_stubs,protos/gen)
	@git status --short protos/gen

.PHONY: bench
bench: $(STAMP)  ## run the benchmarks, or those named by ONLY="serving client"
	@set -e; for script in $(if $(ONLY),$(ONLY:%=benchmarks/%.py),benchmarks/[a-z]*.py); do \
		echo "== $$script"; $(BIN)/python "$$script" $(ARGS); \
	done

.PHONY: bench-peers
bench-peers: $(STAMP)  ## compare the server with its peers, each installed into .peers/NAME
	@$(BIN)/python benchmarks/serving.py --install-peers --peers $(or $(PEERS),mlserver bentoml litserve ray pytriton) $(ARGS)

.PHONY: fuzz
fuzz: $(FUZZ_STAMP)  ## run each fuzzer for SECONDS=30, in a separate environment
	@set -e; if ! test -x $(FUZZ_VENV)/bin/python; then echo "skipped: atheris has no wheel for this Python and system"; exit 0; fi; \
	export PYTHONPATH=.:server:client:web:protos/gen ADSCORE_FUZZ_MODEL=$(FUZZ_VENV)/model; \
	for name in image profile headline wire servicer; do \
		echo "== fuzz/fuzz_$$name.py for $(SECONDS) s"; mkdir -p $(FUZZ_VENV)/corpus/$$name; \
		$(FUZZ_VENV)/bin/python fuzz/fuzz_$$name.py -max_total_time=$(SECONDS) -timeout=20 -rss_limit_mb=4096 \
			-artifact_prefix=$(FUZZ_VENV)/ -max_len=20000 -verbosity=0 -print_final_stats=1 $(ARGS) $(FUZZ_VENV)/corpus/$$name; \
	done

.PHONY: lock
lock: $(LOCK_STAMP)  ## update the pins to pyproject.toml (ARGS=--upgrade renews them all)
	@$(call compile,requirements-proto.in,requirements-proto.txt)
	@$(call compile,$(PINNED) --group dev,requirements.txt)
	@$(call compile,requirements-spark.in,requirements-spark.txt)
	@git diff --stat -- requirements.txt requirements-proto.txt requirements-spark.txt

.PHONY: clean
clean:  ## remove the environments, caches and build outputs
	rm -rf $(VENV) .peers $(PROTO_VENV) $(FUZZ_VENV) $(LOCK_VENV) examples/node/node_modules build dist \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# === The parts of check ===

.PHONY: check-lint
check-lint: $(STAMP)  ## faults that ruff finds
	@echo "== ruff check"
	@$(BIN)/ruff check --quiet .

.PHONY: check-format
check-format: $(STAMP)  ## code that `make fmt` would change
	@echo "== ruff format"
	@$(BIN)/ruff format --quiet --diff .

.PHONY: check-types
check-types: $(STAMP)  ## mypy: strict over the packages, less so over the tests
	@echo "== mypy"
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/mypy --no-error-summary --config-file tests/mypy.ini
	@$(BIN)/mypy --no-error-summary examples/*.py

.PHONY: check-imports
check-imports: $(STAMP)  ## which package may import which
	@echo "== import-linter"
	@$(BIN)/lint-imports --no-logo

.PHONY: check-stubs
check-stubs: $(PROTO_STAMP)  ## stubs that differ from protos/adscore
	@echo "== stubs"
	@set -e; out=$$(mktemp -d); trap 'rm -rf "$$out"' EXIT; \
	$(call generate_stubs,$$out); \
	diff -ru --exclude=__pycache__ protos/gen "$$out" || { \
		echo "The stubs in protos/gen are not what protos/adscore gives. Run: make proto" >&2; exit 1; }

.PHONY: check-protos
check-protos:  ## style of the wire contract, and compatibility with the last release
	@echo "== buf lint, buf breaking against $(RELEASED)"
	@if command -v npx >/dev/null; then cd protos && $(BUF) lint </dev/null && $(BUF) breaking --against $(CURDIR)/$(RELEASED) </dev/null; \
	else echo "skipped: buf comes from npm, and there is no npx on the PATH"; fi

.PHONY: check-hosts
check-hosts: $(STAMP)  ## names of package registries' hosts
	@echo "== no registry hosts"
	@$(BIN)/python tools/check_hosts.py

# === Environments ===

$(DEMO)/model: | $(STAMP)
	@rm -rf $(DEMO)
	@$(BIN)/adscore demo --keep $(DEMO)

# $(call create_venv,FOLDER): creates a venv, unless FOLDER has one of the same Python version.
define create_venv
command -v $(PYTHON) >/dev/null || { \
	echo "adscore needs Python 3.11 to 3.13. Received: PYTHON=$(PYTHON), which is not on the PATH." >&2; exit 1; }; \
$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	echo "adscore is developed on Python 3.11 to 3.13. Received: $$($(PYTHON) -V 2>&1) ($(PYTHON))." >&2; \
	echo "Name another one, for instance: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }; \
test "$$($(1)/bin/python -V 2>/dev/null)" = "$$($(PYTHON) -V)" || { \
	echo "Setting up $(1) with $$($(PYTHON) -V) ..."; $(PYTHON) -m venv --clear $(1); }
endef

$(STAMP): requirements.txt pyproject.toml
	@$(call create_venv,$(VENV))
	@echo "Installing the pinned requirements into $(VENV); the first time takes some minutes ..."
	@# Python compiles modules on import; compiling all of them here takes longer than many test runs.
	@$(BIN)/python -m pip install -qq --no-compile --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

$(SPARK_STAMP): $(STAMP) requirements-spark.txt
	@echo "Installing pyspark into $(VENV); it is large ..."
	@$(BIN)/python -m pip install -qq --require-hashes -r requirements-spark.txt
	@touch $@

$(PROTO_STAMP): requirements-proto.txt
	@$(call create_venv,$(PROTO_VENV))
	@$(PROTO_VENV)/bin/python -m pip install -qq --require-hashes -r requirements-proto.txt
	@touch $@

# Atheris is large and has wheels only for some systems. The code under test comes from .venv.
$(FUZZ_STAMP): $(STAMP)
	@$(call create_venv,$(FUZZ_VENV))
	@set -e; if $(FUZZ_VENV)/bin/python -m pip install -qq --only-binary :all: 'atheris>=3'; then \
		$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
			> $$($(FUZZ_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/adscore.pth; \
		PYTHONPATH=.:protos/gen $(BIN)/python fuzz/corpus.py $(FUZZ_VENV)/corpus; \
		$(BIN)/adscore sample $(FUZZ_VENV)/log --creatives 200 --campaigns 20 >/dev/null; \
		$(BIN)/adscore train $(FUZZ_VENV)/log/creatives.csv $(FUZZ_VENV)/model >/dev/null; \
	else rm -rf $(FUZZ_VENV); mkdir -p $(FUZZ_VENV); fi
	@touch $@

$(LOCK_STAMP):
	@$(call create_venv,$(LOCK_VENV))
	@$(LOCK_VENV)/bin/python -m pip install -qq $(UV)
	@touch $@

# $(call generate_stubs,FOLDER). The -I option maps the paths, so that generated files need no edits.
define generate_stubs
mkdir -p $(1) && $(PROTO_VENV)/bin/python -m grpc_tools.protoc -Iadscore_protos=protos/adscore \
	--python_out=$(1) --pyi_out=$(1) --grpc_python_out=$(1) protos/adscore/v1/*.proto \
&& touch $(1)/adscore_protos/py.typed
endef

# $(call compile,SOURCE,PINS): hashed pins for every supported Python and platform, without URLs.
# Extras stay in the pins: pip does not accept a hashed pin of `x` for `x[extra]`.
define compile
$(LOCK_VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-emit-index-url --no-emit-find-links --no-header $(ARGS) $(1) -o $(2)
endef
