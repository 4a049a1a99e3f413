# Everything a fresh machine needs is Python 3.11, pip and make. The environment lives in .venv and is reused.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo

.PHONY: demo test test-exports test-full lint clean env web

demo: .venv/ready
	$(BIN)/tinyscene demo --out $(DEMO)

# The page of `tinyscene web`, with the versions of web/package-lock.json. Without Node its tests skip.
PAGE := src/tinyscene/web/built/index.html
NODE = npm --version >/dev/null 2>&1 && node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'

web: $(PAGE)

$(PAGE): $(shell find web/src web/public) web/index.html web/package.json web/package-lock.json web/vite.config.ts web/tsconfig.json
	@$(NODE) || { echo "the page needs Node 20.19 or newer, and npm"; exit 1; }
	cd web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build
	@touch $@

# A file's tests in one process (tests/conftest.py says which go together), up to four beside each other, one thread each;
# in the files' order, which has the short ones last, not by their number of tests, which had the longest last.
test: .venv/ready
	@if $(NODE); then $(MAKE) web; else echo "Node 20.19 or newer is not here: the page is not built, its tests skip"; fi
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# LiteRT and ExecuTorch: converters of 1.3 GB more, for the tests that skip without them.
test-exports: .venv/ready
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev,tflite,executorch]'
	OMP_NUM_THREADS=1 $(BIN)/pytest -rs tests/export tests/evaluate/test_complexity_litert.py tests/pipeline/test_parity.py

# What takes longer; the figures go into benchmarks/*.md. Real audio comes from TINYSCENE_DATA/esc10.
test-full: demo
	$(BIN)/pytest -m "full or not full"
	$(BIN)/python benchmarks/systems.py
	$(BIN)/python benchmarks/complexity.py
	$(BIN)/python benchmarks/training_step.py
	$(BIN)/python benchmarks/runtime.py
	$(BIN)/python benchmarks/parity.py
	$(BIN)/python benchmarks/reproductions.py
	@if [ -z "$$TINYSCENE_DATA" ]; then echo "TINYSCENE_DATA is not set: benchmarks that take real audio were not run"; \
	else for script in int8_fidelity esc10_networks int8_trained esc10_choice esc10 esc10_devices; do \
	$(BIN)/python benchmarks/$$script.py || exit; done; fi

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

env: .venv/ready

# Pinned versions in constraints.txt; the file is only touched when the install went through.
.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 11) else f"tinyscene needs Python 3.11 or newer; {sys.executable} is {v[0]}.{v[1]}. Try: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check -q --no-compile -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf .venv demo web/node_modules src/tinyscene/web/built
