# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fleet's report of real runs: of hosts that fail, of one that is down, of drift, and as the guide has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.conftest import TINY
from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support.gate import STEPS, gate
from ansible_collections.airlift.registry.tests.integration.support.lab import HOSTS, ROOT, Lab, free_port
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

GUIDE = (ROOT / "docs/guides/fleet-report.md").read_text()
KILL_ENGINE = "systemctl kill --kill-whom=main --signal=KILL docker.service; touch /run/gate/go"


def reported(path: Path) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads((path / "fleet.json").read_text()))


def by_host(report: dict[str, t.Any], key: str) -> dict[str, t.Any]:
    return {host["host"]: host[key] for host in report["hosts"]}


def run(
    playbook: str, inventories: t.Sequence[Path], settings: t.Mapping[str, str] | None = None, /, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a playbook with these I(settings) of Ansible's, as its environment has them."""
    options = [option for path in inventories for option in ("-i", str(path))]
    command = ["ansible-playbook", *options, playbook, "-e", json.dumps(variables)]
    return subprocess.run(command, env={**os.environ, **(settings or {})}, capture_output=True, text=True, check=False)


@pytest.fixture
def down(tmp_path: Path) -> Path:
    """An inventory with one more host of the fleet, which is down."""
    host = {"ansible_host": "127.0.0.1", "ansible_port": free_port()}
    path = tmp_path / "down.json"
    path.write_text(json.dumps({"all": {"children": {"fleet": {"hosts": {"ship": host}}}}}))
    return path


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_a_preload_of_which_hosts_fail(
    lab: Lab, tiny: Path, signer: Signer, down: Path, tmp_path: Path, strategy: str
) -> None:
    """One has its images, one's engine dies while it loads, and one is down."""
    for host in HOSTS:
        lab.wait_for_engine(host)
        lab.clean(host)
    with gate(lab, HOSTS[1], STEPS["load, begun"], command=KILL_ENGINE) as barrier:
        (tmp_path / "gate.json").write_text(
            json.dumps({"all": {"hosts": {HOSTS[1]: {"preload_docker_host": barrier.address}}}})
        )
        said = run(
            "airlift.registry.preload", [lab.inventory, down, tmp_path / "gate.json"], {"ANSIBLE_STRATEGY": strategy},
            preload_bundle=str(tiny), preload_allowed_signers=str(signer.allowed_signers), preload_on_refusal="skip",
            preload_report=str(tmp_path / "report"),
        )  # fmt: skip
    lab.wait_for_engine(HOSTS[1])
    assert said.returncode == 2, said.stdout
    report = reported(tmp_path / "report")
    assert by_host(report, "state") == {HOSTS[0]: "changed", HOSTS[1]: "failed", "ship": "unreachable"}
    assert [image["state"] for image in by_host(report, "images")[HOSTS[0]]] == ["loaded"]
    assert [image["state"] for image in by_host(report, "images")[HOSTS[1]]] == ["unproven"]
    sent = by_host(report, "bytes")[HOSTS[0]]
    assert sent["sent"] == sent["archives"] == sent["asked_for"] == report["totals"]["bytes"]["sent"]
    # Both got all of it, and one of them to no purpose yet.
    failed = by_host(report, "bytes")[HOSTS[1]]
    assert (failed["sent"], failed["wasted"], failed["saved"]) == (sent["sent"], 0, None)
    assert report["totals"]["traffic"] == {"sent": 2 * sent["sent"], "pulled": 0, "swarm": 0, "wasted": 0}
    for host, problem in ((HOSTS[1], "The engine at unix:///run/gate/docker.sock"), ("ship", "It was not reached")):
        (reason,) = by_host(report, "reasons")[host]
        assert problem in reason["problem"]
        assert reason["next_step"]
        assert reason["problem"].split("'")[0][:40] in (tmp_path / "report/index.html").read_text()
    assert {path.name for path in (tmp_path / "report").glob("fleet?.json")} == {"fleet1.json", "fleet2.json"}


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_no_host_is_changed_before_the_last_was_asked(
    lab: Lab, tiny: Path, signer: Signer, down: Path, tmp_path: Path, strategy: str
) -> None:
    lab.clean(HOSTS[0])
    said = run(
        "airlift.registry.preload", [lab.inventory, down], {"ANSIBLE_STRATEGY": strategy},
        preload_bundle=str(tiny), preload_allowed_signers=str(signer.allowed_signers),
        preload_report=str(tmp_path / "report"),
    )  # fmt: skip
    assert (said.returncode, "1 of 3 hosts cannot take the images. No host was changed." in said.stdout) == (2, True)
    assert lab.images(HOSTS[0]) == {}
    states = by_host(reported(tmp_path / "report"), "state")
    assert (states[HOSTS[0]], states["ship"]) == ("pending", "unreachable")


def test_an_error_that_is_fatal_for_all_lets_them_finish(lab: Lab, tiny: Path, signer: Signer, tmp_path: Path) -> None:
    """One host's engine dies while it loads; with any_errors_fatal the play ends there, and the report has what the other did."""
    for host in HOSTS:
        lab.wait_for_engine(host)
        lab.clean(host)
    after = "- {hosts: fleet, gather_facts: false, tasks: [{ansible.builtin.command: touch /run/went-on}]}"
    (tmp_path / "play.yml").write_text(f"- import_playbook: airlift.registry.preload\n{after}\n")
    with gate(lab, HOSTS[1], STEPS["load, begun"], command=KILL_ENGINE) as barrier:
        (tmp_path / "gate.json").write_text(
            json.dumps({"all": {"hosts": {HOSTS[1]: {"preload_docker_host": barrier.address}}}})
        )
        said = run(
            str(tmp_path / "play.yml"), [lab.inventory, tmp_path / "gate.json"], {"ANSIBLE_ANY_ERRORS_FATAL": "true"},
            preload_bundle=str(tiny), preload_allowed_signers=str(signer.allowed_signers),
            preload_report=str(tmp_path / "report"),
        )  # fmt: skip
    lab.wait_for_engine(HOSTS[1])
    assert said.returncode == 2, said.stdout
    assert by_host(reported(tmp_path / "report"), "state") == {HOSTS[0]: "changed", HOSTS[1]: "failed"}
    assert [lab.run(host, "test -e /run/went-on && echo yes", check=False) for host in HOSTS] == ["", ""]


def test_a_host_lost_on_the_way_is_in_the_report(lab: Lab, tiny: Path, signer: Signer, tmp_path: Path) -> None:
    """Also when it is all that the play has left, and Ansible would end there."""
    lab.clean(HOSTS[1])
    cut = "iptables -I INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset; touch /run/gate/go"
    with gate(lab, HOSTS[1], STEPS["verify"], command=cut) as barrier:
        said = run(
            "airlift.registry.preload", [lab.inventory],
            preload_hosts=HOSTS[1], preload_bundle=str(tiny), preload_allowed_signers=str(signer.allowed_signers),
            preload_report=str(tmp_path / "report"), preload_docker_host=barrier.address,
        )  # fmt: skip
        lab.run(HOSTS[1], "iptables -D INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset")
    assert said.returncode == 2, said.stdout
    assert by_host(reported(tmp_path / "report"), "state") == {HOSTS[1]: "unreachable"}


def test_drift_is_told_and_left_as_it_is(
    lab: Lab, ansible: Ansible, tiny: Path, tiny_arguments: Result, signer: Signer, down: Path, tmp_path: Path
) -> None:
    for host in HOSTS:
        lab.clean(host)
    other = tmp_path / "other.tar"
    bundles.make_bundle(
        other, signer, {TINY: [images.layer("another")], "docker.io/library/extra:1": [images.layer("another")]}
    )
    ansible.module(HOSTS[0], "image_preload", tiny_arguments)
    ansible.module(HOSTS[1], "image_preload", {**tiny_arguments, "path": [str(other)]})
    before = [lab.look(host) for host in HOSTS]
    variables = {
        "report_bundle": str(tiny),
        "report_allowed_signers": str(signer.allowed_signers),
        "report_path": str(tmp_path / "drift"),
    }
    said = run("airlift.registry.report", [lab.inventory, down], **variables)
    assert said.returncode == 0, said.stdout
    assert [lab.look(host) for host in HOSTS] == before
    report = reported(tmp_path / "drift")
    assert by_host(report, "state") == {HOSTS[0]: "matches", HOSTS[1]: "drifted", "ship": "unreachable"}
    (image,) = by_host(report, "images")[HOSTS[1]]
    assert (image["state"], image["lacking"]) == ("different", by_host(report, "bytes")[HOSTS[1]]["lacking"])
    assert [extra["names"] for extra in by_host(report, "extra")[HOSTS[1]]] == [["docker.io/library/extra:1"]]
    failing = run("airlift.registry.report", [lab.inventory], report_on_drift="fail", **variables)
    assert (failing.returncode, "{'drifted': 1, 'matches': 1}" in failing.stdout) == (2, True), failing.stdout
    alone = {**variables, "report_on_drift": "fail", "report_hosts": HOSTS[0]}
    assert run("airlift.registry.report", [lab.inventory], **alone).returncode == 0
    assert run("airlift.registry.report", [lab.inventory, down], **variables).returncode == 0
    files = {path.name: path.read_bytes() for path in (tmp_path / "drift").iterdir()}
    again = run("airlift.registry.report", [lab.inventory, down], **variables)
    assert {path.name: path.read_bytes() for path in (tmp_path / "drift").iterdir()} == files
    assert "changed=0" in again.stdout.partition("PLAY RECAP")[2].splitlines()[1]


def test_a_report_is_written_when_it_differs(ansible: Ansible, tmp_path: Path) -> None:
    """In check mode it is predicted, with the hosts' states as the difference."""
    arguments = {"path": str(tmp_path / "report"), "hosts": ["localhost"], "result": "nothing"}
    predicted = ansible.local("fleet_report", arguments, "--check", "--diff")
    assert (predicted["changed"], (tmp_path / "report").exists()) == (True, False)
    assert predicted["diff"]["after"] == {"localhost": "unknown"}
    first, second = (ansible.local("fleet_report", arguments) for _ in range(2))
    assert (first["changed"], second["changed"]) == (True, False)
    for damage in ("[]", "{", '{"written": 1, "hosts": 3}'):
        (tmp_path / "report/fleet.json").write_text(damage)
        assert ansible.local("fleet_report", arguments)["changed"] is True
        assert by_host(reported(tmp_path / "report"), "state") == {"localhost": "unknown"}


def test_a_report_that_cannot_be_written_says_so(ansible: Ansible, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = ansible.local("fleet_report", {"path": str(tmp_path / "file"), "hosts": []})
    assert result["failed"] is True
    assert str(tmp_path / "file") in result["problem"]


def test_the_guide(lab: Lab, signer: Signer, tmp_path: Path) -> None:
    bundles.make_bundle(tmp_path / "app.tar", signer, {TINY: [images.layer("base")]})
    shutil.copy(signer.allowed_signers, tmp_path / "allowed_signers")
    shutil.copy(lab.inventory, tmp_path / "inventory.yml")
    for host in HOSTS:
        lab.clean(host)
    said = [documents.run(command, tmp_path) for command in documents.commands(GUIDE)]
    assert said[1].split() == ["fleet1", "changed", "fleet2", "changed"]
    assert by_host(reported(tmp_path / "drift"), "state") == dict.fromkeys(HOSTS, "matches")
    assert (tmp_path / "report/index.html").is_file()
