# make demo: from a data set to verified C.   make test: everything that is tested.
# make docs: the documentation as a site, in build/site.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
WORKERS ?= 2

.DELETE_ON_ERROR:
.PHONY: demo test lint docs clean

demo: $(VENV)/.installed
	$(BIN)/sparse-search run digits --max-ram 2KB --max-model-size 2KB --candidates 24 \
	    --workers $(WORKERS) --seed 0 --out runs/digits

test: $(VENV)/.test-installed
	$(BIN)/python -m pytest -rs -n $(WORKERS) --dist loadfile $(PYTEST_ARGUMENTS)

lint: $(VENV)/.test-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/.docs-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open build/site/index.html"

clean:
	rm -rf $(VENV) runs build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created setup.cfg pyproject.toml constraints.txt
	@echo "installing into $(VENV) (about a minute)"
	$(PIP) --editable .
	@touch $@

$(VENV)/.docs-installed: $(VENV)/.installed
	$(PIP) --editable '.[docs]'
	@touch $@

# The wheel of executorch holds CMSIS-NN's own buffer size functions, an oracle for the memory plan;
# that of tflite-micro an interpreter of .tflite files. They are installed without their
# dependencies, and the tests that use them skip without them.
$(VENV)/.test-installed: $(VENV)/.installed
	$(PIP) --editable '.[test,docs]'
	-$(PIP) --no-deps executorch==1.5.1
	-$(PIP) --no-deps tflite-micro==0.dev20261023182759
	@touch $@
