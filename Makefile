# Everything a newcomer needs: `make leaderboard`, `make test`. Both set up their own .venv.
PYTHON ?= python3
VENV   ?= .venv
TRACK  ?= quick
RUN    ?= results/runs/$(TRACK)
ARGS   ?=
NAME   ?=
MINUTES ?= 10
KILLS  ?= 100
# Shared artefacts (rendered faces, trained recognisers, fitted attacks) stay inside the checkout.
export FACELEAK_STORE ?= $(CURDIR)/results/store
# glibc hands blocks above 32 MiB back at once and gets them again page by page; networks ask for such blocks all day.
export MALLOC_MMAP_THRESHOLD_ ?= 1073741824
export MALLOC_TRIM_THRESHOLD_ ?= 4294967296
BIN    := $(VENV)/bin
# The pins are those of Python 3.11 and later; on 3.10 the ranges of setup.cfg decide.
PINS    = $(shell $(PYTHON) -c 'import sys; print("--constraint constraints.txt" if sys.version_info >= (3, 11) else "")')

.PHONY: help leaderboard lfw results-readme test test-cpu test-slow fuzz soak perf gpu-check attack defense lint lint-security format report site docs clean distclean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16
	@echo; echo "TRACK=$(TRACK) (faceleak list tracks), RUN=$(RUN), ARGS goes to faceleak run."

# uv downloads and unpacks side by side: a fifth of the time that pip takes. Where it cannot be had or cannot reach the
# registry (it does not read pip's settings), pip does it. uv compiles nothing, so that each process would compile torch
# anew if it might not write down what it compiled.
unexport PYTHONDONTWRITEBYTECODE
export UV_SYSTEM_CERTS ?= 1
PIP     = $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALL = install() { \
  { $(PIP) uv && $(BIN)/uv pip install --quiet --python $(BIN)/python "$$@"; } || { echo "pip goes on without uv."; $(PIP) "$$@"; }; \
}; install

# The stamp is newer than the files that say what to install, so a second call costs nothing.
$(VENV)/.installed: setup.cfg constraints.txt pyproject.toml
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) $(PINS) --editable '.[dev]'
	@touch $@

leaderboard: $(VENV)/.installed ## run TRACK and write CSV, figures and an HTML page
	$(BIN)/faceleak run $(TRACK) --workers auto --out $(RUN) $(ARGS)

lfw: $(VENV)/.installed ## real faces and recognisers from public origins, after their licences (ARGS="--out DIR --yes")
	$(BIN)/faceleak prepare lfw $(ARGS)

test: $(VENV)/.installed ## the fast tests (FACELEAK_DATA=... adds those on real faces)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests -n auto --dist loadfile $(ARGS)

# A processor has the kernels of all before it: each older set in turn, as on a machine that ends there. Its own, the
# newest, are those of `test`; KERNELS="default:SSE41 avx2:AVX2 avx512:AVX512_CORE" runs them here too.
KERNELS = default:SSE41 $(shell grep -qw avx512f /proc/cpuinfo 2>/dev/null && echo avx2:AVX2)
CONTRACTS = tests/defenses/test_contract.py tests/defenses/test_rounding.py tests/attacks/test_contract.py

test-cpu: $(VENV)/.installed ## batch mates and repetition under the older kernels that this processor has too
	@set -e; for set in $(KERNELS); do echo "kernels: $$set"; \
	  ATEN_CPU_CAPABILITY=$${set%:*} DNNL_MAX_CPU_ISA=$${set#*:} OMP_NUM_THREADS=1 $(BIN)/python -m pytest \
	    $(CONTRACTS) -n auto -k "function_of_image_and_secret or determinism or rounded" $(ARGS); \
	done
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/bench/test_processors.py -m processors $(ARGS)

test-slow: $(VENV)/.installed ## the slow tests
	$(BIN)/python -m pytest tests -m slow $(ARGS)

# One process; what is found lies in tests/fuzz/found and is a test from then on. See docs/reliability.md.
fuzz: $(VENV)/.installed ## mutated files to every reader for MINUTES (10); ARGS="--target bin --seed 7"
	OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m fuzz.campaign --minutes $(MINUTES) $(ARGS)

soak: $(VENV)/.installed ## kill runs KILLS times at random moments and compare their boards
	$(BIN)/python tests/soak.py --kills $(KILLS) $(ARGS)

# What it compares with; without a network those lines say so.
$(VENV)/.perf: $(VENV)/.installed
	@$(INSTALL) $(PINS) --editable '.[perf]' && touch $@ \
	  || echo "The extra perf could not be installed: some lines will be absent."

perf: $(VENV)/.perf ## the benchmarks, each a ratio with its goal, into results/perf.csv
	$(BIN)/python tests/perf/measure.py $(ARGS)

gpu-check: $(VENV)/.installed ## works, right, fast on a GPU? into results/gpu (a try: ARGS="--device cpu --toy")
	$(BIN)/python tests/gpu/check.py $(ARGS)

attack: $(VENV)/.installed ## begin an attack in attacks/: make attack NAME=my-attack
	$(BIN)/faceleak new attack $(NAME) --out attacks

defense: $(VENV)/.installed ## begin a defense in defenses/: make defense NAME=my-defense
	$(BIN)/faceleak new defense $(NAME) --out defenses

lint: $(VENV)/.installed ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p .lint && ln -sfn .. .lint/faceleak
	MYPYPATH=.lint $(BIN)/mypy -p faceleak

$(VENV)/.security: $(VENV)/.installed
	@$(INSTALL) --editable '.[security]'
	@touch $@

lint-security: $(VENV)/.security ## bandit over the code, pip-audit over the pins (asks a database on the network)
	$(BIN)/bandit --quiet --ini .bandit --recursive .
	@$(BIN)/pip-audit --progress-spinner off --strict --disable-pip --no-deps --requirement constraints.txt || { echo \
	  "pip-audit: the pins are not known to be clean: it names what is wrong above, or could not ask its database" \
	  "(no network?), and then nothing is known of them."; exit 1; }

format: $(VENV)/.installed ## apply ruff's fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

results-readme: $(VENV)/.installed ## write what boards say into the marked blocks of results/README.md
	$(BIN)/faceleak verdicts results/README.md

docs: $(VENV)/.installed ## the site of docs/ with the API, in build/site
	@$(INSTALL) --editable '.[docs]'
	@mkdir -p .lint && ln -sfn .. .lint/faceleak
	$(BIN)/python -m mkdocs build --strict --quiet

report: $(VENV)/.installed ## write boards, figures and page of RUN anew from its CSV
	$(BIN)/faceleak report $(RUN)

site: $(VENV)/.installed ## one static site of all committed boards, in site/ (open site/index.html)
	$(BIN)/faceleak site --out site

clean: ## remove run folders and caches, keep the store and .venv
	rm -rf results/runs site .lint .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## clean, and remove the store and .venv
	rm -rf results/store $(VENV)
