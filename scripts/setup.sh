#!/usr/bin/env bash
# Makes .venv from uv.lock. Needs only a Python of at least 3.11 with pip and venv; pip's own settings (index, proxy,
# certificates) are honoured for the one package it installs, uv, and uv reads its own. Whatever is installed is a wheel whose hash
# stands in scripts/uv.txt or uv.lock; a package that was altered stops the set-up.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

find_python() {
  local name
  for name in ${PYTHON:-python3.13 python3.12 python3.11 python3.14 python3 python}; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then command -v "$name"; return; fi
  done
  fail "no Python 3.11 or newer found${PYTHON:+ (PYTHON=$PYTHON)}. Install one, or name it: make setup PYTHON=/path/to/python3"
}

install_uv() {
  local wanted
  wanted=$(sed -n 's/^uv==\([^ ]*\).*/uv \1/p' scripts/uv.txt)
  case "$(.tools/bin/uv --version 2>/dev/null) " in "$wanted "*) return ;; esac
  echo "setup: installing $wanted into .tools"
  "$python" -m venv .tools || fail "$python cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv"
  .tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r scripts/uv.txt \
    || fail "pip could not install uv: see the lines above (index, proxy, network, another hash than in scripts/uv.txt?)"
}

sync() {
  .tools/bin/uv sync --quiet --frozen --extra local --extra cluster --extra tracing --python "$python" "$@" \
    || fail "uv could not install the locked packages: see the lines above"
}

python=$(find_python)
install_uv
echo "setup: installing the locked packages into .venv (the first time fetches some hundred MB)"
# A folder left by an interrupted set-up is made anew.
[ -x .venv/bin/python ] || .tools/bin/uv venv --quiet --allow-existing --python "$python" .venv
sync --no-build --no-install-project
# This checkout is built by the locked hatchling, not by whatever the index has today.
# Compiled now, as pip does: else every start of every process compiles 1,200 modules where bytecode may not be written.
sync --no-build-isolation --compile-bytecode
.venv/bin/python -m compileall -q src
touch .venv/.ready
