# `make demo` and `make test` are the two commands; both install on first use.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# One torch thread a process: more collapse on a shared machine; forage runs one process a core.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo study test check fast clean

demo: $(VENV)/.installed
	$(BIN)/forage run configs/demo.yaml -o runs/demo

study: $(VENV)/.installed
	$(BIN)/forage run configs/study.yaml -o runs/study

test: $(VENV)/.installed check
	$(BIN)/python -m pytest -n 2 -m "not slow"

fast: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# torch comes first and alone, so that the CPU build is taken where its index can be reached.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --retries 1 --no-deps -c constraints.txt torch \
		--extra-index-url https://download.pytorch.org/whl/cpu
	$(BIN)/pip install -q -c constraints.txt -e '.[train,dev]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
