# Every gate by itself, and `make check` for all of them. Needs pip install -e '.[dev,peers]'.

PYTHON ?= python
FUZZ_SECONDS ?= 0
FUZZ_SEED ?= $$(date +%s)

.PHONY: help check lint types test rest browser huge fuzz mutants examples docs bench bench-quick

help:  ## what can be made
	@grep -hE '^[a-z-]+( [a-z-]+)?:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 22

ifneq ($(filter check,$(MAKECMDGOALS)),)
MAKEFLAGS += --jobs=2 --output-sync=target  # some gates use one core only
endif

check: test rest huge types lint  ## everything that must hold before a change lands; builds the docs, too

lint:  ## ruff: lint and format
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:  ## mypy --strict over the package and typed tests
	$(PYTHON) -m mypy

test:  ## the tests that reach every line, with coverage
	$(PYTHON) -m pytest -m "not (covered or long or huge or browser)" --cov --cov-fail-under=100

rest:  ## those that drive Chromium or only reach what others reach, without coverage, which takes time
	$(PYTHON) -m pytest -m "(covered or long or browser) and not huge" --dist=loadfile --no-loadscope-reorder

browser:  ## of these, the tests that drive Chromium
	$(PYTHON) -m pytest -m browser --dist=loadfile --no-loadscope-reorder

huge:  ## the tests of a million nodes, without coverage
	$(PYTHON) -m pytest -n 0 -m huge tests/test_million_nodes.py

fuzz:  ## new cases wherever hypothesis draws, from FUZZ_SEED on, for FUZZ_SECONDS and a last round; 0: for ever
	@start=$$(date +%s); seed=$(FUZZ_SEED); \
	while $(PYTHON) -m pytest -m hypothesis --hypothesis-profile=fuzz --hypothesis-seed=$$seed; do \
		past=$$(($$(date +%s) - start)); seed=$$((seed + 1)); \
		if [ $(FUZZ_SECONDS) -gt 0 ] && [ $$past -ge $(FUZZ_SECONDS) ]; then exit 0; fi; \
	done; exit 1

mutants:  ## mistakes made on purpose that no test notices; MUTANTS="--each 9 rules" tries more there
	$(PYTHON) tests/mutants.py $(MUTANTS)

examples:  ## run the examples, as `test` does
	$(PYTHON) -m pytest -m "" tests/test_examples.py

docs:  ## build the docs, warnings are errors
	$(PYTHON) -m sphinx -b html -W --keep-going -n docs docs/_build/html

bench bench-quick:  ## the figures of docs/performance.md, on an idle machine; quick: do they run?
	@for script in $(sort $(wildcard $(CURDIR)/benchmarks/*.py)); do \
		echo "$$script"; \
		OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PYTHON) "$$script" \
			$(if $(filter bench-quick,$@),--quick) || exit 1; \
	done
