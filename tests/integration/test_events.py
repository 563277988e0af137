# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run tells while it goes on: lines on a terminal, events for programs, nothing under CI."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.conftest import BIG
from ansible_collections.airlift.registry.tests.integration.support.lab import HOSTS, Lab
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

MB = 1_000_000


def said_on_a_terminal(command: t.Sequence[str], **environment: str) -> str:
    """All that a command writes to the terminal that it has; it must succeed."""
    leader, follower = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    process = subprocess.Popen(
        command, env={**inherited, **environment}, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower
    )
    os.close(follower)
    said = b""
    try:
        while part := os.read(leader, 65536):
            said += part
    except OSError:
        # As Linux says that nobody has the other end any more.
        pass
    finally:
        os.close(leader)
    assert process.wait(60) == 0, said.decode()
    return said.decode()


def test_two_hosts_on_a_terminal_and_under_ci(lab: Lab, big: Path, signer: Signer, tmp_path: Path) -> None:
    variables = {
        "preload_bundle": str(big), "preload_allowed_signers": str(signer.allowed_signers),
        "preload_bandwidth_limit": 8 * MB, "preload_events": str(tmp_path / "events.jsonl"),
    }  # fmt: skip
    command = ["ansible-playbook", "-i", str(lab.inventory), "airlift.registry.preload", "-e", json.dumps(variables)]
    for environment, is_quiet in (({}, False), ({"CI": "true"}, True)):
        for host in HOSTS:
            lab.clean(host)
        said = said_on_a_terminal(command, **environment)
        for words in (*(f"{host}: 25.2 of 25.2 MB (100 %)" for host in HOSTS), "2 of 2 hosts: 50.3 of 50.3 MB (100 %)"):
            assert said.count(words) == (not is_quiet), said
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    for host in HOSTS:
        found = [event for event in events if event["host"] == host]
        kinds = [event["event"] for event in found]
        # Both runs wrote to the same file.
        first = found[: kinds.index("start", 1)]
        kinds = kinds[: len(first)]
        assert kinds == ["start", "plan", *["progress"] * (len(kinds) - 4), "image", "end"]
        assert len(kinds) >= 4 + 2
        plan, *progress, image, end = first[1:]
        assert [event["sent"] for event in progress] == sorted({event["sent"] for event in progress})
        assert plan["bytes"] == progress[-1]["sent"] == progress[-1]["bytes"] == end["bytes_sent"]
        assert (image["image"], end["changed"], end["bytes_wasted"]) == (BIG, True, 0)
        assert [event["time"] for event in first] == sorted(event["time"] for event in first)


def test_a_host_that_fails_says_so(lab: Lab, tiny: Path, signer: Signer, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    arguments = f"path={tiny} allowed_signers={signer.allowed_signers} events={path} docker_host=unix:///run/none.sock"
    ad_hoc = ["ansible", "-i", str(lab.inventory), HOSTS[0], "-b", "-m", "airlift.registry.image_preload"]
    for options in (["--check"], []):
        done = subprocess.run([*ad_hoc, *options, "-a", arguments], capture_output=True, text=True, check=False)
        assert "/run/none.sock" in done.stdout
        assert path.exists() == (not options)
    start, error = (json.loads(line) for line in path.read_text().splitlines())
    assert (start["event"], error["event"], error["bytes_sent"]) == ("start", "error", 0)
    assert "/run/none.sock" in error["problem"]
    assert error["next_step"]
