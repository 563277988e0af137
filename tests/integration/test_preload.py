# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Preload on real hosts that have no way out: only what is missing is sent, and what was promised is there."""

from __future__ import annotations

import json
import re
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._plan import temporary_name
from ansible_collections.airlift.registry.tests.integration.support.lab import HOSTS, STAGING, Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

TINY = "docker.io/library/tiny:v1"


@pytest.fixture
def arguments(signer: Signer, tiny: Path) -> dict[str, t.Any]:
    return {"path": [str(tiny)], "allowed_signers": str(signer.allowed_signers)}


def ids(result: Result) -> dict[str, str]:
    return {image["name"].removeprefix("docker.io/library/"): image["config"] for image in result["images"]}


def layers(result: Result, name: str) -> list[dict[str, t.Any]]:
    (image,) = (image for image in result["images"] if image["name"] == f"docker.io/library/{name}")
    return t.cast(list[dict[str, t.Any]], image["layers"])


def size(blobs: t.Iterable[dict[str, t.Any]]) -> int:
    return sum({blob["digest"]: blob["size"] for blob in blobs}.values())


@pytest.mark.parametrize("host", HOSTS)
def test_the_hosts_have_no_way_out(lab: Lab, host: str) -> None:
    assert "default" not in lab.run(host, "ip route show")
    assert "unreachable" in lab.run(host, "ip route get 192.0.2.1 2>&1", check=False)
    for attempt in (
        "ping -c 1 -W 1 1.1.1.1",
        "curl --max-time 3 --silent https://192.0.2.1/",
        "docker pull --quiet 192.0.2.1/app",
    ):
        assert "failed" in lab.run(host, f"{attempt} >/dev/null 2>&1 || echo failed")


def test_the_journey(lab: Lab, ansible: Ansible, v1: Result, v2: Result, signer: Signer) -> None:
    """Cold, again, an update of one layer, and back: on both hosts, with what is really there compared each time."""
    for host in HOSTS:
        lab.clean(host)
    trust = str(signer.allowed_signers)
    first, update, both = (
        {"path": paths, "allowed_signers": trust} for paths in ([v1["path"]], [v2["path"]], [v1["path"], v2["path"]])
    )
    before = {host: lab.look(host) for host in HOSTS}
    predicted = ansible.module("fleet", "image_preload", first, "--check", "--diff")
    assert {host: lab.look(host) for host in HOSTS} == before
    assert lab.run(HOSTS[0], f"test -e {STAGING} || echo none") == "none"
    cold, again = ansible.play("fleet", [task("image_preload", first), task("image_preload", first)])
    for host in HOSTS:
        assert [run[host]["changed"] for run in (predicted, cold, again)] == [True, True, False]
        assert predicted[host]["bytes_sent"] == again[host]["bytes_sent"] == 0
        assert predicted[host]["images"] == cold[host]["images"]
        assert predicted[host]["diff"]["before"] == {
            "docker.io/library/app:current": None,
            "docker.io/library/app:v1": None,
        }
        assert set(predicted[host]["diff"]["after"].values()) == set(ids(v1).values())
        assert cold[host]["bytes_sent"] == predicted[host]["bytes"]["send"] == size(layers(cold[host], "app:v1"))
        assert cold[host]["signers"] == ["release@example.com"]
        assert cold[host]["images_by_name"]["app:v1"]["id"] == ids(v1)["app:v1"]
        assert [image["action"] for image in again[host]["images"]] == ["present", "present"]
        assert lab.images(host) == ids(v1)
        assert lab.look(host).staging == ()
        assert lab.run(host, "docker run --rm --network none app:v1") == "app v1"
    updated, after = ansible.play("fleet", [task("image_preload", update, diff=True), task("image_preload", update)])
    for host in HOSTS:
        sent = [layer for layer in layers(updated[host], "app:current") if layer["action"] == "send"]
        assert [layer["digest"] for layer in sent] == [layers(updated[host], "app:v2")[-1]["digest"]]
        assert updated[host]["bytes_sent"] == sent[0]["size"]
        assert updated[host]["diff"]["before"]["docker.io/library/app:current"] == ids(v1)["app:v1"]
        assert (after[host]["changed"], after[host]["bytes_sent"]) == (False, 0)
        assert lab.images(host) == {**ids(v1), **ids(v2)}
        assert lab.run(host, "docker run --rm --network none app:current") == "app v2"
    # Back to the first: the name moves, nothing is sent. Both bundles at once contradict each other, but for a selection.
    moved, contradiction, selection = ansible.play(
        "fleet1",
        [
            task("image_preload", first),
            task("image_preload", both),
            task("image_preload", {**both, "images": ["app:v1", "app:v2"]}),
        ],
    )
    assert [image["action"] for image in moved["fleet1"]["images"]] == ["retag", "present"]
    assert ids(v2)["app:v2"] in moved["fleet1"]["images"][0]["reason"]
    assert moved["fleet1"]["bytes_sent"] == 0
    assert lab.run("fleet1", "docker run --rm --network none app:current") == "app v1"
    assert "docker.io/library/app:current is another image in" in contradiction["fleet1"]["msg"]
    assert (selection["fleet1"]["changed"], len(selection["fleet1"]["images"])) == (False, 2)


def test_a_name_that_was_taken_away_comes_back(lab: Lab, ansible: Ansible, arguments: dict[str, t.Any]) -> None:
    lab.clean("fleet2")
    ansible.preload("fleet2", arguments)
    lab.run("fleet2", "docker tag tiny:v1 other:1 && docker rmi tiny:v1")
    retagged = ansible.preload("fleet2", arguments)
    assert retagged["images"][0]["action"] == "retag"
    assert retagged["images"][0]["reason"] == "the engine has this image without this name"
    assert retagged["bytes_sent"] == 0
    assert set(lab.images("fleet2")) == {"tiny:v1", "other:1"}


def test_what_a_killed_run_left_is_cleared_away(lab: Lab, ansible: Ansible, arguments: dict[str, t.Any]) -> None:
    lab.clean("fleet2")
    (present,) = ansible.preload("fleet2", arguments)["images"]
    leftover = temporary_name(present["id"])
    lab.run(
        "fleet2",
        f"docker tag tiny:v1 {leftover} && mkdir -p {STAGING} && touch {STAGING}/{present['layers'][0]['digest'][7:]}",
    )
    predicted = ansible.preload("fleet2", arguments, "--check")
    cleared, again = ansible.play("fleet2", [task("image_preload", arguments)] * 2)
    assert [run["changed"] for run in (predicted, cleared["fleet2"], again["fleet2"])] == [True, True, False]
    assert list(lab.images("fleet2")) == ["tiny:v1"]
    assert lab.look("fleet2").staging == ()


def test_another_staging_path_and_user(lab: Lab, ansible: Ansible, arguments: dict[str, t.Any]) -> None:
    """Without root, below the home of a user who may talk to the engine."""
    lab.clean("fleet2")
    lab.run("fleet2", "chmod o+rw /var/run/docker.sock")
    elsewhere = {"staging_path": "~/stag ing", "record_path": "~/preloaded.json"}
    result = ansible.preload("fleet2", {**arguments, **elsewhere}, become=False)
    assert result["changed"] is True, result
    assert lab.run("fleet2", "stat --format '%U %a' ~ops/preloaded.json && rm ~ops/preloaded.json") == "ops 600"
    assert list(lab.images("fleet2")) == ["tiny:v1"]
    assert lab.run("fleet2", "find /home/ops -name 'stag ing' -o -path '*~*'") == ""
    lab.run("fleet2", "chmod o= /var/run/docker.sock")


def test_the_playbook_reports_on_the_fleet(lab: Lab, arguments: dict[str, t.Any], tmp_path: Path) -> None:
    lab.clean("fleet2")
    variables = {
        "preload_bundle": arguments["path"][0],
        "preload_allowed_signers": arguments["allowed_signers"],
        "preload_report": str(tmp_path / "report"),
    }
    command = ["ansible-playbook", "-i", str(lab.inventory), "airlift.registry.preload", "-e", json.dumps(variables)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout
    assert re.search(r"fleet2 .*changed=1 .*failed=0", said.stdout)
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "fleet.json",
        "fleet1.json",
        "fleet2.json",
        "index.html",
    }
    assert "tiny:v1" in lab.images("fleet1")
    assert "tiny:v1" in lab.images("fleet2")


LINE = re.compile(r"fleet2: [0-9.]+ of [0-9.]+ MB \([0-9]+ %\), [0-9.]+ MB/s, ")


@pytest.mark.parametrize(
    ("terminal", "environment", "visible"),
    [
        pytest.param(True, "", True, id="terminal"),
        pytest.param(False, "", False, id="pipe"),
        pytest.param(True, "CI=true", False, id="terminal under CI"),
    ],
)
def test_progress_is_for_those_who_watch(
    lab: Lab, ansible: Ansible, arguments: dict[str, t.Any], terminal: bool, environment: str, visible: bool
) -> None:
    lab.clean("fleet2")
    command = subprocess.list2cmdline(ansible.command("fleet2", [task("image_preload", arguments)]))
    shown = ["script", "--quiet", "--return", "--command", f"env -u CI {environment} {command}", "/dev/null"]
    piped = ["sh", "-c", f"env -u CI {command} 2>&1"]
    said = subprocess.run(
        shown if terminal else piped, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True
    )
    assert "changed=1" in said.stdout
    assert bool(LINE.search(said.stdout)) == visible, said.stdout


def test_two_controllers_at_the_same_time(lab: Lab, ansible: Ansible, arguments: dict[str, t.Any]) -> None:
    """Both want the same host; one may have to be told to run again, and then all is well."""
    lab.clean("fleet2")
    runs = [ansible.start("fleet2", [task("image_preload", arguments)]) for _number in range(2)]
    results = [run.result("fleet2") for run in runs]
    assert any(not result.get("failed") for result in results)
    assert ansible.preload("fleet2", arguments)["changed"] is False
    assert list(lab.images("fleet2")) == ["tiny:v1"]


def test_several_images_share_one_transfer(lab: Lab, ansible: Ansible, signer: Signer, tmp_path: Path) -> None:
    lab.clean("fleet2")
    base = images.layer("shared base")
    names = [f"registry.example.com:5000/team/app{number}:1" for number in range(5)]
    bundles.make_bundle(tmp_path / "b.tar", signer, {name: [base, images.layer(name)] for name in names})
    trust = {"path": [str(tmp_path / "b.tar")], "allowed_signers": str(signer.allowed_signers)}
    some, rest = ansible.play(
        "fleet2", [task("image_preload", {**trust, "images": names[:2]}), task("image_preload", trust)]
    )
    assert len(some["fleet2"]["images"]) == 2
    assert [image["action"] for image in rest["fleet2"]["images"]] == ["present"] * 2 + ["load"] * 3
    assert [layer["action"] for layer in rest["fleet2"]["images"][4]["layers"]] == ["present", "send"]
    assert sorted(lab.images("fleet2")) == names
