# `make test` is all that a clean checkout needs: it makes its own .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: quickstart chain test test-all test-oldest torture lint docs site results clean

# From nothing to a report: digits, no download, minutes.
QUICKSTART := $(BIN)/python -m gtn_tf.main --config=configs/digits.py
quickstart: $(VENV)/installed-cpu
	$(QUICKSTART)
	$(QUICKSTART) --mode=evaluate
	$(QUICKSTART) --mode=report

# From nothing to two rows of a table, at toy scale: docs/chain.md.
CHAIN := $(BIN)/python -m gtn_tf.main --config=configs/digits_nas.py \
    --workdir=runs/chain
CHAIN_RETRAIN := $(CHAIN) --mode=retrain \
    --config.retrain.num_seeds=2 --config.retrain.num_epochs=20 \
    --config.retrain.batch_size=64 --config.retrain.num_cells=1 \
    --config.retrain.channels=8 --config.retrain.cutout=3
chain: $(VENV)/installed-cpu
	$(CHAIN) --mode=search --config.search.evaluators="('gtn', 'real')"
	$(CHAIN_RETRAIN) --config.retrain.genotype=search:runs/chain:gtn \
	  --config.retrain.name=gtn
	$(CHAIN_RETRAIN) --config.retrain.genotype=search:runs/chain:real \
	  --config.retrain.name=real
	$(CHAIN) --mode=report

# More processes than cores, as some wait; a file stays in one process, for
# its tests share what they trained. In conftest's order, longest first.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder

test: $(VENV)/installed lint
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

test-all: $(VENV)/installed lint
	$(BIN)/python -m pytest $(PARALLEL)

# The oldest TensorFlow that is supported. Its protobuf is too old for newer
# tensorflow-metadata, which tensorflow-datasets would bring.
OLDEST := .venv-oldest
test-oldest: $(OLDEST)/installed
	$(OLDEST)/bin/python -m pytest $(PARALLEL) -m "not slow"

$(OLDEST)/installed: setup.py
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade pip
	$(OLDEST)/bin/python -m pip install --quiet --editable ".[test]" \
	  "tensorflow-cpu==2.18.*" "tensorflow-metadata<1.18"
	touch $@

# Not in CI: twenty minutes of kills, full disks, damaged files and nonsense.
torture: $(VENV)/installed
	$(BIN)/python -m tools.torture --minutes=18

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: $(VENV)/installed
	$(BIN)/python -m gtn_tf.config.reference > docs/config.md

# The site of docs/, in site/.
site: $(VENV)/installed-cpu
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	$(BIN)/python -m mkdocs build --strict

# The pages and figures of results, from the files in docs/results/*.
results: $(VENV)/installed-cpu
	$(BIN)/python -m tools.records table

$(VENV)/installed-cpu: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[cpu]"
	touch $@

$(VENV)/installed: $(VENV)/installed-cpu
	$(BIN)/python -m pip install --quiet --editable ".[cpu,test]"
	touch $@

clean:
	rm -rf $(VENV) $(OLDEST) build *.egg-info .pytest_cache .ruff_cache
