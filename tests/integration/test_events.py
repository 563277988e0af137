# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run tells while it goes on: lines on a terminal, events for programs, nothing under CI."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.conftest import BIG
from ansible_collections.airlift.registry.tests.integration.support.lab import HOSTS, ROOT, Lab
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


GUIDE = (ROOT / "docs/guides/preloading.md").read_text()


def told(path: Path) -> list[dict[str, t.Any]]:
    """The events of a file, each with the fields that the guide names."""
    fields = {kind: {"time", "event", "host", "check_mode", *named} for kind, named in documented().items()}
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        assert set(event) == fields[event["event"]], event
    return events


def documented() -> dict[str, list[str]]:
    """The fields of each event, by the guide's table."""
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \|([^|]*)\|$", GUIDE, re.MULTILINE)
    return {kind: re.findall(r"`(\w+)`", fields) for kind, fields in rows}


def test_two_hosts_on_a_terminal_and_under_ci(lab: Lab, big: Path, signer: Signer, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    variables = {
        "preload_bundle": str(big), "preload_allowed_signers": str(signer.allowed_signers),
        "preload_bandwidth_limit": 8 * MB, "preload_events": str(path),
    }  # fmt: skip
    command = ["ansible-playbook", "-i", str(lab.inventory), "airlift.registry.preload", "-e", json.dumps(variables)]
    for environment, is_quiet in (({}, False), ({"CI": "true"}, True)):
        for host in HOSTS:
            lab.clean(host)
        path.unlink(missing_ok=True)
        said = said_on_a_terminal(command, **environment)
        for words in (*(f"{host}: 25.2 of 25.2 MB (100 %)" for host in HOSTS), "2 of 2 hosts: 50.3 of 50.3 MB (100 %)"):
            assert said.count(words) == (not is_quiet), said
        for host in HOSTS:
            assert_tell_of_the_big_image([event for event in told(path) if event["host"] == host])
    path.unlink()
    said_on_a_terminal(command)
    for host in HOSTS:
        start, plan, end = (event for event in told(path) if event["host"] == host)
        assert [event["event"] for event in (start, plan, end)] == ["start", "plan", "end"]
        assert (plan["images"], plan["bytes"], end["changed"], end["to_do"]) == (0, 0, False, False)


def assert_tell_of_the_big_image(events: list[dict[str, t.Any]]) -> None:
    """A host that is asked, and then sent to."""
    start, plan, asked, *_again, image, end = events
    progress = [event for event in events if event["event"] == "progress"]
    kinds = ["start", "plan", "end", "start", "plan", *["progress"] * len(progress), "image", "end"]
    assert [event["event"] for event in events] == kinds
    assert [event["check_mode"] for event in events] == [*[True] * 3, *[False] * (len(kinds) - 3)]
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert len(progress) >= 2
    assert [event["sent"] for event in progress] == sorted({event["sent"] for event in progress})
    assert plan["bytes"] == progress[-1]["sent"] == progress[-1]["bytes"] == end["bytes_sent"]
    assert (image["image"], end["changed"], end["bytes_wasted"]) == (BIG, True, 0)
    assert [(event["changed"], event["to_do"]) for event in (asked, end)] == [(True, True), (True, False)]
    assert (start["event"], asked["bytes_sent"]) == ("start", 0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param({"docker_host": "unix:///run/none.sock"}, "/run/none.sock", id="an engine that does not answer"),
        pytest.param({"path": "nothing.tar"}, "There is no bundle at", id="no bundle"),
        pytest.param({"allowed_signers": "/dev/null"}, "sign", id="a bundle that nobody may have signed"),
        pytest.param({"images": "other:v1"}, "has no image", id="an image that is not there"),
    ],
)
def test_a_host_that_fails_says_so(
    lab: Lab, tiny: Path, signer: Signer, tmp_path: Path, wrong: dict[str, str], words: str
) -> None:
    path = tmp_path / "events.jsonl"
    options = {"path": str(tiny), "allowed_signers": str(signer.allowed_signers), "events": str(path), **wrong}
    ad_hoc = ["ansible", "-i", str(lab.inventory), HOSTS[0], "-b", "-m", "airlift.registry.image_preload"]
    for mode in (["--check"], []):
        done = subprocess.run([*ad_hoc, *mode, "-a", json.dumps(options)], capture_output=True, text=True, check=False)
        assert words in done.stdout
        start, error = (event for event in told(path) if event["check_mode"] == bool(mode))
        assert (start["event"], error["event"], error["bytes_sent"]) == ("start", "error", 0)
        assert words in error["problem"]
        assert error["next_step"]
