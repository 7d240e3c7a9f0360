# Small Networks. `make` alone says what can be made.
#
# `make` 3.81 (macOS) and a POSIX shell are enough. Everything lives in .venv; installing ends with
# a stamp inside it, so an interrupted installation is taken up again and a finished one is not.

PYTHON ?= python3
ARGS ?=

# The matrices of this course are small: a second thread costs time instead of saving it.
export OMP_NUM_THREADS ?= 1

venv_python = .venv/bin/python
new_venv = $(shell test -x $(venv_python) || echo new-venv)
python_found = command -v '$(PYTHON)' >/dev/null || { echo 'There is no $(PYTHON) here. Install \
Python 3.11 or newer (https://www.python.org/downloads/), or say where it is: \
make $(MAKECMDGOALS) PYTHON=/path/to/python3' >&2; exit 1; }

.PHONY: help lab test doctor lessons exercises grade bench reader new-venv

help:
	@echo 'make lab        open the course in JupyterLab; the first time installs it'
	@echo 'make test       prove that every lesson, exercise and function works'
	@echo 'make doctor     say what is wrong, and the command that mends it'
	@echo 'make lessons    run all lessons and solutions, and store what they show'
	@echo 'make exercises  write exercises/ afresh from solutions/'
	@echo 'make grade      grade what lies in submitted/: see docs/instructors.md'
	@echo 'make bench      measure errors, times and files anew; ARGS=path: one part of it'
	@echo 'make reader     train the digit readers anew, and report how they do'
	@echo 'Options: make lab ARGS="--no-browser --port=9999", make lab PYTHON=python3.12'

lab: .venv/.installed-lab
	@$(venv_python) -m jupyterlab --config=tools/jupyterlab/jupyter_lab_config.py \
	    $$(test "$$(id -u)" != 0 || echo --allow-root) $(ARGS)

test: .venv/.installed-test
	@$(venv_python) -m ruff check
	@$(venv_python) -m ruff format --check
	@$(venv_python) -m pytest -n logical --maxprocesses=4 --dist loadfile

doctor:
	@$(python_found)
	@'$(PYTHON)' tools/doctor.py $(ARGS)

lessons: .venv/.installed-test
	@$(venv_python) tools/notebooks.py

exercises: .venv/.installed-test
	@$(venv_python) tools/exercises.py

bench: .venv/.installed-bench
	@$(venv_python) -m benchmarks $(ARGS)

grade: .venv/.installed-grade
	@$(venv_python) -m minilib.grading run $(ARGS)

reader: .venv/.installed-lab
	@$(venv_python) -m tools.reader $(ARGS)

# Asked for at the first installation, and when the Python that .venv was made from is gone.
new-venv:
	@$(python_found)
	@'$(PYTHON)' tools/doctor.py --python
	@'$(PYTHON)' -m venv --clear --without-pip .venv

# The font list is built here, so that no lesson shows Matplotlib's note about building it.
.venv/.installed-test: extras = [test]
.venv/.installed-grade: extras = [grade]
.venv/.installed-bench: extras = [bench]
installed = .venv/.installed-lab .venv/.installed-test .venv/.installed-grade .venv/.installed-bench
$(installed): pyproject.toml constraints.txt $(new_venv)
	@echo 'Installing into .venv; the first time this takes some minutes ...'
	@$(venv_python) -m ensurepip >/dev/null
	@$(venv_python) -m pip install -q --disable-pip-version-check -c constraints.txt -e '.$(extras)'
	@$(venv_python) -c 'import matplotlib.font_manager'
	@touch .venv/.installed-lab $@
