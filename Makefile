# `make help` lists what can be made. Everything runs in .venv, which the first target creates.

BIN := .venv/bin/
PYTHON := $(BIN)python
INSTALLED := .venv/.installed
export GRID := mac-cpu
PROFILE := local
DEVICE := cpu
LAW := results/law-reference/signal.json
PAPERS_LAW := results/law/signal.json
TEXT_LAW := results/law-reference/text.json
PICTURED := results/precision/d16_H1_N8_L1_K128_T2048_max_steps10000_precisionbfloat16.json
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
# What `make experiments` gives to notebooks: no parameter `train` may stay True.
RENDER_mac := -p d 16 -p N 8 -p T 2048 -p max_steps 10000 -p precision bfloat16 -p results results/precision
RENDER_budget := -p results results/budget
RENDER_text := -p results results/text-tiny
# The fits in full take many minutes, and write the laws in results/: papermill notebooks/fit.ipynb runs/fit.ipynb.
RENDER_fit := -p starts 5 -p bootstraps 20 -p folds 4 -p results runs/law
# What a grid needs that is not in the repository.
NEEDED_text := runs/kjv.txt
NEEDED_text-tiny := runs/kjv.txt
NEEDED_designs-text := runs/kjv.txt
NEEDED_designs-text-law := runs/kjv.txt
# Tests share no place: a process a core takes what the others have not begun.
PARALLEL := --numprocesses logical --dist worksteal
.DEFAULT_GOAL := help
# Small models gain nothing from threads, and threads that wait spin: beside a busy process they take each other's core.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

install: $(INSTALLED)  ## create .venv from requirements.lock, every file by its hash, and torch.lock

$(INSTALLED): requirements.lock torch.lock pyproject.toml
	python3 -m venv .venv
	$(PYTHON) -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(PYTHON) -m pip install --quiet --requirement torch.lock
	$(PYTHON) -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(PYTHON) -m ipykernel install --sys-prefix --env OMP_WAIT_POLICY PASSIVE \
		--env MALLOC_MMAP_MAX_ 0 --env MALLOC_TRIM_THRESHOLD_ 17179869184 > /dev/null
	touch $@

lock: $(INSTALLED)  ## write requirements.lock anew from pyproject.toml; versions stay where they can
	$(BIN)uv pip compile pyproject.toml --all-extras --universal --python-version 3.11.7 --generate-hashes \
	    --constraint torch.lock --no-emit-package torch --custom-compile-command "make lock" --quiet --output-file requirements.lock

mac: $(INSTALLED)  ## measure one small capacity with notebooks/mac.ipynb
	$(BIN)papermill --log-output notebooks/mac.ipynb runs/mac.ipynb \
	    -p d 16 -p N 8 -p T 2048 -p restarts 2 -p max_steps 2000
	@echo "notebook: runs/mac.ipynb"

lint: $(INSTALLED)  ## check style, types and which way imports flow
	$(BIN)ruff check .
	$(BIN)ruff format --check .
	$(BIN)mypy
	$(BIN)lint-imports

test: $(INSTALLED)  ## run the tests
	$(PYTHON) -m pytest $(PARALLEL)

bench: $(INSTALLED)  ## time the engine against the plain loop, on an idle machine; on a GPU with DEVICE=cuda
	$(PYTHON) benchmarks/throughput.py --device $(DEVICE)

bench-ideas: $(INSTALLED)  ## say what bounds a training step, and what each idea for a faster one gains
	$(PYTHON) benchmarks/roofline.py
	$(PYTHON) benchmarks/ideas.py

bench-project: $(INSTALLED)  ## time the tests, the book, a fit, and what grows with the records
	$(PYTHON) benchmarks/project.py

runs/kjv.txt:  # the King James Bible, a verse a line without its reference
	command -v bible > /dev/null || apt-get install --yes --no-install-recommends bible-kjv
	mkdir -p runs
	bible -f "gen1:1-rev22:21" | sed 's/^[^ ]* //' > $@.part
	test "$$(wc -l < $@.part)" -eq 31102
	mv $@.part $@

sweep: $(INSTALLED) $(NEEDED_$(GRID))  ## measure what is missing of a grid: make sweep GRID=mac-cpu, on a cluster with PROFILE=slurm
	@$(if $(filter local,$(PROFILE)),$(PYTHON) workflow/status.py --timed "$$GRID")
	exec $(BIN)snakemake --snakefile workflow/Snakefile --profile workflow/profiles/$(PROFILE) --config "grid=$$GRID"

experiments: $(NOTEBOOKS:notebooks/%.ipynb=render-%)  ## render every notebook into runs/ from committed results

render-%: notebooks/%.ipynb $(INSTALLED)
	$(BIN)papermill --log-level ERROR --no-progress-bar $< runs/$*.ipynb \
	    $(RENDER_$*) $(if $(shell grep '"train = ' $<),-p train False)

designs: $(addprefix prove-,designs-any designs-any-smaller designs-again designs-again-smaller)  ## prove the law: draw twenty targets twice, train each design and three smaller ones of each draw once, tabulate the hits

designs-text: prove-designs-text-law  ## prove it for text: draw four targets once, train each design once, tabulate the hits

prove-designs-any-smaller: prove-designs-any
prove-designs-again-smaller: prove-designs-again
prove-designs-text-law: LAW := $(TEXT_LAW) --text runs/kjv.txt
prove-designs-text-law: runs/kjv.txt

prove-%: $(INSTALLED)
	test -e results/$*/targets.csv || $(PYTHON) workflow/prove_designs.py draw $* $(LAW)
	$(MAKE) sweep GRID=$*
	$(PYTHON) workflow/prove_designs.py tabulate $*

status: $(INSTALLED)  ## say what of a grid is measured: make status GRID=mac-cpu
	@$(PYTHON) workflow/status.py "$$GRID"

test-slurm: $(INSTALLED)  ## sweep a tiny grid on a SLURM of this machine's own, as root
	$(PYTHON) -m pytest tests/sweep_on_slurm.py

picture: $(INSTALLED)  ## draw the README's pictures from committed records and laws
	$(PYTHON) -c "from ecmlib import CapacityRecord; from ecmlib.figures import plot_curves; from ecmlib.figures.style import save_svg; \
	    save_svg(plot_curves(CapacityRecord.load('$(PICTURED)')), 'book/_static/curve.svg', 'curve')"
	$(PYTHON) -c "from ecmlib import SignalLaw; from ecmlib.figures.style import save_svg; from ecmlib.reproduction.everyone import gather, plot_everyone; \
	    save_svg(plot_everyone(gather(SignalLaw.load('$(LAW)'), SignalLaw.load('$(PAPERS_LAW)'), 'results')), 'book/_static/everyone.svg', 'everyone')"

book: $(INSTALLED)  ## build the book into _build/html; warnings are errors
	rm -rf _build
	$(BIN)jupyter-book build book -W --keep-going

test-book: $(INSTALLED)  ## look at the built book with Debian's chromium
	$(PYTHON) -m pytest $(PARALLEL) tests/book_in_browser.py

clean:  ## delete what make has made, but no result
	rm -rf .venv _build book/data runs/*

.PHONY: help install lock mac lint test bench bench-ideas bench-project sweep status designs designs-text experiments test-slurm picture book test-book clean
