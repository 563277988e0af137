# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How hypothesis runs here: the same examples each time, few enough for a unit test, and nothing written into the tree."""

from __future__ import annotations

from pathlib import Path

import hypothesis
from hypothesis.configuration import set_hypothesis_home_dir

ROOT = Path(__file__).resolve().parents[4]

set_hypothesis_home_dir(ROOT / ".cache" / "hypothesis")
hypothesis.settings.register_profile(
    "quick",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=40,
    # One bundle serves all examples of a test; none of them changes it.
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("quick")
