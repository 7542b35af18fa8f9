# The commands of this project; each works from a fresh clone with Python 3.11 or newer.
PYTHON ?= python3
PORT ?= 8080
BIN = .venv/bin
PROOF ?= long

# What tests write need not survive: in memory, where there is room, they take half the time.
MEMORY := $(shell test "$$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 {print $$4}')" -gt 4000000 2>/dev/null && echo /dev/shm)
test proof: export TMPDIR := $(or $(MEMORY),$(TMPDIR),/tmp)
# They start hundreds of servers, each of which would compile every module again.
test proof bench: export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test check bench proof clean

run: .venv/run
	@$(BIN)/billfold serve --port $(PORT)

# Three, because a test waits for something a tenth of its time.
test: .venv/dev
	@$(BIN)/python -m pytest -q -n 3 --dist worksteal -m "not proof"

# Slow by nature: crash rounds, races, long runs. PROOF=short takes a few minutes.
proof: .venv/dev
	@PROOF=$(PROOF) $(BIN)/python -m pytest -q -m proof

check: .venv/dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: .venv/dev
	@$(BIN)/python -m bench

clean:
	rm -rf .venv .billfold

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Billfold needs Python 3.11 or newer: make PYTHON=python3.11 …"; exit 2; }
	@$(PYTHON) -m venv .venv

# Stamps: what is installed is installed again only when its list has changed.
.venv/run: .venv/bin/python requirements.txt pyproject.toml
	@echo "installing into .venv (once) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

.venv/dev: .venv/run requirements-dev.txt
	@echo "installing what the tests need (once) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	@touch $@
