# Every gate by itself, and `make check` for all of them. Needs pip install -e '.[dev,peers]'.

PYTHON ?= python
FUZZ_SECONDS ?= 0

.PHONY: check lint types test browser huge fuzz examples docs bench bench-quick

check: lint types docs test browser huge

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest -m "not (huge or browser)" --cov --cov-fail-under=100

browser:
	$(PYTHON) -m pytest -m browser

huge:
	$(PYTHON) -m pytest -m huge

# New cases for every test that hypothesis draws for, for FUZZ_SECONDS and a last round; 0: for ever.
fuzz:
	@start=$$(date +%s); \
	while $(PYTHON) -m pytest -m hypothesis --hypothesis-profile=fuzz; do \
		past=$$(($$(date +%s) - start)); \
		if [ $(FUZZ_SECONDS) -gt 0 ] && [ $$past -ge $(FUZZ_SECONDS) ]; then exit 0; fi; \
	done; exit 1

# `test` runs them, too.
examples:
	$(PYTHON) -m pytest -m "" tests/test_examples.py

docs:
	$(PYTHON) -m sphinx -b html -W --keep-going -n docs docs/_build/html

# The figures of docs/performance.md; one thread, on a machine that does nothing else. Quick: do they run?
bench bench-quick:
	@for script in $(sort $(wildcard $(CURDIR)/benchmarks/*.py)); do \
		echo "$$script"; \
		OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PYTHON) "$$script" \
			$(if $(filter bench-quick,$@),--quick) || exit 1; \
	done
