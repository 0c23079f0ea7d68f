# Every gate by itself, and `make check` for all of them. Needs pip install -e '.[dev,peers]'.

PYTHON ?= python

.PHONY: check lint types test slow examples docs

check: lint types docs examples test slow

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest -m "not slow" --cov --cov-fail-under=100

slow:
	$(PYTHON) -m pytest -m slow

examples:
	@for script in $(sort $(wildcard $(CURDIR)/examples/*.py)); do \
		echo "$$script"; (cd "$$(mktemp -d)" && $(PYTHON) "$$script" > /dev/null) || exit 1; \
	done

docs:
	$(PYTHON) -m sphinx -b html -W --keep-going -n docs docs/_build/html
