# Every target does its own set-up: the first one that is called makes .venv.
PYTHON ?= python3
BIN := .venv/bin
export TF_ENABLE_ONEDNN_OPTS ?= 1
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help demo test lint types tests notebooks docs report-screenshots results catalogue benchmark clean

help:
	@echo "make demo       train f-AnoGAN on scikit-learn's digits and write a report (two minutes)"
	@echo "make test       lint, types and tests (under twenty minutes)"
	@echo "make benchmark  measure speed, import time and memory, reproduce every recipe (half a day)"
	@echo "make notebooks  execute the notebooks on real data (some minutes each)"
	@echo "make docs       build the pages of docs/ into site/ (half a minute; open site/index.html)"
	@echo "make report-screenshots  the demo's report in Chromium, light and dark, wide and narrow"
	@echo "make catalogue  write what the command line knows of the detectors without TensorFlow"
	@echo "make results    write the tables of README and docs/ from benchmarks/results"

.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

.venv/installed-notebooks: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[notebooks]"
	@touch $@

.venv/installed-bench: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[bench]"
	@touch $@

.venv/installed-docs: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[docs]"
	@touch $@

demo: .venv/installed
	$(BIN)/keras-anogan demo

test: lint types tests

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-dev
	$(BIN)/mypy

tests: .venv/installed-dev
	$(BIN)/python -m pytest

notebooks: .venv/installed-notebooks
	$(BIN)/python tools/run_notebooks.py

docs: .venv/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

report-screenshots: .venv/installed
	rm -rf runs/screenshots
	$(BIN)/keras-anogan demo --out runs/screenshots/demo
	$(BIN)/python tools/report_screenshots.py runs/screenshots/demo/report.html runs/screenshots

catalogue: .venv/installed
	$(BIN)/python tools/catalogue.py

results: .venv/installed
	$(BIN)/python benchmarks/render.py

benchmark: .venv/installed-bench
	$(BIN)/python benchmarks/import_time.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/speed.py
	for name in fanogan-mnist-digit1 fanogan-mnist-oneclass fanogan_mended-mnist-oneclass fanogan_best-mnist-oneclass \
	  anogan-mnist-oneclass anogan-mnist-warmstart gan_discriminator-mnist-oneanomalous autoencoder-mnist-oneanomalous \
	  autoencoder_denoising-mnist-oneanomalous flow-mnist-oneanomalous siamese-mnist-oneanomalous vae-mnist-oneanomalous \
	  gan_discriminator_full-mnist-oneanomalous autoencoder_full-mnist-oneanomalous \
	  gan_discriminator-mnist-aspublished autoencoder-mnist-aspublished \
	  efficientgan-kdd99-paper alad-kdd99-paper efficientgan-kdd99-realistic efficientgan-mnist-oneanomalous flow-tables-defaults \
	  alocc-mnist-digit1 alocc-mnist-oneclass ognet-mnist-digit1 ognet-mnist-oneclass ognet-ped2-frames \
	  ganomaly-cifar10-car ganomaly_instance-cifar10-car skip_ganomaly-cifar10-car ganomaly-cifar10-leaks \
	  aae-mnist-oneanomalous aae-mnist-oneclass autoencoder_path-mnist-oneanomalous aae-kdd99-paper \
	  aae_ensemble-mnist-oneanomalous aae_ensemble-mnist-oneclass fanogan_path-mnist-oneclass efficientgan_path-kdd99-realistic \
	  ganomaly-cifar10-classes ganomaly-mnist-oneanomalous ganomaly_path-mnist-oneanomalous ganomaly-tiles-kinds \
	  pca-fabric-defaults pca-tiles-defaults features_gaussian-tiles-kinds features_flow-tiles-kinds patch_gaussian-tiles-kinds \
	  patch_neighbors-tiles-kinds features_multiscale-tiles-kinds ganomaly_tiled-tiles-kinds \
	  cvgan-ped2-frames cvgan-ped2-pixels cvgan-street-frames cvgan_thesis-ped2-frames iftm-ped2-falsealarms; do \
	  $(BIN)/keras-anogan reproduce $$name || exit 1; done
	$(BIN)/python benchmarks/render.py

clean:
	rm -rf .venv build site *.egg-info .pytest_cache .ruff_cache .mypy_cache
