#!/bin/sh
# Resolve pyproject.toml into requirements.lock (called by `make lock`): hashes for every file, no address of any index.
set -eu
cd "$(dirname "$0")/.."
new=$(mktemp "${TMPDIR:-/tmp}/requirements.XXXXXX")
trap 'rm -f "$new"' EXIT
cp requirements.lock "$new"  # uv keeps the versions it finds in the output file; UPGRADE=1 asks for newer ones
.venv/bin/uv pip compile --quiet --universal --python-version "$(cat .python-version)" --generate-hashes \
    --no-emit-index-url --no-header --group dev ${UPGRADE:+--upgrade} pyproject.toml -o "$new"
if grep -n '://' "$new"; then
    echo "make lock: the lines above hold an address; requirements.lock is unchanged" >&2
    exit 1
fi
cp "$new" requirements.lock
echo "requirements.lock: $(grep -c '^[a-z]' requirements.lock) packages"
