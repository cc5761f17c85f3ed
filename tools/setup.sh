#!/bin/sh
# Make .venv from requirements.lock: sh tools/setup.sh UV_VERSION STAMP (called by `make setup`).
# May be interrupted and called again at any time: the stamp is written last.
set -eu
cd "$(dirname "$0")/.."
uv_version=$1
stamp=$2
want=$(cat .python-version)
started=$(date +%s)

is_wanted() { "$1" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$want')" >/dev/null 2>&1; }

find_python() {
    for candidate in "${PYTHON:-}" "python$want" python3 python \
        "$HOME/.local/bin/python$want" "/opt/homebrew/bin/python$want" "/usr/local/bin/python$want" \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$want".*/bin/python "$(uv python find "$want" 2>/dev/null || true)"; do
        if [ -n "$candidate" ] && is_wanted "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

complain() {
    echo "make setup: $1" >&2
    echo "  Debian, Ubuntu: apt install python$want python$want-venv    macOS: brew install python@$want" >&2
    echo "  any system:     uv python install $want, or pyenv install $want, or conda: see environment.yml" >&2
    echo "  A Python in another place: make setup PYTHON=/path/to/python$want" >&2
    exit 1
}

if ! is_wanted .venv/bin/python || [ ! -e "$stamp" ] && ls .venv/.setup-* >/dev/null 2>&1 \
    || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    [ -n "$python" ] || complain "no Python $want found"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || complain "$python cannot make virtual environments"
    echo "making .venv with $("$python" --version) ($(command -v "$python"))"
    "$python" -m venv --clear .venv
fi

if [ "$(.venv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != "$uv_version" ]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$uv_version"
fi

# uv does not read pip's settings: a mirror or a certificate set for pip is meant for uv as well.
pip_setting() { .venv/bin/python -m pip config get "global.$1" 2>/dev/null || true; }
index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$(pip_setting index-url)}}}
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
certificate=${SSL_CERT_FILE:-${PIP_CERT:-$(pip_setting cert)}}
[ -z "$certificate" ] || export SSL_CERT_FILE="$certificate"
if [ -e /etc/ssl/certs/ca-certificates.crt ] || [ "$(uname)" = Darwin ]; then
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"  # what the machine trusts, as pip does
fi
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"

echo "installing requirements.lock"
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --require-hashes -r requirements.lock
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .

touch "$stamp"
echo "ready in $(($(date +%s) - started)) s: .venv with $(.venv/bin/python --version)"
