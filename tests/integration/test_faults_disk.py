# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks that are full, too small, or not ours."""

from __future__ import annotations

import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.faults import (
    assert_converges,
    assert_refused,
    layer_blob,
    small_disk,
    trusting,
)
from ansible_collections.airlift.registry.tests.integration.support.lab import STAGING, Lab, State, eventually
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, task
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

MB = 1_000_000


def test_staging_is_too_small(lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]) -> None:
    with small_disk(lab, host, STAGING, 30):
        refused = ansible.preload(host, big_arguments)
        assert_refused(refused, host, f"The disk of staging is too small: {STAGING} has", "nothing was changed")
        assert lab.look(host) == State((), ())
    with small_disk(lab, host, STAGING, 60):
        assert_converges(lab, ansible, host, big_arguments)


def test_staging_fills_up_on_the_way(lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]) -> None:
    with small_disk(lab, host, STAGING, 60):
        run = ansible.start(host, [task("image_preload", {**big_arguments, "bandwidth_limit": 8 * MB})])
        eventually(lambda: lab.staged(host) > 2 * MB, "the transfer")
        lab.run(host, f"cat /dev/zero > {STAGING}/somebody-elses 2>/dev/null", check=False)
        refused = run.result(host)
        assert_refused(refused, host, "The disk of staging is full", "what has arrived is kept")
        lab.run(host, f"rm {STAGING}/somebody-elses")
        staged = lab.staged(host)
        assert lab.images(host) == {}
        result = assert_converges(lab, ansible, host, big_arguments)
        assert result["resumed_bytes"] == staged > 2 * MB


@contextmanager
def read_only(lab: Lab, host: str, path: str) -> t.Iterator[None]:
    """What a kernel makes of a disk with errors."""
    bind = f"{{ mount --bind {path} {path} && echo bound; }}"
    bound = lab.run(host, f"mkdir -p {path}; mountpoint -q {path} || {bind}")
    lab.run(host, f"mount -o remount,bind,ro {path}")
    try:
        yield
    finally:
        lab.run(host, f"umount {path}" if bound else f"mount -o remount,bind,rw {path}")


@pytest.mark.parametrize("path", ["/var/lib/airlift", "/"])
def test_a_file_system_that_is_read_only(
    lab: Lab, ansible: Ansible, host: str, tiny_arguments: dict[str, t.Any], path: str
) -> None:
    lab.run(host, "mkdir -p /var/lib/airlift")
    with read_only(lab, host, path):
        checks = [task("image_preload", tiny_arguments, check_mode=check) for check in (True, False)]
        for run in ansible.play(host, checks):
            assert_refused(run[host], host, "The file system of /var/lib/airlift is mounted read-only", "dmesg")
    assert lab.look(host) == State((), ())
    assert_converges(lab, ansible, host, tiny_arguments)


def test_staging_becomes_read_only_on_the_way(
    lab: Lab, ansible: Ansible, host: str, big_arguments: dict[str, t.Any]
) -> None:
    with small_disk(lab, host, STAGING, 60):
        run = ansible.start(host, [task("image_preload", {**big_arguments, "bandwidth_limit": 8 * MB})])
        eventually(lambda: lab.staged(host) > 2 * MB, "the transfer")
        lab.run(host, f"until mount -o remount,ro {STAGING} 2>/dev/null; do sleep 0.01; done")
        assert_refused(run.result(host), host, "The disk of staging is mounted read-only", "what has arrived is kept")
        lab.run(host, f"mount -o remount,rw {STAGING}")
        assert assert_converges(lab, ansible, host, big_arguments)["resumed_bytes"] > 2 * MB


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
