# Both commands make the virtual environment .venv when it is missing, and need only Python 3.10+.
PYTHON ?= python3
# A process that dies fails the run, which pytest-xdist may wait on for ever if it goes on.
PYTEST = OMP_NUM_THREADS=1 .venv/bin/pytest --numprocesses auto --dist loadfile --max-worker-restart 0
INSTALL = .venv/bin/python -m pip install --constraint constraints.txt --editable

.PHONY: demo test test-slow

demo: .venv/installed
	.venv/bin/ccnet restore examples/pictures/coast.jpg --task dehaze --output restored --overwrite

test: .venv/installed-dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	$(PYTEST) -m "not slow"

test-slow: .venv/installed-dev
	$(PYTEST) -m slow

# The stamps are made last, so an environment without one was left half made and is made anew;
# so is one whose Python is gone.
$(shell .venv/bin/python -c "" 2>/dev/null || rm -f .venv/installed .venv/installed-dev)

.venv/installed: pyproject.toml constraints.txt
	test -e $@ || $(PYTHON) -m venv --clear .venv
	rm -f $@ .venv/installed-dev
	$(INSTALL) .
	touch $@

.venv/installed-dev: .venv/installed
	rm -f $<
	$(INSTALL) ".[all,dev]"
	touch $< $@
