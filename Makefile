# Every target sets up what it needs in .venv and reuses it. `make` alone lists the targets.

PYTHON ?= python3
PORT ?= 8000
NOTEBOOKS ?= $(wildcard notebooks/*.ipynb)

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
SITE := _build/html/index.html
BOOK_SOURCES := _config.yml _toc.yml CONTRIBUTING.md \
	$(shell find goodharts_lib -name '*.py') goodharts_lib/config.toml \
	$(wildcard book/*.md book/*.bib book/api/*.md book/_ext/*.py book/_assets/* book/_root/* book/_static/* notebooks/*.ipynb)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help book vendor notebooks tables serve test browser lint train bench set-repository clean

help: ## List the targets
	@echo "The Goodhart Trap. Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

book: .venv/.book vendor ## Build the site from the executed notebooks into _build/html; needs no torch
	@echo "Building the book; any warning is an error."
	@$(BIN)/jupyter-book build --all -W -n --keep-going .
	@echo "The site is at $(CURDIR)/$(SITE)"

vendor: .venv/.made ## Fetch the JavaScript that the site serves itself, from npm, unless it is there
	@$(BIN)/python tools/fetch_vendor.py

notebooks: .venv/.all ## Execute all notebooks afresh, in place (NOTEBOOKS=... for some)
	@echo "Executing notebooks in place."
	@$(BIN)/python tools/run_notebooks.py $(NOTEBOOKS)

tables: .venv/.all ## Write the tables of the book's pages afresh
	@$(BIN)/python tools/write_tables.py

serve: $(SITE) ## Serve the site on localhost (PORT=8000), building it if something changed
	@echo "Serving _build/html at http://localhost:$(PORT)/ - stop with Ctrl-C."
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

$(SITE): $(BOOK_SOURCES)
	@$(MAKE) --no-print-directory book
	@touch $(SITE)

test: lint book ## Run every check: lint, types, the site, the tests, the notebooks
	@echo "Running the tests."
	@$(BIN)/python -m pytest
	@echo "Running the notebooks." # one thread: several wait for each other on a busy machine
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest notebooks --nbval-lax --nbval-current-env --nbval-cell-timeout=120 \
		--nbval-kernel-startup-timeout=60 --nbval-sanitize-with=tests/nbval_sanitize.cfg
	@echo "Every check passed."

browser: book .venv/.all ## Read every page of the site in a browser; pictures go to _build/screenshots
	@$(BIN)/python -m pytest tests/site

lint: .venv/.all ## Check style (ruff) and types (mypy)
	@echo "Checking style and types."
	@$(BIN)/ruff check .
	@$(BIN)/mypy

train: .venv/.lib ## Train the four modes quickly, into models/ and logs/
	@echo "Training all four modes, 300,000 steps each."
	@$(BIN)/python -m goodharts_lib.training.train_ppo --mode all --network small_cnn --timesteps 300000

bench: .venv/.all ## Measure speed, side by side with peers
	@echo "Running the benchmarks."
	@$(BIN)/python -m benchmarks.bench

set-repository: .venv/.made ## Write the repository's address everywhere (REPOSITORY=owner/name, or the remote's)
	@$(BIN)/python tools/set_repository.py $(REPOSITORY)

clean: ## Remove the site and the caches; .venv, models, logs, results and book/_vendor stay
	@echo "Removing _build and caches."
	@rm -rf _build build .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	@find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp file per kind of environment, each renewed when the dependencies change.

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "This needs Python 3.11 or newer, and $(PYTHON) is not; name one with: make PYTHON=python3.12" >&2; \
		exit 1; }
	@echo "Making a virtual environment in .venv."
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.book: .venv/.made pyproject.toml constraints.txt
	@echo "Installing what the book needs into .venv."
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["book"], sep="\n")' > .venv/book.txt
	@$(PIP) -r .venv/book.txt
	@touch $@

# torch goes first and alone, so that a CPU build named by the constraints is settled before
# anything else asks for torch.
.venv/.lib: .venv/.made pyproject.toml constraints.txt
	@echo "Installing goodharts-lib and torch into .venv (the first time takes minutes)."
	@$(PIP) torch
	@$(PIP) -e .
	@touch $@

.venv/.all: .venv/.lib
	@echo "Installing everything else that the checks need into .venv."
	@$(PIP) -e '.[notebooks,book,gym,experiments,dask,bench,test,dev]'
	@touch $@ .venv/.book
