#!/bin/sh
# Make the virtual environment .venv hold exactly what requirements.lock says, and this project in editable mode.
# Needs Python 3.11 or newer and a way to the package index; PYTHON names another interpreter to build with.
set -eu
cd "$(dirname "$0")/.."
. tools/debian.sh

venv=.venv
new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

find_python() {
    for candidate in ${PYTHON:-python3.11 python3}; do
        # Asking it to run tells a real interpreter from a version manager's empty shim.
        if "$candidate" -c "$new_enough" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "setup: Python 3.11 or newer is needed, and neither ${PYTHON:-python3.11 nor python3} is one." >&2
    echo "setup: install it (Debian 12 and later: apt-get install python3 python3-venv) or set PYTHON=/path/to/python3.11" >&2
    return 1
}

if ! "$venv/bin/python" -c "$new_enough" 2>/dev/null; then
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        if ! install_debian_packages "python$version-venv"; then
            echo "setup: $python cannot make virtual environments: install the Debian package python$version-venv" >&2
            exit 1
        fi
    fi
    echo "Creating $venv with $("$python" --version) ..."
    "$python" -m venv --clear "$venv"
fi

if ! [ -x "$venv/bin/uv" ]; then
    "$venv/bin/python" -c 'import pip' 2>/dev/null || "$venv/bin/python" -m ensurepip >/dev/null
    # The lock's own entry for uv, with its hashes: the installer is checked like everything it installs.
    awk '/^uv==/ {inside = 1} inside && /^ *#/ {exit} inside' requirements.lock > "$venv/uv.lock"
    "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --require-hashes --no-deps -r "$venv/uv.lock"
fi

# uv does not read pip's configuration: a machine that reaches its index through a mirror has said so to pip only.
if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ] && "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    index=$("$venv/bin/python" -m pip config get global.index-url 2>/dev/null || true)
    index=${PIP_INDEX_URL:-$index}
    if [ -n "$index" ]; then
        export UV_DEFAULT_INDEX="$index"
    fi
fi

echo "Installing the locked dependencies into $venv (about 1.5 GB; the first time takes a minute or two) ..."
"$venv/bin/uv" pip sync --quiet --python "$venv/bin/python" --require-hashes requirements.lock
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .

# What commands import is compiled now: else the first command of everyone waits for it, and where the environment has
# PYTHONDONTWRITEBYTECODE, as many containers have, every command.
env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -c '
import rtsm
for row in rtsm.COMMANDS.values():
    for part in (row.parts or {"": row}).values():
        rtsm.registered(part.module)
' || echo "setup: some commands cannot be imported (see above): they compile when they run." >&2
