# Two commands need nothing else: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Caches of the WebAssembly FPGA tools stay in this folder instead of the home directory.
export YOWASP_CACHE_DIR := $(CURDIR)/build/yowasp-cache

.PHONY: demo test status coverage lint types docs setup clean

demo: $(READY)
	$(BIN)/sstdp-hw demo --out build/demo

test: lint types
	$(BIN)/pytest -n auto --dist worksteal --junitxml build/tests.xml

# Which line of the verification plan is shown, after `make test`.
status: $(READY)
	$(BIN)/python tools/verification_status.py build/tests.xml

# Lines and branches of the packages that the tests reach.
coverage: $(READY)
	$(BIN)/pytest -n auto --dist worksteal --cov --cov-branch --cov-report term-missing:skip-covered

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# The documentation as a site in build/site; any warning, a dead link among them, is an error.
docs: $(READY)
	$(BIN)/pip install --disable-pip-version-check --quiet --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

setup: $(READY)

$(READY): pyproject.toml tools/make_venv.py
	$(PYTHON) tools/make_venv.py $(VENV)
	$(BIN)/pip install --disable-pip-version-check --quiet --editable '.[all,dev]'
	touch $@

clean:
	rm -rf build $(VENV)
