# `make help` lists the commands. Each installs what it misses first (crates/xtask/setup.sh).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help demo test bench

HOLDFAST_CACHE ?= $(HOME)/.cache/holdfast
export HOLDFAST_CACHE

# Checks start from a fresh clone each time: what they build outside of it is there the next time.
ifndef CARGO_TARGET_DIR
ifeq ($(CI),true)
CARGO_TARGET_DIR := $(HOLDFAST_CACHE)/target
else
CARGO_TARGET_DIR := $(CURDIR)/target
endif
endif
export CARGO_TARGET_DIR

# Where setup.sh puts a Node.js when the machine's own is too old for the browser tests.
export PATH := $(HOLDFAST_CACHE)/node/bin:$(PATH)

# Native commands name no package: cargo resolves features for what it is told to build, and another choice of packages
# would build the dependencies again.

help: ## Lists the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

demo: ## Builds Holdfast and runs it with three databases of its own; Ctrl-C stops all
	@crates/xtask/setup.sh demo
	cargo xtask build-ui
	cargo build --release
	exec "$$CARGO_TARGET_DIR/release/holdfast" demo

test: ## Runs all tests: formatting, lints, licences, Rust on real servers, the API from outside, the browser
	@crates/xtask/setup.sh test
	logs=$$(mktemp -d)
	trap 'rm -rf "$$logs"' EXIT
	set -x
	cargo fmt --all --check
	cargo xtask build-ui
	cargo clippy --all-targets -- -D warnings
	cargo clippy --package xtask --all-targets -- -D warnings
	"$(HOLDFAST_CACHE)/cargo/bin/cargo-deny" --log-level warn check licenses bans sources
	cargo clippy --package frontend --package domain --target wasm32-unknown-unknown -- -D warnings
	cargo build
	cargo test --no-fail-fast 2>&1 | tee "$$logs/rust"
	cd e2e
	npm run --silent check
	HOLDFAST_BIN="$$CARGO_TARGET_DIR/debug/holdfast" npm run --silent test 2>&1 | tee "$$logs/browser"
	{ set +x; } 2>/dev/null
	awk '/^test result:/ { passed += $$4; failed += $$6; ignored += $$8 }
		END { printf "Rust tests: %d passed, %d failed, %d ignored\n", passed, failed, ignored }' "$$logs/rust"
	awk '/^  [0-9]+ (passed|failed|flaky|skipped)/ { printf "%s %d %s", (n++ ? "," : "Browser tests:"), $$1, $$2 }
		END { print "" }' "$$logs/browser"

bench: ## Measures the bounds on backups, restores, lists and the web app; prints a table
	@crates/xtask/setup.sh demo
	cargo xtask build-ui
	cargo bench --bench bounds
