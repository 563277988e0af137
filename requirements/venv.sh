#!/usr/bin/env bash
# Makes .venv from requirements/dev.lock. Called by `make venv`: venv.sh STAMP, the file to leave behind when all is done.
set -euo pipefail
stamp=$1
python=${PYTHON:-python3}
cd "$(dirname "$0")/.."
# The environment is made by the machine's Python, not by the one that it replaces.
PATH=${PATH#"$(pwd -P)/.venv/bin:"}

# Two makes at the same time take turns; the second finds the work done.
exec 9<requirements/dev.lock
flock 9
[ ! -e "$stamp" ] || exit 0

missing_packages() {
    local package
    grep -v '^#' requirements/apt.txt | while read -r package; do
        dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

install_packages() {
    command -v dpkg-query >/dev/null || return 0
    local missing
    missing=$(missing_packages | xargs)
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "These Debian packages are missing. Run: sudo apt-get install $missing" >&2
        exit 1
    fi
    echo "Installing $missing."
    # As Debian has it, the tracker would listen on every address from then on.
    case " $missing " in *" opentracker "*) [ ! -d /run/systemd/system ] || systemctl --quiet mask opentracker.service ;; esac
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    # shellcheck disable=SC2086 # a list of names
    apt-get -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing >/dev/null
}

# The lock pins uv as well: its entry is all that pip installs, the rest is uv's work.
install_python_packages() {
    local interpreter
    interpreter=$("$python" -c 'import sys; print(sys.base_prefix, *sys.version_info[:3])')
    if [ "$(cat .venv/interpreter 2>/dev/null)" != "$interpreter" ]; then
        rm -rf .venv
        "$python" -m venv .venv
        echo "$interpreter" >.venv/interpreter
    fi
    awk '/^uv==/ { found = 1 } found { print } found && !/\\$/ { exit }' requirements/dev.lock >.venv/uv.lock
    .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement .venv/uv.lock
    VIRTUAL_ENV=$PWD/.venv .venv/bin/uv pip sync --quiet --system-certs --require-hashes requirements/dev.lock
}

# Ansible, pytest and mypy find the checkout under the name of the collection.
link_collection() {
    mkdir -p .venv/collections/ansible_collections/airlift
    ln -sfn ../../../.. .venv/collections/ansible_collections/airlift/registry
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $python is $("$python" --version). Set PYTHON=/path/to/python3." >&2
    exit 1
}
install_packages
install_python_packages
link_collection
rm -f .venv/stamp-*
touch "$stamp"
