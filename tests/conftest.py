# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all tests share: the environment in which Ansible runs, the same however pytest was started."""

from __future__ import annotations

import os
import sys
import typing as t
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent

# A configuration of the user's must not decide a test.
for name in [name for name in os.environ if name.startswith("ANSIBLE_")]:
    del os.environ[name]
os.environ["ANSIBLE_CONFIG"] = str(ROOT / "tests" / "ansible.cfg")
os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / ".venv" / "collections")
os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])


class ByFile(LoadScopeScheduling):
    """A file's tests go to one worker, because they share fixtures; each molecule scenario goes its own way."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if file.endswith("test_molecule.py") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: t.Any) -> ByFile:
    return ByFile(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=1, help="how often each row of the table of faults is tried")
