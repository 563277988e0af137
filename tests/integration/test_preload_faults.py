# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong on the way to a host: one clear error, nothing half-done, and a plain second run that converges."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.conftest import BIG, TINY
from ansible_collections.airlift.registry.tests.integration.support.lab import STAGING, Lab, State, eventually
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer, flip

HOST = "fleet1"
MB = 1_000_000


@pytest.fixture
def host(lab: Lab) -> str:
    """A host with nothing on it, whose engine answers."""
    lab.wait_for_engine(HOST)
    lab.clean(HOST)
    return HOST


def trusting(signer: Signer, path: Path, **options: t.Any) -> dict[str, t.Any]:
    return {"path": [str(path)], "allowed_signers": str(signer.allowed_signers), **options}


@pytest.fixture
def tiny_arguments(signer: Signer, tiny: Path) -> dict[str, t.Any]:
    return trusting(signer, tiny)


@pytest.fixture
def big_arguments(signer: Signer, big: Path) -> dict[str, t.Any]:
    return trusting(signer, big)


def config_id(bundle: Path) -> str:
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    return "sha256:" + manifest[0]["Config"].rpartition("/")[2]


def layer_blob(bundle: Path, number: int) -> Path:
    return bundle / json.loads((bundle / "manifest.json").read_bytes())[0]["Layers"][number]


def assert_refused(result: Result, host: str, problem: str, next_step: str) -> None:
    assert result["failed"] is True
    assert result["msg"].startswith(f"{host}: ")
    assert problem in result["problem"], result["problem"]
    assert next_step in result["next_step"], result["next_step"]
    assert "Traceback" not in json.dumps(result)


def assert_converges(lab: Lab, ansible: Ansible, host: str, arguments: dict[str, t.Any], **keywords: t.Any) -> Result:
    """A plain run brings the image, and another changes nothing."""
    result, again = (run[host] for run in ansible.play(host, [task("image_preload", arguments, **keywords)] * 2))
    assert not result.get("failed"), result
    assert (again["changed"], again["bytes_sent"]) == (False, 0)
    bundle = Path(arguments["path"][0])
    name = TINY if bundle.name == "tiny" else BIG
    if "docker_host" not in arguments:
        assert lab.images(host) == {name.removeprefix("docker.io/library/"): config_id(bundle)}
    assert lab.look(host).staging == ()
    return result


### The bundle


def config_blob(bundle: Path) -> Path:
    return bundle / "blobs/sha256" / config_id(bundle)[7:]


def put_symlink(bundle: Path) -> None:
    (bundle / "index.json").rename(bundle.with_suffix(".index"))
    (bundle / "index.json").symlink_to(bundle.with_suffix(".index"))


BUNDLE_FAULTS = [
    pytest.param(lambda path: flip(path / "index.json"), "index.json", "again", id="flipped byte in the index"),
    pytest.param(lambda path: flip(config_blob(path)), f"config of {TINY}", "again", id="flipped byte in a config"),
    pytest.param(lambda path: flip(path / "SHA256SUMS.sig"), "sign", "", id="flipped byte in the signature"),
    pytest.param(lambda path: (path / "SHA256SUMS.sig").unlink(), "is not signed", "signing_key", id="no signature"),
    pytest.param(put_symlink, "index.json", "another copy", id="symlink"),
    pytest.param(
        lambda path: os.truncate(layer_blob(path, 1), 20), f"of {TINY} is missing", "again", id="layer cut short"
    ),
    pytest.param(shutil.rmtree, "There is no bundle at", "Check the path", id="no bundle"),
]
MORE_FAULTS = [
    "tar cut short",
    "path that leaves its directory",
    "signed by a stranger",
    "no such image",
    "bad reference",
]


@pytest.fixture(scope="module")
def bundle_faults(
    lab: Lab, ansible: Ansible, tiny: Path, signer: Signer, stranger: Signer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Result], State, State, Result]:
    """All of these faults in one run, then a plain one; what each said, and the host before and after the faults."""
    directory = tmp_path_factory.mktemp("faults")
    arguments: dict[str, dict[str, t.Any]] = {}
    for number, parameter in enumerate(BUNDLE_FAULTS):
        copy = Path(shutil.copytree(tiny, directory / f"bundle{number}"))
        change = t.cast(t.Callable[[Path], None], parameter.values[0])
        change(copy)
        arguments[str(parameter.id)] = trusting(signer, copy)
    bundles.make_bundle(directory / "cut.tar", signer, {TINY: [images.layer("base"), images.layer("top")]})
    os.truncate(directory / "cut.tar", 9000)
    (directory / "evil.tar").write_bytes(images.tar([images.Member("../../etc/cron.d/evil", b"x")]))
    arguments["tar cut short"] = trusting(signer, directory / "cut.tar")
    arguments["path that leaves its directory"] = trusting(signer, directory / "evil.tar")
    arguments["signed by a stranger"] = trusting(stranger, tiny)
    arguments["no such image"] = trusting(signer, tiny, images=["other:v1"])
    arguments["bad reference"] = trusting(signer, tiny, images=["../app"])
    lab.clean(HOST)
    before = lab.look(HOST)
    results = [run[HOST] for run in ansible.play(HOST, [task("image_preload", entry) for entry in arguments.values()])]
    after = lab.look(HOST)
    return (
        dict(zip(arguments, results, strict=True)),
        before,
        after,
        assert_converges(lab, ansible, HOST, trusting(signer, tiny)),
    )


@pytest.mark.parametrize(
    ("fault", "problem", "next_step"),
    [
        *(pytest.param(str(entry.id), *entry.values[1:], id=str(entry.id)) for entry in BUNDLE_FAULTS),
        *(
            pytest.param(fault, problem, next_step, id=fault)
            for fault, (problem, next_step) in zip(
                MORE_FAULTS,
                [
                    ("cut.tar", "again"),
                    ("'../../etc/cron.d/evil'", "Don't use it"),
                    ("is signed by nobody in", "public key"),
                    ("has no image docker.io/library/other:v1", f"It has {TINY}"),
                    ("'../app' cannot be used", "registry.example.com/team/app:1.0"),
                ],
                strict=True,
            )
        ),
    ],
)
def test_a_bad_bundle_never_reaches_a_host(
    bundle_faults: tuple[dict[str, Result], State, State, Result], fault: str, problem: str, next_step: str
) -> None:
    results, before, after, plain = bundle_faults
    assert_refused(results[fault], HOST, problem, next_step)
    assert after == before == State((), ())
    assert plain["changed"] is True


def test_a_flipped_byte_in_a_layer_never_reaches_the_engine(
    lab: Lab, ansible: Ansible, host: str, tiny: Path, signer: Signer, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    blob = layer_blob(copy, 1)
    flip(blob)
    refused = ansible.preload(host, trusting(signer, copy))
    assert_refused(refused, host, f"{blob.name}, a layer of {TINY}, arrived damaged", "bundle_verify")
    assert lab.look(host).images == ()
    verified = ansible.local("bundle_verify", {"path": str(copy), "allowed_signers": str(signer.allowed_signers)})
    assert f"{blob.name} in bundle {copy} is damaged" in verified["problems"][0]
    assert_converges(lab, ansible, host, trusting(signer, tiny))


def test_a_layer_that_was_flipped_in_staging(
    lab: Lab, ansible: Ansible, host: str, tiny: Path, tiny_arguments: dict[str, t.Any]
) -> None:
    blob = layer_blob(tiny, 0)
    lab.run(host, f"mkdir -p {STAGING} && head -c {blob.stat().st_size} /dev/zero > {STAGING}/{blob.name}")
    assert_refused(
        ansible.preload(host, tiny_arguments),
        host,
        f"{STAGING}/{blob.name}, a layer of {TINY}",
        "next run sends it again",
    )
    assert lab.look(host).images == ()
    assert_converges(lab, ansible, host, tiny_arguments)


### The engine


def test_no_engine(lab: Lab, ansible: Ansible, host: str, tiny_arguments: dict[str, t.Any]) -> None:
    lab.run(host, "systemctl stop docker.socket docker.service")
    try:
        refused = ansible.preload(host, tiny_arguments)
        assert_refused(refused, host, "unix:///var/run/docker.sock did not answer", "systemctl start docker")
    finally:
        lab.run(host, "systemctl start docker.socket docker.service")
    lab.wait_for_engine(host)
    assert lab.look(host) == State((), ())
    assert_converges(lab, ansible, host, tiny_arguments)


def test_an_engine_that_does_not_answer(
    lab: Lab, ansible: Ansible, host: str, tiny_arguments: dict[str, t.Any]
) -> None:
    pid = lab.run(host, "systemctl show --property MainPID --value docker.service")
    lab.run(host, f"kill -STOP {pid}")
    try:
        started = time.monotonic()
        refused = ansible.preload(host, {**tiny_arguments, "docker_timeout": 3})
        assert time.monotonic() - started < 40
        assert_refused(refused, host, "unix:///var/run/docker.sock did not answer within 3 s", "systemctl start docker")
    finally:
        lab.run(host, f"kill -CONT {pid}")
    assert_converges(lab, ansible, host, tiny_arguments)


def test_no_docker_sdk(lab: Lab, ansible: Ansible, host: str, tiny_arguments: dict[str, t.Any]) -> None:
    lab.run(
        host,
        "printf '#!/bin/sh\\nexec /usr/bin/python3 -S \"$@\"\\n' > /usr/local/bin/bare-python && chmod 755 /usr/local/bin/bare-python",
    )
    refused = ansible.preload(host, tiny_arguments, vars={"ansible_python_interpreter": "/usr/local/bin/bare-python"})
    assert_refused(refused, host, "The Docker SDK for Python is missing", "python3-docker")
    assert lab.look(host) == State((), ())
    assert_converges(lab, ansible, host, tiny_arguments)


def while_it_loads(lab: Lab, host: str, command: str) -> None:
    """Run a command on the host as soon as the engine has begun to load."""
    wait = "until ls -d /var/lib/docker/tmp/docker-import-*/blobs; do sleep 0.01; done"
    lab.run(host, f"timeout 120 sh -c '{wait}' >/dev/null 2>&1 && {command}")


def test_the_engine_is_killed_while_it_loads(
    lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]
) -> None:
    run = ansible.start(host, [task("image_preload", big_arguments)])
    while_it_loads(lab, host, "systemctl kill --kill-whom=main --signal=KILL docker.service")
    assert_refused(run.result(host), host, "unix:///var/run/docker.sock did not load the images", "")
    lab.wait_for_engine(host)
    assert set(lab.images(host)) <= {"<none>:<none>"}
    assert assert_converges(lab, ansible, host, big_arguments)["bytes_sent"] == 0


def test_the_module_is_killed_while_the_engine_loads(
    lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]
) -> None:
    run = ansible.start(host, [task("image_preload", big_arguments)])
    # Nothing else on this host is Python.
    while_it_loads(lab, host, "pkill -KILL -x python3")
    assert run.result(host)["failed"] is True
    assert BIG.removeprefix("docker.io/library/") not in lab.images(host)
    assert assert_converges(lab, ansible, host, big_arguments)["bytes_sent"] == 0


### The disk


@contextmanager
def small_disk(lab: Lab, host: str, path: str, megabytes: int) -> t.Iterator[None]:
    lab.run(host, f"mkdir -p {path} && mount -t tmpfs -o mode=0700,size={megabytes}m tmpfs {path}")
    try:
        yield
    finally:
        lab.run(host, f"umount --lazy {path}")


def test_staging_is_too_small(lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]) -> None:
    with small_disk(lab, host, STAGING, 30):
        refused = ansible.preload(host, big_arguments)
        assert_refused(refused, host, f"The disk of staging is too small: {STAGING} has", "nothing was changed")
        assert lab.look(host) == State((), ())
    with small_disk(lab, host, STAGING, 60):
        assert_converges(lab, ansible, host, big_arguments)


def test_staging_fills_up_on_the_way(lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]) -> None:
    with small_disk(lab, host, STAGING, 60):
        run = ansible.start(host, [task("image_preload", {**big_arguments, "bandwidth_limit": 3 * MB})])
        eventually(lambda: lab.staged(host) > 2 * MB, "the transfer")
        lab.run(host, f"cat /dev/zero > {STAGING}/somebody-elses 2>/dev/null", check=False)
        refused = run.result(host)
        assert_refused(refused, host, "The disk of staging is full", "what has arrived is kept")
        lab.run(host, f"rm {STAGING}/somebody-elses")
        staged = lab.staged(host)
        assert lab.images(host) == {}
        result = assert_converges(lab, ansible, host, big_arguments)
        assert result["resumed_bytes"] == staged > 2 * MB


def test_staging_that_somebody_else_made(
    lab: Lab, ansible: Ansible, host: str, tiny: Path, tiny_arguments: dict[str, t.Any]
) -> None:
    """With a link where a layer would be written: what it leads to is not touched."""
    blob = layer_blob(tiny, 1).name
    lab.run(
        host,
        "rm -rf /tmp/theirs && mkdir /tmp/theirs && echo kept > /etc/airlift-kept"
        f" && ln -s /etc/airlift-kept /tmp/theirs/{blob} && chown -R ops /tmp/theirs",
    )
    refused = ansible.preload(host, {**tiny_arguments, "staging_path": "/tmp/theirs"})
    assert_refused(refused, host, "The staging directory /tmp/theirs is not only this user's", "nothing was changed")
    assert lab.run(host, "cat /etc/airlift-kept") == "kept"
    assert lab.images(host) == {}
    assert_converges(lab, ansible, host, tiny_arguments)


def test_a_full_tmp(lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]) -> None:
    with small_disk(lab, host, "/tmp", 1):
        lab.run(host, "chmod 1777 /tmp; cat /dev/zero > /tmp/full 2>/dev/null", check=False)
        assert_converges(lab, ansible, host, big_arguments)


@pytest.fixture
def small_engine(lab: Lab, host: str) -> t.Iterator[str]:
    """A second engine on the host, with little room, that keeps each layer with all below it."""
    with small_disk(lab, host, "/run/small/data", 70):
        address = "unix:///run/small/docker.sock"
        lab.run(
            host,
            f"dockerd --host {address} --data-root /run/small/data --exec-root /run/small/exec --pidfile /run/small/pid"
            " --bridge none --iptables=false --ip6tables=false --storage-driver vfs >/run/small/log 2>&1 &",
        )
        eventually(
            lambda: lab.run(host, f"docker -H {address} version -f '{{{{.Server.Version}}}}'", check=False),
            "the engine",
        )
        try:
            yield address
        finally:
            lab.run(host, "kill $(cat /run/small/pid); while test -e /run/small/pid; do sleep 0.05; done")


def test_the_disk_of_the_engine_is_too_small(
    lab: Lab, ansible: Ansible, host: str, small_engine: str, signer: Signer, big: Path, tiny: Path, tmp_path: Path
) -> None:
    """Seen in advance (an image of 200 MB in a few kB), and met on the way (two layers where one was counted, as vfs keeps them)."""
    bundles.make_bundle(
        tmp_path / "zeros",
        signer,
        {"docker.io/library/zeros:v1": [images.tar([images.Member("zeros", bytes(200 * MB))])]},
    )
    foreseen, met, fits = (
        result[host]
        for result in ansible.play(
            host,
            [
                task("image_preload", trusting(signer, path, docker_host=small_engine))
                for path in (tmp_path / "zeros", big, tiny)
            ],
        )
    )
    assert_refused(foreseen, host, "The disk of the engine is too small: /run/small/data has", "nothing was changed")
    assert_refused(met, host, f"The engine at {small_engine} could not load the images", "journalctl -u docker")
    assert "no space left on device" in met["problem"]
    assert fits["changed"] is True
    names = lab.run(host, f"docker -H {small_engine} images --format '{{{{.Repository}}}}:{{{{.Tag}}}}'")
    assert names == "tiny:v1"
    # With room, the same bundle needs no byte again.
    result = assert_converges(lab, ansible, host, trusting(signer, big))
    assert result["resumed_bytes"] > 24 * MB > result["bytes_sent"]


### The connection


def test_the_connection_is_cut_again_and_again(
    lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]
) -> None:
    """The host resets every connection that has carried 3 MB: each part is cut in its middle, and the run gets through."""
    rule = (
        "INPUT -p tcp --dport 22 -m connbytes --connbytes 3000000: --connbytes-dir original --connbytes-mode bytes"
        " -j REJECT --reject-with tcp-reset"
    )
    lab.run(host, f"iptables -I {rule}")
    # What a connection has carried is counted only since the rule is there, so it must be a new one.
    control = tempfile.mkdtemp(prefix="airlift-")
    try:
        result = ansible.start(
            host, [task("image_preload", big_arguments)], ANSIBLE_SSH_CONTROL_PATH_DIR=control
        ).result(host)
        cuts = int(lab.run(host, "iptables -nvxL INPUT | awk '/connbytes/ {print $1}'"))
    finally:
        # The host was not told, so its ends of these connections would wait for long.
        lab.run(host, f"iptables -D {rule}; pkill -x cat", check=False)
        shutil.rmtree(control)
    assert not result.get("failed"), result
    assert cuts >= 6
    assert result["bytes_sent"] == result["bytes"]["send"]
    assert_converges(lab, ansible, host, big_arguments)


def test_sshd_is_killed_on_the_way(lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]) -> None:
    """The server and all its sessions; systemd brings it back, and the run goes on."""
    run = ansible.start(host, [task("image_preload", {**big_arguments, "bandwidth_limit": 3 * MB})])
    eventually(lambda: lab.staged(host) > 2 * MB, "the transfer")
    lab.run(host, "pkill -KILL sshd; systemctl restart ssh")
    result = run.result(host)
    assert not result.get("failed"), result
    again = ansible.preload(host, big_arguments)
    assert (again["changed"], again["bytes_sent"]) == (False, 0)


def test_the_controller_is_killed_on_the_way(
    lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]
) -> None:
    run = ansible.start(host, [task("image_preload", {**big_arguments, "bandwidth_limit": 3 * MB})])
    eventually(lambda: lab.staged(host) > 2 * MB, "the transfer")
    run.kill()
    assert run.process.returncode == -signal.SIGKILL
    assert lab.images(host) == {}
    # What was on the wire when it died still arrives.
    eventually(lambda: not lab.run(host, f"pgrep -f '[c]at >> .*{STAGING}'", check=False), "the end of the transfer")
    staged = lab.staged(host)
    result = assert_converges(lab, ansible, host, big_arguments)
    assert result["resumed_bytes"] == staged > 2 * MB
    assert result["bytes_sent"] + staged == result["bytes"]["send"] + result["bytes"]["staged"]
