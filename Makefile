# `make demo` trains the main example, `make test` runs all tests, `make bench` measures. They make their own environment in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test bench lint types docs clean

demo: .venv/examples.installed
	$(BIN)/python -m examples digits

test: .venv/test.installed
	$(BIN)/python -m pytest -n auto

bench: .venv/torch.installed
	$(BIN)/python -m benchmarks

lint: .venv/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev.installed
	$(BIN)/python -m mypy tinygrad_lite layers optim

docs: .venv/test.installed
	$(BIN)/python docs/make_ops_table.py

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache

.venv/%.installed: setup.cfg pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv
