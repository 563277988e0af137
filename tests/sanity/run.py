# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run `ansible-test sanity` on what the collection ships.

ansible-test works only in a real directory .../ansible_collections/airlift/registry, so the files go there first.
It keeps an environment per test in its home; ours is beside the copy, under .venv.

Left out, with the reason:

* molecule/ and tests/ but the sanity ignore files: they are never run on a host; ruff, mypy, yamllint and ansible-lint check them.
* compile and import on other Pythons than this one: a machine has one, and ruff refuses syntax newer than the oldest.
"""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".venv" / "sanity"
COPY = HOME / "ansible_collections" / "airlift" / "registry"
NOT_SHIPPED = (
    "molecule/",
    "tests/unit/",
    "tests/integration/",
    "tests/bench/",
    "tests/sanity/run.py",
    "tests/conftest.py",
)

# ansible-test fetches get-pip.py from a server of its own, where not every machine gets through. uv does the same from the package index.
GET_PIP = """\
import subprocess
import sys

packages = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
sys.exit(subprocess.call(["uv", "pip", "install", "--quiet", "--system-certs", "--python", sys.executable, *packages]))
"""


def copy_sources() -> None:
    """Put what git knows or would take into the place that ansible-test wants."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    shutil.rmtree(COPY, ignore_errors=True)
    for name in listing.stdout.split("\0"):
        if name and not name.startswith(NOT_SHIPPED) and (ROOT / name).exists():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name, follow_symlinks=False)
    # ansible-test asks git what to test. The checkout's git would say: nothing, .venv is ignored.
    subprocess.run(["git", "init", "--quiet"], cwd=COPY, check=True)


def provide_get_pip() -> None:
    """Leave our get-pip.py where ansible-test looks before it downloads one."""
    from ansible_test._internal.python_requirements import get_venv_packages

    version = get_venv_packages(types.SimpleNamespace(version=python_version()))["pip"]
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)


def configure_pip() -> None:
    """What the user told pip (an index, a proxy, certificates) holds in our home too; and pip is quiet."""
    config = configparser.RawConfigParser()
    config.read([Path.home() / ".pip/pip.conf", Path.home() / ".config/pip/pip.conf"])
    config.read_dict({"global": {"quiet": "1"}})
    place = HOME / ".config" / "pip" / "pip.conf"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w") as file:
        config.write(file)


def python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def main() -> int:
    copy_sources()
    provide_get_pip()
    configure_pip()
    command = ["ansible-test", "sanity", "--local", "--color", "no", "--python", python_version(), *sys.argv[1:]]
    environment = {**os.environ, "HOME": str(HOME), "LC_ALL": "C.UTF-8"}
    return subprocess.call(command, cwd=COPY, env=environment, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
