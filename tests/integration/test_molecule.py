# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every molecule scenario, from create to destroy."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
# These run in make test-all. garage: five hosts, deployed three times, of which three die, ten minutes; single: two hosts, three minutes; shared: four
# hosts, five minutes.
SLOW = ("garage", "shared", "single")
MINUTES = 30
# Of a scenario that fails, the end says why.
SHOWN_LINES = 150


@pytest.mark.parametrize(
    "scenario", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in SCENARIOS]
)
def test_scenario(scenario: str) -> None:
    log = ROOT / ".cache" / f"molecule-{scenario}.log"
    log.parent.mkdir(exist_ok=True)
    # Molecule writes an ansible.cfg of its own from the scenario.
    environment = {name: value for name, value in os.environ.items() if name != "ANSIBLE_CONFIG"}
    with log.open("w") as output:
        code = subprocess.run(
            ["molecule", "test", "--scenario-name", scenario],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=MINUTES * 60,
        ).returncode  # fmt: skip
    if code:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-SHOWN_LINES:])
        pytest.fail(f"molecule test --scenario-name {scenario} failed. The end of {log}:\n{end}", pytrace=False)
