# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python molecule/resources/demo`: the whole journey on real engines, step by step, and whether every claim held."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from demo import narrator, story

narrator.say(story.INTRODUCTION)
teller = narrator.Narrator()
with teller.reporting():
    site = story.prepare(teller)
    story.pack(teller, site)
    story.deploy(teller, site)
    story.publish(teller, site)
    story.pull(teller, site)
    story.fail_over(teller, site)
    story.preload(teller, site)
    story.update(teller, site)
story.look_around(site)
sys.exit(teller.exit_code())
