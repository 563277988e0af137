# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Before the first byte: hosts that cannot take the images say why, all of it, and are as they were."""

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.conftest import TINY
from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support.lab import HOSTS, RECORD, ROOT, Lab, free_port
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

HOST = "fleet1"
APP = "docker.io/library/app:1"
GUIDE = (ROOT / "docs/guides/preloading.md").read_text()


@pytest.fixture
def host(lab: Lab) -> str:
    lab.clean(HOST)
    return HOST


@contextmanager
def small_disk(lab: Lab, host: str) -> t.Iterator[str]:
    """A staging directory on a disk of 1 MiB."""
    lab.run(host, "mkdir -p /run/tiny && mount -t tmpfs -o size=1m tmpfs /run/tiny")
    try:
        yield "/run/tiny/staging"
    finally:
        lab.run(host, "umount /run/tiny")


def trusting(signer: Signer, path: Path, **options: t.Any) -> dict[str, t.Any]:
    return {"path": [str(path)], "allowed_signers": str(signer.allowed_signers), **options}


def kinds(result: Result) -> list[str]:
    return [reason["kind"] for reason in result["reasons"]]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> Path:
    """A bundle of an image for another machine."""
    path = tmp_path_factory.mktemp("foreign") / "arm.tar"
    bundles.make_bundle(path, signer, {APP: [images.layer("base")]}, architecture="arm64")
    return path


def test_another_platform_is_refused_and_taken_by_choice(
    lab: Lab, ansible: Ansible, host: str, foreign: Path, signer: Signer
) -> None:
    before = lab.look(host)
    with small_disk(lab, host) as staging:
        arguments = trusting(signer, foreign)
        runs = [
            arguments,
            {**arguments, "staging_path": staging, "path": [str(foreign)], "platform": "linux/arm64/v8"},
            {**arguments, "platform": "linux/s390x"},
            {**arguments, "platform": "arm"},
        ]
        results = [run[host] for run in ansible.play(host, [task("image_preload", run) for run in runs])]
    assert [kinds(result) for result in results] == [["platform"], ["disk"], ["platform"], ["input"]]
    assert results[0]["problem"] == f"Image {APP} is for linux/arm64, and this host's engine runs linux/amd64"
    assert "set platform" in results[0]["next_step"]
    assert results[2]["problem"] == f"Image {APP} is for linux/arm64, and the platform asked for is linux/s390x"
    assert lab.look(host) == before
    taken, again = ansible.play(host, [task("image_preload", {**arguments, "platform": "linux/arm64"})] * 2)
    assert [run[host]["changed"] for run in (taken, again)] == [True, False]
    assert lab.run(host, "docker image inspect --format '{{.Architecture}}' app:1") == "arm64"


def test_all_reasons_are_said_at_once(
    lab: Lab, ansible: Ansible, host: str, foreign: Path, tiny: Path, signer: Signer
) -> None:
    both = {**trusting(signer, foreign), "path": [str(foreign), str(tiny)], "record_path": "/run/locked/preloaded.json"}
    lab.run(host, "mkdir -p /run/locked && mount -t tmpfs -o ro tmpfs /run/locked")
    try:
        with small_disk(lab, host) as staging:
            result = ansible.preload(host, {**both, "staging_path": staging}, "--check")
    finally:
        lab.run(host, "umount /run/locked")
    assert kinds(result) == ["platform", "disk", "record"]
    assert result["msg"].startswith(f"{host}: Image {APP} is for linux/arm64")
    assert all(
        reason["problem"] in result["msg"] and reason["next_step"] in result["msg"] for reason in result["reasons"]
    )


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> dict[str, Path]:
    """One image in two bundles, of October and of November."""
    directory = tmp_path_factory.mktemp("months")
    for month in ("10", "11"):
        created = f"2026-{month}-01T00:00:00Z"
        bundles.make_bundle(directory / f"2026-{month}.tar", signer, {APP: [images.layer(month)]}, created=created)
    return {month: directory / f"2026-{month}.tar" for month in ("10", "11")}


def test_an_older_bundle_is_noticed(
    lab: Lab, ansible: Ansible, host: str, months: dict[str, Path], signer: Signer
) -> None:
    """A bundle of October, signed and whole, is given out again in November. The host's clock has no part in it."""
    new, old = trusting(signer, months["11"]), trusting(signer, months["10"])
    runs = [new, {**old, "downgrade": "refuse"}, {**new, "downgrade": "refuse"}]
    first, refused, same = (run[host] for run in ansible.play(host, [task("image_preload", run) for run in runs]))
    assert (first["changed"], first["to_do"], same["changed"], same["to_do"]) == (True, True, False, False)
    assert kinds(refused) == ["downgrade"]
    for text in (APP, "2026-10.tar", "2026-10-01T00:00:00Z", "2026-11.tar", "2026-11-01T00:00:00Z"):
        assert text in refused["problem"]
    assert lab.images(host) == {"app:1": first["images"][0]["id"]}
    assert lab.run(host, f"stat --format '%U %a' {RECORD}") == "root 600"
    runs = [old, old, new, {**old, "downgrade": "allow"}]
    warned, again, back, allowed = (
        run[host] for run in ansible.play(host, [task("image_preload", run) for run in runs])
    )
    assert [run["changed"] for run in (warned, again, back, allowed)] == [True, False, True, True]
    assert [len(run.get("warnings", [])) for run in (warned, again, back, allowed)] == [1, 0, 0, 0]
    assert "2026-11.tar" in warned["warnings"][0]


def test_what_was_there_already_is_noted(
    lab: Lab, ansible: Ansible, host: str, months: dict[str, Path], signer: Signer
) -> None:
    """Also an image that came some other way protects from an older bundle, once a newer one was seen to have it."""
    new = trusting(signer, months["11"])
    ansible.preload(host, new)
    lab.run(host, f"rm {RECORD}")
    predicted = ansible.preload(host, new, "--check")
    assert lab.run(host, f"test -e {RECORD} || echo none") == "none"
    noted, again = (run[host] for run in ansible.play(host, [task("image_preload", new)] * 2))
    assert [(run["changed"], run["to_do"]) for run in (predicted, noted, again)] == [(False, True)] * 2 + [
        (False, False)
    ]
    refused = ansible.preload(host, trusting(signer, months["10"], downgrade="refuse"))
    assert kinds(refused) == ["downgrade"]


def test_a_damaged_record_is_not_passed_over(
    lab: Lab, ansible: Ansible, host: str, months: dict[str, Path], signer: Signer
) -> None:
    lab.run(host, f"mkdir -p $(dirname {RECORD}) && echo broken > {RECORD}")
    refused = ansible.preload(host, trusting(signer, months["11"]))
    assert (kinds(refused), lab.images(host)) == (["host"], {})
    assert f"{RECORD} is no record" in refused["problem"]


### The fleet


@pytest.fixture
def fleet(lab: Lab, tmp_path: Path) -> t.Iterator[list[str]]:
    """Four hosts: two are down, one has no room, one is well. The options of ansible-playbook that name them."""
    down = {"ansible_host": "127.0.0.1", "ansible_port": free_port()}
    for host in HOSTS:
        lab.clean(host)
    with small_disk(lab, "fleet2") as staging:
        hosts: dict[str, t.Any] = {"fleet2": {"preload_staging_path": staging}}
        group = {"fleet": {"hosts": {"ship1": down, "ship2": down}}}
        (tmp_path / "more.json").write_text(json.dumps({"all": {"hosts": hosts, "children": group}}))
        yield ["-i", str(lab.inventory), "-i", str(tmp_path / "more.json")]


def preload(
    fleet: list[str], tiny: Path, signer: Signer, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    wanted = {"preload_bundle": str(tiny), "preload_allowed_signers": str(signer.allowed_signers), **variables}
    command = ["ansible-playbook", *fleet, "airlift.registry.preload", "-e", json.dumps(wanted), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def listed(said: str) -> list[str]:
    """The list of hosts that cannot, as it is shown in the one task that has it."""
    text = said[said.index("TASK [airlift.registry.preload : Ask | List the hosts") :]
    return [line.strip().strip('",') for line in text[: text.index("]\n}")].splitlines() if line.startswith(" " * 8)]


def assert_lists(said: str) -> None:
    head, *hosts = listed(said)
    assert head.startswith("3 of 4 hosts cannot take the images.")
    assert [line.partition(":")[0] for line in hosts] == ["fleet2", "ship1", "ship2"]
    assert "The disk of staging is too small: /run/tiny/staging has" in hosts[0]
    assert all("It was not reached: Failed to connect to the host via ssh" in line for line in hosts[1:])


@pytest.mark.parametrize("serial", ["100%", "1"])
def test_no_host_is_changed_when_one_cannot(
    lab: Lab, tiny: Path, signer: Signer, fleet: list[str], serial: str, tmp_path: Path
) -> None:
    """Also when the good ones would have come first, in a batch of their own."""
    done = preload(fleet, tiny, signer, preload_serial=serial, preload_report=str(tmp_path / "report"))
    assert done.returncode == 2, done.stdout
    assert_lists(done.stdout)
    assert "PLAY [Bring images onto the fleet]" not in done.stdout
    assert lab.images("fleet1") == lab.images("fleet2") == {}
    report = json.loads((tmp_path / "report/fleet.json").read_text())
    states = {host["host"]: host["state"] for host in report["hosts"]}
    assert states == {"fleet1": "pending", "fleet2": "refused", "ship1": "unreachable", "ship2": "unreachable"}


def test_the_others_go_on_by_choice(lab: Lab, tiny: Path, signer: Signer, fleet: list[str]) -> None:
    done = preload(fleet, tiny, signer, preload_on_refusal="skip", preload_serial="1")
    assert done.returncode == 2, done.stdout
    assert_lists(done.stdout)
    recap = {line.split()[0]: line for line in done.stdout.partition("PLAY RECAP")[2].splitlines() if " : " in line}
    assert "changed=1 " in recap["fleet1"]
    assert all("failed=1 " in recap[host] for host in ("fleet2", "ship1", "ship2"))
    assert list(lab.images("fleet1")) == [TINY.removeprefix("docker.io/library/")]
    assert lab.images("fleet2") == {}


def test_a_host_that_has_everything_is_asked_once(lab: Lab, tiny: Path, signer: Signer, fleet: list[str]) -> None:
    """Cold in check mode, cold, and again: what each run does on the host."""
    options = ("--limit", "fleet1")
    checked, cold, again = (
        preload(fleet, tiny, signer, *options, *more).stdout for more in (("--check", "--diff"), ("--diff",), ())
    )
    assert [said.count("TASK [airlift.registry.preload : Preload | ") for said in (checked, cold, again)] == [1, 2, 1]
    assert [said.count(f'+    "{TINY}": "sha256:') for said in (checked, cold, again)] == [1, 1, 0]
    assert ["changed=1 " in said for said in (checked, cold, again)] == [True, True, False]


def test_the_guide(lab: Lab, signer: Signer, tmp_path: Path) -> None:
    """Followed word for word."""
    for host in HOSTS:
        lab.clean(host)
    shutil.copy(lab.inventory, tmp_path / "inventory.yml")
    shutil.copy(signer.allowed_signers, tmp_path / "allowed_signers")
    bundles.make_bundle(tmp_path / "app.tar", signer, {APP: [images.layer("guide")]})
    said = [documents.run(command, tmp_path) for command in documents.commands(GUIDE)]
    assert ["changed=1 " in text for text in said] == [True, True, False, False]
    events = [line.split() for line in said[2].splitlines()]
    asked = [[host, event, "True"] for host in HOSTS for event in ("start", "plan", "end")]
    assert sorted(event for event in events if event[2] == "True") == sorted(asked)
    assert [event for event in events if event[2] == "False"] == [
        [host, event, "False"] for host in HOSTS for event in ("start", "plan", "progress", "image", "end")
    ]
    assert said[1].count("TASK [airlift.registry.preload : Preload | Send") == 2, "a batch for each host"
    assert list(lab.images("fleet1")) == list(lab.images("fleet2")) == ["app:1"]
