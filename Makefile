# make demo   sets everything up and runs the main job
# make check  formatter, linter, types and fast tests
# make test   that, then whole pipelines and long trainings
# make test-modern   check and demo with TFX 1.21, on an older Linux too (as root)
# make test-long   whole pipelines on Flink, on Spark and in kfp's own engine (.kfp), minutes each
# make flink, make spark   fetch Flink or Spark, and Beam's job server for it
# make browser      fetches axe-core, for the tests of the report in Chromium; make check does too
# make lock   resolves requirements/*.in anew
.PHONY: setup demo format check test test-modern test-long lock schema flink spark browser clean

setup: .venv/installed

.venv/installed: requirements/install.sh requirements/uv.txt requirements/tfx-1.16.txt requirements/tfx-1.21.txt setup.py pyproject.toml
	@requirements/install.sh
	@touch $@

demo: setup data/demo.csv
	@.venv/bin/sluice run pipeline/configs/demo.yaml

data/demo.csv: pipeline/demo_data.py | setup
	@.venv/bin/python -m pipeline.demo_data $@

format: setup
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

# A process for each core, up to four: each of them holds TensorFlow.
PYTEST = .venv/bin/pytest -q -n auto --maxprocesses 4 --dist loadfile

check: setup $(if $(shell command -v npm),browser)
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	$(PYTEST) -m "not slow"

test: check
	$(PYTEST) -m "slow and not long"

test-long: setup flink spark .kfp/installed
	.venv/bin/pytest -q -m long

test-modern:
	@requirements/modern.sh make check demo

browser: .browser/installed

.browser/installed: tests/browser/package.json tests/browser/package-lock.json
	@mkdir -p .browser && cp tests/browser/*.json .browser
	@npm ci --prefix .browser --ignore-scripts --no-audit --no-fund --silent
	@touch $@

.kfp/installed: requirements/kfp.txt | setup
	$(UV) venv --quiet --clear --python .venv/bin/python .kfp
	$(UV) pip install --quiet --python .kfp/bin/python --require-hashes -r requirements/kfp.txt
	@touch $@

schema: setup
	.venv/bin/python -m pipeline.config_schema > pipeline/config.schema.json

UV = $(or $(shell command -v uv),.uv/bin/uv)
LOCK = $(UV) pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock: setup
	$(LOCK) --python-version 3.10 --python-platform x86_64-manylinux_2_28 requirements/tfx-1.16.in -o requirements/tfx-1.16.txt
	$(LOCK) --python-version 3.11 --universal requirements/tfx-1.21.in -o requirements/tfx-1.21.txt
	$(LOCK) --python-version 3.10 --universal requirements/kfp.in -o requirements/kfp.txt

flink spark: %: .%/jars

.%/jars: requirements/jars.sh requirements/%.pom.xml requirements/%.sha256
	@requirements/jars.sh $*

clean:
	rm -rf .venv .uv .kfp .flink .spark .browser build dist *.egg-info
