# The menu. `make demo` and `make test` do all the set-up on a fresh Debian or Ubuntu.
SHELL := /bin/bash
PY := .venv/bin/python
BUILD := build/dev
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export CMAKE_GENERATOR := Ninja

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-cpp test-py lint format stubs asan tsan fuzz coverage bench scale soak clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: build/.python-tests ## install what is missing: system packages, .venv

build/.system: tools/system_packages.sh
	@tools/system_packages.sh
	@mkdir -p build && touch $@

build/.system-tests: build/.system
	@tools/system_packages.sh --tests
	@touch $@

build/.python: build/.system pyproject.toml tools/requirements.txt
	@tools/python_packages.sh
	@touch $@

build/.python-tests: build/.system-tests build/.python tools/requirements-dev.txt
	@tools/python_packages.sh tools/requirements-dev.txt
	@touch $@

build: setup ## compile what has changed
	@tools/build.sh

demo: build/.python ## run the main job on the sample documents
	@tools/build.sh _core
	@$(PY) tools/demo.py

test: test-cpp test-py fuzz ## GoogleTest, pytest, and a short fuzzing

test-cpp: build
	@ctest --test-dir $(BUILD) --output-on-failure -j2

test-py: build
	@$(PY) -m pytest -q

lint: build ## ruff, mypy --strict, clang-format, clang-tidy
	@tools/lint.sh

format: setup ## put every file into the one format
	@.venv/bin/ruff check --fix -q python tests tools; .venv/bin/ruff format -q python tests tools
	@git ls-files '*.h' '*.cpp' | xargs .venv/bin/clang-format -i

stubs: build ## regenerate python/headrace/_core.pyi
	@tools/stubs.sh

asan: setup ## C++ tests under the address and undefined sanitizers
	@cmake --preset asan >/dev/null && cmake --build --preset asan && ctest --preset asan

tsan: setup ## C++ tests under the thread sanitizer
	@cmake --preset tsan >/dev/null && cmake --build --preset tsan && setarch -R ctest --preset tsan

fuzz: setup ## fuzz chunkers and tokenizers, 40 s each (SECONDS_EACH=36000 for a night)
	@tools/fuzz.sh $(SECONDS_EACH)

coverage: setup ## line coverage of the C++ tests
	@cmake --preset coverage >/dev/null && cmake --build --preset coverage && ctest --preset coverage
	@.venv/bin/gcovr -r . --filter cpp/ build/coverage --print-summary

bench: build ## the figures of the README and the docs, peers beside
	@$(PY) tests/bench/run.py $(TOPIC) $(if $(QUICK),--quick)

scale: build ## 10,000 documents through the pipeline, killed three times, then 1 % changed
	@PYTHONPATH=tests $(PY) -m scale.documents $(if $(DOCUMENTS),--documents $(DOCUMENTS))

soak: build ## the long fault tests; MINUTES=10 of random kills
	@HEADRACE_SOAK=1 $(BUILD)/tests/cpp/test_store --gtest_filter='DamageTest.*' --gtest_brief=1
	@HEADRACE_SOAK_MINUTES=$(or $(MINUTES),10) $(PY) -m pytest -q -s tests/crash -p no:cacheprovider -o timeout=0

clean: ## remove everything that was built or installed here
	@rm -rf build .venv dist artifacts demo; find . -name '*.so' -path '*python/headrace*' -delete
