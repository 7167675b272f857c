# `make demo` sets everything up and runs the main job; `make test` sets up and runs all tests.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check setup setup-dev realesrgan spandrel clean help

help:
	@echo "make demo    set up, then tell the whole story on a sample archive (CPU, offline)"
	@echo "make test    set up, then run all tests"
	@echo "make check   lint, types, import contracts"
	@echo "make realesrgan, make spandrel    add the upscaling engine of that name"
	@echo "make clean   remove the virtual environment (never your outputs)"

demo: setup
	@$(BIN)/merzmory run configs/demo.toml

test: setup-dev
	@$(BIN)/python -m pytest

check: setup-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

setup: $(VENV)/.ready
setup-dev: $(VENV)/.ready-dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] else "MERZmory needs Python 3.11 or 3.12; this is %d.%d: make PYTHON=python3.11 ..." % v[:2])'
	@$(PYTHON) -m venv $(VENV)

# torch first: the pinned one, before anything could ask for another build of it
$(VENV)/.ready: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Setting up (once; a few minutes) ..."
	@$(PIP) torch
	@$(PIP) -e '.[heic,raw]'
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	@$(PIP) -e '.[heic,raw,dev]'
	@touch $@

# both ask for torchvision, which is left out: to enlarge pictures they do not need it, and another build of
# it brings another build of torch. basicsr is built with what is here, or pip fetches a second torch for it
realesrgan: setup
	@$(PIP) 'setuptools>=77' wheel cython scipy tqdm pyyaml
	@$(PIP) --no-deps --no-build-isolation realesrgan==0.3.0 basicsr==1.4.2

spandrel: setup
	@$(PIP) typing_extensions
	@$(PIP) --no-deps spandrel==0.4.2 einops

clean:
	rm -rf $(VENV)
