# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A preload whose hosts feed each other, and one of them cannot: the end of docs/guides/large-fleets.md."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airlift.registry.tests.integration.conftest import BIG
from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support.lab import HOSTS, ROOT, STAGING, Lab, eventually
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

GUIDE = (ROOT / "docs/guides/large-fleets.md").read_text()


@pytest.fixture
def controller(lab: Lab) -> str:
    """The controller's address, as the hosts of the lab see it."""
    address = yaml.safe_load(lab.inventory.read_text())["all"]["hosts"][HOSTS[0]]["ansible_host"]
    found = subprocess.run(["ip", "-j", "route", "get", address], capture_output=True, text=True, check=True)
    return str(json.loads(found.stdout)[0]["prefsrc"])


@pytest.fixture
def fleet(lab: Lab) -> t.Iterator[Lab]:
    for host in HOSTS:
        lab.wait_for_engine(host)
        lab.clean(host)
    yield lab
    lab.run(HOSTS[1], "[ -e /usr/bin/aria2c ] || mv /usr/bin/aria2c.away /usr/bin/aria2c")


@pytest.fixture
def commands(fleet: Lab, big: Path, signer: Signer, controller: str) -> list[str]:
    """The guide's after those of the registry, for this fleet: to look, by the rule, always."""
    commands = documents.commands(GUIDE)[3:]
    for said, meant in {
        "inventory.yml": fleet.inventory,
        "app.tar": big,
        "=allowed_signers": f"={signer.allowed_signers}",
        "192.0.2.10": controller,
    }.items():
        commands = [command.replace(said, str(meant)) for command in commands]
    return commands


@pytest.fixture
def command(commands: list[str]) -> str:
    """The one that does not leave it to the rule."""
    return commands[-1]


def gone(fleet: Lab, host: str) -> bool:
    """No process of the swarm, and no file."""
    return fleet.run(host, f"pgrep -x aria2c; ls -d {STAGING}/swarm 2>/dev/null", check=False) == ""


@pytest.mark.parametrize(
    ("without", "pushed"), [pytest.param("", [], id="all"), pytest.param(HOSTS[1], [HOSTS[1]], id="one has no aria2")]
)
def test_layers_come_from_the_swarm_and_the_rest_is_pushed(
    fleet: Lab, command: str, tmp_path: Path, without: str, pushed: list[str]
) -> None:
    if without:
        fleet.run(without, "mv /usr/bin/aria2c /usr/bin/aria2c.away")
    said = documents.run(f"{command} -e preload_report={tmp_path}/report", tmp_path)
    sent = {host: json.loads((tmp_path / "report" / f"{host}.json").read_text())["bytes_sent"] for host in HOSTS}
    assert [host for host in HOSTS if sent[host]] == pushed
    for host in HOSTS:
        assert list(fleet.images(host)) == [BIG.removeprefix("docker.io/library/")]
        assert fleet.look(host).staging == ()
        assert gone(fleet, host)
    assert ("aria2c is missing" in said) == bool(without)


@pytest.mark.parametrize(
    ("least", "transport", "reason"),
    [
        pytest.param(2, "swarm", "swarm, as 2 hosts of the site fleet lack the same", id="enough hosts"),
        pytest.param(3, "push", "no swarm, as fewer than 3 hosts of the site fleet lack the same layers", id="too few"),
    ],
)
def test_auto_chooses_by_the_rule_and_says_why(
    fleet: Lab, commands: list[str], tmp_path: Path, least: int, transport: str, reason: str
) -> None:
    rule = f" -e preload_swarm_min_hosts={least} -e preload_swarm_min_bytes=1000000"
    look, bring, _always = commands
    assert f"{reason}" in documents.run(look + rule, tmp_path)
    assert all(fleet.look(host).staging == () and not fleet.images(host) for host in HOSTS)
    documents.run(f"{bring}{rule} -e preload_report={tmp_path}/report", tmp_path)
    report = json.loads((tmp_path / "report" / "fleet.json").read_text())
    for host in report["hosts"]:
        result = json.loads((tmp_path / "report" / f"{host['host']}.json").read_text())
        assert reason in result["transport_reason"]
        assert [image["transport"] for image in result["images"]] == [transport]
        came = {"swarm": host["bytes"]["swarm"], "push": host["bytes"]["sent"]}
        assert came == {**dict.fromkeys(came, 0), transport: host["bytes"]["lacking"]}
        assert host["bytes"]["staged"] == 0
        assert gone(fleet, host["host"])


@pytest.mark.slow  # like auto that chooses the swarm
def test_auto_pushes_when_no_seed_can_be(fleet: Lab, commands: list[str], controller: str, tmp_path: Path) -> None:
    """As on a controller without aria2; here the address is not its own."""
    _look, bring, _always = commands
    elsewhere = bring.replace(f"preload_swarm_address={controller}", "preload_swarm_address=192.0.2.10")
    rule = "-e preload_swarm_min_hosts=2 -e preload_swarm_min_bytes=1000000"
    said = documents.run(f"{elsewhere} {rule} -e preload_report={tmp_path}/report", tmp_path)
    assert "Nothing listens on 192.0.2.10" in said
    report = json.loads((tmp_path / "report" / "fleet.json").read_text())
    for host in report["hosts"]:
        assert (host["state"], host["bytes"]["swarm"]) == ("changed", 0)
        assert host["bytes"]["sent"] == host["bytes"]["lacking"]


def test_ctrl_c_leaves_nothing_on_any_host(fleet: Lab, command: str, controller: str, tmp_path: Path) -> None:
    # Tests that run in the background have SIGINT ignored, and so would the run.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    said = tmp_path / "said"
    with said.open("w") as output:
        run = subprocess.Popen(
            shlex.split(f"{command} -e preload_swarm_site_limit=1000000"),
            cwd=tmp_path,
            stdout=output,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    # Between two tasks no host would hear of it.
    eventually(lambda: "Wait for the layers" in said.read_text(), "the wait", 120)
    eventually(lambda: all(waits(fleet, host) and arrived(fleet, host) > 0 for host in HOSTS), "the first bytes")
    os.killpg(run.pid, signal.SIGINT)
    run.communicate(timeout=60)
    eventually(lambda: all(gone(fleet, host) for host in HOSTS), "the end of all members", 40)
    eventually(lambda: not listens(controller, 6969) and not listens(controller, 6881), "the end of what listened", 40)
    documents.run(command, tmp_path)
    assert all(list(fleet.images(host)) == [BIG.removeprefix("docker.io/library/")] for host in HOSTS)


def waits(fleet: Lab, host: str) -> bool:
    """A module runs there: a Python that has no arguments, as it gets the module on its input."""
    return fleet.run(host, "pgrep -f -x '/usr/bin/python3[.0-9]*'", check=False) != ""


def arrived(fleet: Lab, host: str) -> int:
    return int(fleet.run(host, f"du -s {STAGING}/swarm/blobs 2>/dev/null | cut -f1", check=False) or 0) - 4


def listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
