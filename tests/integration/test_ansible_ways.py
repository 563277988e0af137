# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people do with any module of Ansible, done with image_preload: keywords, options, connections, ansible-pull."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support.lab import (
    HOSTS,
    NAME,
    ROOT,
    Lab,
    eventually,
)
from ansible_collections.airlift.registry.tests.integration.support.play import JSON, Ansible, Result, task
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

GUIDE = (ROOT / "docs/guides/ansible.md").read_text()
SLOW = images.tar([images.Member("data", os.urandom(2 * 1024 * 1024))])
RATE = 1_000_000  # bytes per second, so that sending SLOW takes two seconds
LIMIT = 30  # seconds for a task that takes four alone; beside other tests twelve were not always enough


@pytest.fixture(autouse=True)
def clean(lab: Lab) -> None:
    for host in HOSTS:
        lab.clean(host)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> dict[str, t.Any]:
    """Options of a preload that takes two seconds on each host."""
    path = tmp_path_factory.mktemp("slow") / "slow"
    bundles.make_bundle(path, signer, {"docker.io/library/slow:v1": [SLOW]})
    return {"path": [str(path)], "allowed_signers": str(signer.allowed_signers), "bandwidth_limit": RATE}


@pytest.fixture
def quick(signer: Signer, tiny: Path) -> dict[str, t.Any]:
    return {"path": [str(tiny)], "allowed_signers": str(signer.allowed_signers)}


@dataclass(frozen=True)
class Outcome:
    """What a run said: its exit code and the tasks of all its batches, each with its time and its results by host."""

    code: int
    tasks: list[dict[str, t.Any]]

    def of(self, host: str) -> Result:
        (result,) = (task["hosts"][host] for task in self.tasks if host in task["hosts"])
        return t.cast(Result, result)

    @property
    def hosts(self) -> set[str]:
        return {host for task in self.tasks for host in task["hosts"]}


@pytest.fixture
def run(lab: Lab, tmp_path: Path) -> t.Callable[..., Outcome]:
    """Run one preload as a play of these keywords."""

    def run(
        arguments: dict[str, t.Any], *options: str, play: dict[str, t.Any] | None = None, **keywords: t.Any
    ) -> Outcome:
        document = {"hosts": "fleet", "gather_facts": False, "become": True, **(play or {})}
        document["tasks"] = [task("image_preload", arguments, **keywords)]
        (tmp_path / "play.yml").write_text(json.dumps([document]))
        command = ["ansible-playbook", "-i", str(lab.inventory), *options, str(tmp_path / "play.yml")]
        done = subprocess.run(command, env={**os.environ, **JSON}, capture_output=True, text=True, check=False)
        plays = json.loads(done.stdout)["plays"]
        tasks = [{"hosts": entry["hosts"], **entry["task"]["duration"]} for play in plays for entry in play["tasks"]]
        return Outcome(done.returncode, tasks)

    return run


@pytest.mark.parametrize(
    ("options", "keywords", "play", "at_once"),
    [
        (["--forks", "2"], {}, {}, True),
        (["--forks", "1"], {}, {}, False),
        ([], {"throttle": 1}, {}, False),
        ([], {}, {"serial": 1}, False),
    ],
    ids=["forks of 2", "forks of 1", "throttle", "serial"],
)
def test_how_many_hosts_at_once(
    lab: Lab, run: t.Callable[..., Outcome], slow: dict[str, t.Any],
    options: list[str], keywords: dict[str, t.Any], play: dict[str, t.Any], at_once: bool,
) -> None:  # fmt: skip
    outcome = run(slow, *options, play=play, **keywords)
    assert outcome.code == 0
    took = [outcome.of(host)["seconds"] for host in HOSTS]
    begin, end = (datetime.fromisoformat(text) for text in (outcome.tasks[0]["start"], outcome.tasks[-1]["end"]))
    assert ((end - begin).total_seconds() < sum(took)) is at_once
    assert all("slow:v1" in lab.images(host) for host in HOSTS)


@pytest.mark.parametrize(("most", "goes_on"), [(40, False), (60, True)])
def test_max_fail_percentage(
    lab: Lab, run: t.Callable[..., Outcome], quick: dict[str, t.Any], tmp_path: Path, most: int, goes_on: bool
) -> None:
    """The first batch is a host that fails and one that does not."""
    variables = {"fleet0": {"ansible_connection": "local", "ansible_python_interpreter": "/nonexistent/python3"}}
    (tmp_path / "more.yml").write_text(json.dumps({"fleet": {"hosts": variables}}))
    play = {"serial": 2, "max_fail_percentage": most, "order": "sorted", "hosts": "fleet"}
    outcome = run(quick, "-i", str(tmp_path / "more.yml"), play=play)
    assert outcome.code != 0
    assert "fleet1" in outcome.hosts
    assert ("fleet2" in outcome.hosts) is goes_on
    assert list(lab.images("fleet2")) == (["tiny:v1"] if goes_on else [])


def test_async_says_what_to_use_instead(lab: Lab, run: t.Callable[..., Outcome], quick: dict[str, t.Any]) -> None:
    result = run(quick, **{"async": 600, "poll": 5}).of("fleet1")
    assert result["failed"] is True
    assert "fleet1: image_preload sends from the controller, so it cannot run with async" in result["msg"]
    assert "timeout" in result["next_step"]
    assert lab.images("fleet1") == {}


def test_what_runs_on_the_controller_takes_async(ansible: Ansible, signer: Signer, tiny: Path, tmp_path: Path) -> None:
    made = task(
        "bundle",
        {
            "path": str(tmp_path / "made"),
            "images": [f"bundle:{tiny}"],
            "signing_key": str(signer.key),
            "allowed_signers": str(signer.allowed_signers),
        },
        register="job", **{"async": 60, "poll": 0},
    )  # fmt: skip
    waited: dict[str, t.Any] = {
        "ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"},
        "register": "outcome", "until": "outcome is finished", "retries": 60, "delay": 1,
    }  # fmt: skip
    verify = {"path": str(tmp_path / "made"), "allowed_signers": str(signer.allowed_signers)}
    _, end, verified = ansible.play(
        "localhost", [made, waited, task("bundle_verify", verify, **{"async": 60, "poll": 1})]
    )
    assert end["localhost"]["changed"] is True
    assert verified["localhost"]["signer"] == "release@example.com"


@pytest.fixture(scope="module")
def clerk(lab: Lab) -> str:
    """A user of fleet1 whose sudo, like su, asks for a password, and who may talk to the engine."""
    lab.run(
        "fleet1",
        "id clerk >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --groups docker clerk;"
        "printf 'clerk:secret\\nroot:secret\\n' | chpasswd; echo 'clerk ALL=(ALL) ALL' > /etc/sudoers.d/clerk;"
        "cp -r ~ops/.ssh ~clerk/ && chown -R clerk ~clerk/.ssh",
    )
    return "clerk"


OWN_FILES = {"staging_path": "~/staging", "record_path": "~/preloaded.json"}


@pytest.mark.parametrize(
    ("variables", "own", "pipelining"),
    [
        ({}, {}, "true"),
        ({}, {}, "false"),
        ({"ansible_become_method": "su"}, {}, "true"),
        ({"ansible_become_user": "clerk"}, OWN_FILES, "true"),
        ({"ansible_become": False}, OWN_FILES, "false"),
    ],
    ids=["sudo", "sudo without pipelining", "su", "sudo to a user who is not root", "none, without pipelining"],
)
def test_become_with_a_password(
    lab: Lab, run: t.Callable[..., Outcome], clerk: str, quick: dict[str, t.Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, t.Any], own: dict[str, str], pipelining: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("ANSIBLE_PIPELINING", pipelining)
    (tmp_path / "password").write_text("secret\n")
    extra = json.dumps({"ansible_user": clerk, **variables})
    options = ["--limit", "fleet1", "--extra-vars", extra, "--become-password-file", str(tmp_path / "password")]
    result = run({**quick, **own}, *options).of("fleet1")
    assert result["changed"] is True, result
    assert list(lab.images("fleet1")) == ["tiny:v1"]


@pytest.mark.parametrize("connection", ["community.docker.docker", "community.docker.docker_api"])
def test_a_connection_that_is_not_ssh(
    lab: Lab, run: t.Callable[..., Outcome], big: Path, signer: Signer, connection: str
) -> None:
    """More than one part of a transfer, to a container that has an engine of its own."""
    extra = {"ansible_connection": connection, "ansible_host": f"airlift-{NAME}-fleet1", "ansible_user": "root"}
    arguments = {"path": [str(big)], "allowed_signers": str(signer.allowed_signers)}
    outcome = run(arguments, "--limit", "fleet1", "--extra-vars", json.dumps({**extra, "ansible_become": False}))
    assert outcome.of("fleet1")["bytes_sent"] > 24 * 1024 * 1024
    assert list(lab.images("fleet1")) == ["big:v1"]


def engine_of(host: str) -> str:
    """The socket of a host's engine as this machine sees it: so this machine is the host."""
    pid = subprocess.run(
        ["docker", "inspect", "--format", "{{.State.Pid}}", f"airlift-{NAME}-{host}"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    return f"unix:///proc/{pid}/root/run/docker.sock"


@contextmanager
def peak(directory: Path) -> t.Iterator[list[int]]:
    """The most bytes that files below a directory took while the block ran."""
    most, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            listing = subprocess.run(["du", "-sk", directory], capture_output=True, text=True, check=False).stdout
            most[0] = max(most[0], 1024 * int(listing.split()[0]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def test_a_host_with_the_stick_takes_no_more_disk_than_the_missing_layers(
    lab: Lab, big: Path, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """connection: local. Everything that the run writes, but for the engine, is below one directory."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for name in ("TMPDIR", "HOME", "ANSIBLE_LOCAL_TEMP", "ANSIBLE_REMOTE_TEMP"):
        monkeypatch.setenv(name, str(scratch))
    arguments = {
        "path": [str(big)],
        "allowed_signers": str(signer.allowed_signers),
        "docker_host": engine_of("fleet1"),
        "record_path": str(tmp_path / "preloaded.json"),
        "staging_path": str(scratch / "staging"),
    }
    with peak(scratch) as most:
        result = Ansible(lab.inventory, tmp_path).local("image_preload", arguments)
    assert result["changed"] is True, result
    assert result["bytes_sent"] <= most[0] <= 1.05 * result["bytes_sent"]
    assert list(lab.images("fleet1")) == ["big:v1"]
    assert not (scratch / "staging").exists()


def test_a_frozen_host_holds_up_nobody(lab: Lab, run: t.Callable[..., Outcome], slow: dict[str, t.Any]) -> None:
    """fleet2 freezes in the middle of its transfer. fleet1 does not notice, the time limit ends the wait, and the next run goes on."""
    found: list[Outcome] = []
    runner = threading.Thread(target=lambda: found.append(run(slow, timeout=LIMIT)))
    runner.start()
    eventually(lambda: lab.staged("fleet2"), "the first bytes")
    with frozen("fleet2"):
        eventually(lambda: lab.images("fleet1"), "the image of the other host")
        runner.join()
    assert found[0].of("fleet1")["changed"] is True, found[0].of("fleet1")
    assert f"Timed out after {LIMIT}" in found[0].of("fleet2")["msg"]
    assert run(slow).of("fleet2")["resumed_bytes"] > 0


@contextmanager
def frozen(host: str) -> t.Iterator[None]:
    subprocess.run(["docker", "pause", f"airlift-{NAME}-{host}"], check=True, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        subprocess.run(["docker", "unpause", f"airlift-{NAME}-{host}"], check=True, stdout=subprocess.DEVNULL)


def test_the_guide(lab: Lab, tiny: Path, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files and commands, word for word; fleet2 is down in the first run, and this machine plays the host with the stick."""
    reader, stick = tmp_path / "reader", tmp_path / "stick"
    reader.mkdir()
    stick.mkdir()
    (stick / "app").symlink_to(tiny)
    (stick / "allowed_signers").symlink_to(signer.allowed_signers)
    (reader / "inventory.yml").symlink_to(lab.inventory)

    def adapted(text: str) -> str:
        return text.replace("/media/stick/app.tar", f"{stick}/app").replace("/media/stick", str(stick))

    files = {block.partition("\n")[0].removeprefix("# "): adapted(block) for block in documents.blocks(GUIDE, "yaml")}
    (reader / "fleet.yml").write_text(files["fleet.yml"])
    site = tmp_path / "site"
    site.mkdir()
    here = {"ansible_python_interpreter": sys.executable, "preload_docker_host": engine_of("fleet1"),
            "preload_staging_path": f"{tmp_path}/staging", "preload_record_path": f"{tmp_path}/preloaded.json"}  # fmt: skip
    settings = "".join(f"\n    {name}: {value}" for name, value in here.items())
    (site / "local.yml").write_text(files["local.yml"].replace("vars:", "vars:" + settings))
    git = "git init -q . && git add . && git -c user.name=x -c user.email=x@example.com commit -qm x && git clone -q --bare . "
    documents.run(f"{git}{stick}/site.git", site)
    monkeypatch.setenv("HOME", str(reader))
    monkeypatch.setenv("ANSIBLE_TIMEOUT", "3")
    monkeypatch.setenv("ANSIBLE_PYTHON_INTERPRETER", sys.executable)  # for the checkout of ansible-pull
    look, once, again, pull = [adapted(command) for command in documents.commands(GUIDE)]
    assert "tiny:v1" in documents.run(look, reader)
    assert lab.images("fleet1") == {}
    with frozen("fleet2"):
        refused = subprocess.run(["bash", "-c", once], cwd=reader, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert list(lab.images("fleet1")) == ["tiny:v1"]
    assert (reader / "fleet.retry").read_text().split() == ["fleet2"]
    retried = documents.run(again, reader)
    assert "fleet1" not in retried
    assert list(lab.images("fleet2")) == ["tiny:v1"]
    lab.clean("fleet1")
    documents.run(pull.replace("/var/lib/airlift/site", str(tmp_path / "clone")), reader)
    assert list(lab.images("fleet1")) == ["tiny:v1"]
