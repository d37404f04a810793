# Two commands matter: `make run` and `make test`. Both install what is missing, or name the one command that does.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export CARGO_TARGET_DIR ?= $(CURDIR)/target
BIN := $(CARGO_TARGET_DIR)/debug

.PHONY: run demo test check gen fmt build build-test setup setup-test test-wire test-isolation test-e2e test-browser bench

build: setup
	cargo build --locked --bins

setup:
	@ops/setup postgres toolchain

setup-test:
	@ops/setup postgres redis chromium toolchain

## Starts the whole platform on this machine: private PostgreSQL, Stripe double, mailbox page.
run: build
	@exec ops/run $(BIN)

## Walks signup to a called service without a person, timing each step.
demo: build
	@cargo run --locked -q -p micro-e2e --bin demo

# The binaries as tests use them: able to end themselves at a named step.
build-test: setup-test
	cargo build --locked --workspace --bins --features micro-cli/failpoints

## Everything that decides whether a change is good, but the format and the lints, which are `make check`.
test: build-test
	cargo test --locked --workspace --features micro-cli/failpoints
	cargo test --locked --manifest-path sdk/rust/Cargo.toml --all-features

test-wire: build-test
	cargo test --locked -p micro-wire

test-isolation: build-test
	cargo test --locked -p micro-isolation

test-e2e: build-test
	cargo test --locked -p micro-e2e --test it

test-browser: build-test
	cargo test --locked -p micro-e2e --test it browser

# Speed and size beside peers, from a release build: `make bench`, `make bench ROWS="store gateway"`, `make bench QUICK=1`,
# `make bench OUTPUT=json`. See tests/bench/README.md.
bench:
	@ops/setup postgres redis toolchain envoy
	cargo build --locked --release -p micro-cli -p micro-bench
	$(CARGO_TARGET_DIR)/release/micro-bench --envoy "$${XDG_CACHE_HOME:-$$HOME/.cache}/micro/envoy/envoy" $(if $(QUICK),--quick) $(if $(OUTPUT),--output $(OUTPUT)) $(ROWS)

check:
	cargo fmt --all --check
	cargo fmt --manifest-path sdk/rust/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --manifest-path sdk/rust/Cargo.toml --all-targets --all-features -- -D warnings
	cargo run --locked -q -p micro-codegen -- --check
	cargo test --locked -q -p micro-e2e --test house
	@if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; else echo "cargo-deny is not installed: licences and sources were not checked"; fi

gen:
	cargo run --locked -q -p micro-codegen

fmt:
	cargo fmt --all
	cargo fmt --manifest-path sdk/rust/Cargo.toml
