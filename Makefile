# The commands of this project. `make run` and `make test` need Rust, Python 3 and a C compiler, and get the rest
# themselves: Python packages into python-wasm/out, binaryen from npm beside them; packages from PyPI and npm into target and
# web, and Debian's packages for the tests.

CARGO ?= cargo
PYTHON ?= python3
# CARGO_TARGET_DIR may point elsewhere; everything below follows it.
TARGET := $(or $(CARGO_TARGET_DIR),target)
CRONBOX := $(TARGET)/release/cronbox
MERGE_TOOL := $(TARGET)/release/cronbox-guest-merge
RUST_NEEDED := 1.95
# Programs from PyPI that the tests set against ours.
TEST_VENV := $(abspath $(TARGET))/test-venv
# A generator of TypeScript clients, and the compiler, from npm.
TEST_NODE := $(abspath $(TARGET))/test-node
# Packages from PyPI that the tests run in sandboxes.
TEST_WHEELS := $(abspath $(TARGET))/test-wheels
# CPython's own tests, which run in sandboxes.
TEST_SUITE := $(abspath $(TARGET))/test-suite
# Node.js for the page, where the machine has none that is new enough.
WEB_NODE := $(abspath $(TARGET))/web-node
WEB_NODE_NEEDED := 22.12.0
NPM := PATH="$(WEB_NODE):$$PATH" npm --prefix web
# A snapshot that is missing or differs is a failure and is not written; `INSTA_UPDATE=always make test` writes them.
INSTA_UPDATE ?= no
TEST_ENV := CRONBOX_TEST_VENV=$(TEST_VENV) CRONBOX_TEST_NODE=$(TEST_NODE) CRONBOX_TEST_WHEELS=$(TEST_WHEELS) \
   CRONBOX_TEST_SUITE=$(TEST_SUITE) INSTA_UPDATE=$(INSTA_UPDATE) \
   CRONBOX_TEST_PAGE_NODE=$(WEB_NODE)/node
# Own code is optimised less for tests, so that a change of it is tested sooner. Dependencies are the same, and so is the
# program of `make build`.
# Where one line is changed at a time, only what depends on it is compiled again; a build from nothing would pay for the records
# that this takes.
LESS := --config profile.release.package.cronbox.opt-level=1 --config profile.release.package.cronbox-runtime.opt-level=1 \
   $(if $(CI),,--config profile.release.incremental=true)
# The resolver of packages, beside the program.
UV := $(TARGET)/release/uv
# Programs that look at the dependencies.
LINT_TOOLS := $(TARGET)/lint-tools
# What the files of a release are packed with.
DIST_VENV := $(TARGET)/dist-venv
# Debian's packages of what `make test-dist` installs and starts them with.
DIST_SERVERS := debootstrap crun umoci iproute2 systemd-container zstd
# Debian's packages of what the tests start, of the browser that they look at the page with, and of Prometheus's tool.
SERVERS := postgresql redis-server iproute2 openssl libfaketime chromium nginx caddy prometheus

.PHONY: build run tour test test-upgrade statements lint bench soak dist test-dist screenshots guest page tools servers clean

# The release binary. The whole workspace, here and below: a smaller selection would resolve other features of shared
# dependencies, and wasmtime would be compiled once for each.
build: guest page $(UV)
	$(CARGO) build --release --locked --workspace

# The server on its defaults, with a script that was uploaded and run; it goes on until Ctrl-C.
run: build
	@tests/tour/serve.sh $(CRONBOX)

# Three scripts without a server: a result, an error, and an endless loop that is stopped.
tour: build
	@echo '$$ cronbox run tests/tour/prices.py --arg symbol=INIT' && $(CRONBOX) run tests/tour/prices.py --arg symbol=INIT
	@echo '$$ cronbox run tests/tour/mistake.py' && { $(CRONBOX) run tests/tour/mistake.py; test $$? -eq 1; }
	@echo '$$ cronbox run tests/tour/endless.py --fuel 5e9' && { $(CRONBOX) run tests/tour/endless.py --fuel 5e9; test $$? -eq 3; }

# Everything that is proven, proven.
test: guest page servers $(UV) $(TEST_VENV)/installed $(TEST_NODE)/installed $(TEST_WHEELS)/fetched $(TEST_SUITE)/version
	$(NPM) test --silent
	$(TEST_ENV) $(CARGO) test --release --locked --workspace --no-fail-fast $(LESS)

# Records what this version asks the databases, in tests/upgrade: tests of later versions read it. Before each release.
STATEMENTS := $(abspath $(TARGET))/statements
statements: guest page servers $(UV) $(TEST_VENV)/installed $(TEST_WHEELS)/fetched
	rm -f $(STATEMENTS)
	CRONBOX_TEST_STATEMENTS=$(STATEMENTS) $(TEST_ENV) $(CARGO) test --release --locked --workspace $(LESS) --test main -- \
	   store:: service:: scheduler::
	$(PYTHON) tests/upgrade/record.py $(STATEMENTS)

# Format, dependencies, clippy with warnings as errors, the room test. Release, like everything else: one set of build
# artefacts. `.deny.toml` says what dependencies must keep to.
lint: guest page $(LINT_TOOLS)/installed
	$(CARGO) fmt --all --check
	$(LINT_TOOLS)/bin/cargo-shear --locked --deny-warnings
	$(LINT_TOOLS)/bin/cargo-deny --locked --workspace check --deny unmatched-skip --hide-inclusion-graph bans licenses sources
	$(CARGO) clippy --release --locked --workspace --all-targets $(LESS) -- -D warnings
	$(CARGO) test --release --locked --workspace $(LESS) --test main -- rooms

# What it costs, in tables. PYERYX_PYTHON names a Python that has pyeryx, to have it measured beside; PARTS names some of
# sandbox, kernels, packages, network, server, lists, waiting, schedules, alerts, traces.
bench: guest servers $(UV) $(TEST_VENV)/installed $(TEST_WHEELS)/fetched
	$(TEST_ENV) $(CARGO) bench --locked --workspace --bench sandbox -- $(PARTS)

# The tests again, with ten times the rounds where rounds are counted.
soak: guest page servers $(UV) $(TEST_VENV)/installed $(TEST_NODE)/installed $(TEST_WHEELS)/fetched $(TEST_SUITE)/version
	$(TEST_ENV) CRONBOX_SOAK=1 $(CARGO) test --release --locked --workspace --no-fail-fast $(LESS)

# Nodes of an earlier revision are replaced by nodes of this one under load: make test-upgrade EARLIER=v0.1.0. It builds that
# revision in target/earlier.
EARLIER_SOURCE := $(abspath $(TARGET))/earlier
test-upgrade: guest page servers $(UV)
	@git rev-parse --quiet --verify '$(EARLIER)^{commit}' >/dev/null || \
	 { echo 'Name the earlier revision: make test-upgrade EARLIER=REVISION'; exit 1; }
	test -d $(EARLIER_SOURCE) || git worktree add --detach $(EARLIER_SOURCE) '$(EARLIER)'
	git -C $(EARLIER_SOURCE) checkout --detach '$(EARLIER)'
	unset CARGO_TARGET_DIR && $(MAKE) -C $(EARLIER_SOURCE) build
	CRONBOX_TEST_EARLIER=$(EARLIER_SOURCE)/target/release/cronbox $(TEST_ENV) \
	 $(CARGO) test --release --locked --workspace $(LESS) --test main -- --ignored upgrade::rolling

# The files of a release, in target/dist: an archive, a Debian package, an image for containers, a Helm chart, sums.
dist: build $(DIST_VENV)/installed
	@command -v dpkg-deb objdump strip >/dev/null || { echo 'dpkg-deb, objdump or strip is missing: install dpkg and binutils'; exit 1; }
	$(DIST_VENV)/bin/python .ci/dist/dist.py --target $(TARGET)

# Installs the files of `make dist` in new roots of Debian 12 and 13, which have no compiler, and starts them: from the archive,
# as a package (installed, upgraded, removed, purged), under systemd, and as a container. Needs root and takes minutes.
test-dist: $(DIST_VENV)/installed
	@command -v debootstrap crun umoci ip systemd-nspawn zstd >/dev/null || \
	 if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	   apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $(DIST_SERVERS); \
	 else echo 'Packages are missing: sudo apt-get install $(DIST_SERVERS)'; exit 1; fi
	$(DIST_VENV)/bin/python tests/dist/check.py --target $(TARGET)

# Pictures of the page, from a server with things in it.
screenshots: build servers
	CRONBOX_PROGRAM=$(abspath $(CRONBOX)) $(WEB_NODE)/node web/e2e/screenshots.ts $(abspath $(TARGET))/screenshots

# The interpreter, as a WebAssembly component; does nothing when it is up to date.
guest: tools
	@$(CARGO) build --release --locked --quiet -p cronbox-guest-merge
	@$(PYTHON) python-wasm/build.py --merge-tool $(MERGE_TOOL)

# What a browser shows at `/`; does nothing when it is up to date. The types of the API are checked while it is built.
page: web/dist/page/index.html

web/dist/page/index.html: web/node_modules/.package-lock.json web/index.html web/vite.config.ts web/tsconfig.json \
      $(shell find web/src web/public -type f)
	$(NPM) run --silent build
	@touch $@

web/node_modules/.package-lock.json: web/package.json web/package-lock.json web/node.sh | tools
	web/node.sh $(WEB_NODE) $(PYTHON) $(WEB_NODE_NEEDED)
	$(NPM) ci --ignore-scripts --silent
	@touch $@

# What has to be on the machine.
tools:
	@command -v $(CARGO) >/dev/null || { echo 'Rust is missing: install it from https://rustup.rs'; exit 1; }
	@rust=$$(rustc --version | sed 's/rustc \([0-9]*\.[0-9]*\).*/\1/'); \
	 test "$$(printf '%s\n' $(RUST_NEEDED) $$rust | sort -V | head -n 1)" = $(RUST_NEEDED) \
	   || { echo "Rust $$rust is too old, $(RUST_NEEDED) is needed: rustup update stable"; exit 1; }
	@command -v cc >/dev/null && $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory packages

$(TEST_VENV)/installed: tests/peers/requirements.txt
	$(PYTHON) -m venv --clear $(TEST_VENV)
	$(TEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/peers/requirements.txt
	@touch $@

$(TEST_NODE)/installed: tests/clients/fetch.sh tests/clients/package.json tests/clients/package-lock.json | $(TEST_VENV)/installed
	tests/clients/fetch.sh $(TEST_NODE) $(TEST_VENV)/bin/python
	@touch $@

$(DIST_VENV)/installed: .ci/dist/requirements.txt
	@$(PYTHON) -c 'import tomllib' 2>/dev/null || { echo 'Python 3.11 or newer is needed: PYTHON=python3.11 make dist'; exit 1; }
	$(PYTHON) -m venv --clear $(DIST_VENV)
	$(DIST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

$(LINT_TOOLS)/installed: .ci/tools.txt
	$(PYTHON) -m venv --clear $(LINT_TOOLS)
	$(LINT_TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

# With the test environment's pip: a system's Python may have none.
OPTIONAL := $(wildcard tests/packages/optional/cp3*.txt)
$(TEST_WHEELS)/fetched: tests/packages/requirements.txt $(OPTIONAL) | $(TEST_VENV)/installed
	rm -rf $(TEST_WHEELS)
	$(TEST_VENV)/bin/python -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
	   --platform any --python-version 3.14 --implementation py --abi none -d $(TEST_WHEELS) -r tests/packages/requirements.txt
	for list in $(OPTIONAL); do tag=$$(basename $$list .txt); \
	   $(TEST_VENV)/bin/python -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
	     --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux_2_28_x86_64 \
	     --python-version $${tag#cp} --implementation cp --abi $$tag --abi abi3 --abi none -d $(TEST_WHEELS) -r $$list || exit 1; done
	@touch $@

# From Debian's archive, through the mirror that this machine's apt uses.
$(TEST_SUITE)/version: tests/cpython/suite.txt tests/cpython/fetch.sh
	tests/cpython/fetch.sh $(TEST_SUITE)

$(UV): src/packages/uv.txt
	@mkdir -p $(@D)
	$(PYTHON) -m venv --clear $(TARGET)/uv-venv
	$(TARGET)/uv-venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@cp $(TARGET)/uv-venv/bin/uv $@ && touch $@

# What the tests start servers and networks of their own with.
servers:
	@(ls /usr/lib/postgresql/*/bin/postgres /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 && \
	   for name in redis-server ip openssl chromium caddy promtool /usr/sbin/nginx; do command -v $$name >/dev/null || exit 1; done) || \
	 if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	   apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $(SERVERS); \
	 else echo 'Servers are missing, which the tests need: sudo apt-get install $(SERVERS)'; exit 1; fi

# Debian's packages for what is missing.
.PHONY: packages
packages:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	   apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy gcc libc6-dev python3 python3-venv; \
	 else echo 'A C compiler or Python with venv is missing: sudo apt-get install gcc libc6-dev python3-venv'; exit 1; fi

clean:
	$(CARGO) clean
	rm -rf python-wasm/out web/dist/page web/node_modules
