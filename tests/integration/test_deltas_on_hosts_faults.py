# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deltas on hosts when something is wrong: the layer itself comes in the same run, or the error names the bundle that has it; nothing is left."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support import deltas
from ansible_collections.airlift.registry.tests.integration.support.deltas import BASE, NAME, PROGRAM, Made
from ansible_collections.airlift.registry.tests.integration.support.faults import small_disk
from ansible_collections.airlift.registry.tests.integration.support.gate import Step, gate
from ansible_collections.airlift.registry.tests.integration.support.lab import STAGING, Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

SAVE = Step("GET .*/images/get")


@pytest.fixture(scope="module")
def directory_of_bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rebuilt")


@pytest.fixture(scope="module")
def first(directory_of_bundles: Path, signer: Signer) -> Made:
    return deltas.make(directory_of_bundles / "first", signer, "one")


@pytest.fixture(scope="module")
def beside(directory_of_bundles: Path, signer: Signer, first: Made) -> Made:
    return deltas.make(directory_of_bundles / "beside", signer, "two", "beside", [first.path])


@pytest.fixture(scope="module")
def alone(directory_of_bundles: Path, signer: Signer, first: Made) -> Made:
    return deltas.make(directory_of_bundles / "alone", signer, "two", "instead", [first.path])


@pytest.fixture
def updated(lab: Lab, ansible: Ansible, host: str, first: Made) -> t.Iterator[str]:
    """A host that has the first version, and xdelta3."""
    deltas.bring_xdelta3(lab, host)
    assert not ansible.preload(host, first.arguments()).get("failed")
    yield host
    lab.run(host, f"rm -f {PROGRAM}")


def sizes(made: Made) -> tuple[int, int]:
    """Of the delta and of its layer."""
    assert made.delta is not None
    return made.delta.delta_size, made.delta.size


def assert_came(lab: Lab, host: str, result: Result, sent: int) -> None:
    """The image came with so many bytes, and nothing is left."""
    assert not result.get("failed"), result
    assert result["bytes_sent"] == sent
    assert lab.run(host, f"docker run --rm --network none {NAME}:two") == "two"
    assert lab.look(host).staging == ()


def test_the_base_out_of_the_engine_makes_the_layer(lab: Lab, ansible: Ansible, updated: str, alone: Made) -> None:
    assert_came(lab, updated, ansible.preload(updated, alone.arguments()), sizes(alone)[0])


# While the engine is asked for the base; what the run says then.
WHILE_SAVING: list[t.Any] = [
    pytest.param("docker rmi --force rebuilt:one", "did not save", id="the base is removed"),
    pytest.param(f"rm {PROGRAM}", "could not make a layer of its delta", id="xdelta3 is removed"),
    pytest.param(f"cd {STAGING} && for blob in [0-9a-f]*; do echo x >> $blob; done", "arrived damaged", id="the delta is damaged"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "problem"), WHILE_SAVING)
def test_what_breaks_after_the_plan_costs_the_layer(
    lab: Lab, ansible: Ansible, updated: str, beside: Made, command: str, problem: str
) -> None:
    with gate(lab, updated, SAVE, command=command) as gated:
        run = ansible.start(updated, [task("image_preload", beside.arguments(docker_host=gated.address))])
        gated.arrival()
        gated.open()
        result = run.result(updated)
    assert not result.get("failed"), result
    assert problem in result["warnings"][0], result["warnings"]
    base = beside.image.layers[0].blob.size if "rmi" in command else 0
    assert_came(lab, updated, result, sum(sizes(beside)) + base)


def test_a_full_disk_on_the_way_is_told(lab: Lab, ansible: Ansible, updated: str, beside: Made) -> None:
    """There is room for neither the base nor the layer then."""
    with (
        small_disk(lab, updated, STAGING, 24),
        gate(lab, updated, SAVE, command=f"head -c 22000000 /dev/zero > {STAGING}/somebody-elses") as gated,
    ):
        run = ansible.start(updated, [task("image_preload", beside.arguments(docker_host=gated.address))])
        gated.arrival()
        gated.open()
        result = run.result(updated)
    assert result["failed"] is True
    assert "The disk of staging is too small" in result["problem"]
    assert lab.images(updated).keys() == {"rebuilt:one"}
    final = ansible.preload(updated, beside.arguments())
    assert_came(lab, updated, final, sizes(beside)[0])


def test_too_small_a_disk_costs_the_layer(lab: Lab, ansible: Ansible, updated: str, beside: Made) -> None:
    with small_disk(lab, updated, STAGING, 20):
        result = ansible.preload(updated, beside.arguments())
        assert "no delta, because The disk of staging is too small" in result["images"][0]["layers"][1]["reason"]
        assert result["bytes_sent"] == sizes(beside)[1]


@pytest.mark.parametrize(
    "lies",
    [
        pytest.param({"base_diff_id": f"sha256:{images.sha256(BASE)}", "base_unpacked": len(BASE)}, id="another base"),
        pytest.param({"memory": 10_000_000}, id="it takes more memory than it says"),
    ],
)
def test_a_delta_that_lies_costs_the_layer_and_makes_nothing(
    lab: Lab, ansible: Ansible, updated: str, signer: Signer, first: Made, tmp_path: Path, lies: dict[str, t.Any]
) -> None:
    made = deltas.make(tmp_path / "lies", signer, "two", "beside", [first.path], **lies)
    result = ansible.preload(updated, made.arguments())
    assert "could not make a layer of its delta" in result["warnings"][0]
    assert_came(lab, updated, result, sum(sizes(made)))


def test_with_nothing_but_a_delta_that_lies_the_bundle_with_the_layer_is_named(
    lab: Lab, ansible: Ansible, updated: str, signer: Signer, first: Made, tmp_path: Path
) -> None:
    made = deltas.make(tmp_path / "lies", signer, "two", "instead", [first.path], memory=10_000_000)
    result = ansible.preload(updated, made.arguments())
    assert result["failed"] is True
    assert "does not make a layer" in result["problem"]
    assert "Give bundle first (" in result["next_step"]
    assert lab.images(updated).keys() == {"rebuilt:one"}


def test_too_little_memory_costs_the_layer(lab: Lab, ansible: Ansible, updated: str, beside: Made) -> None:
    lab.run(updated, "echo 'MemAvailable: 1000 kB' > /run/meminfo && mount --bind /run/meminfo /proc/meminfo")
    try:
        result = ansible.preload(updated, beside.arguments())
    finally:
        lab.run(updated, "umount /proc/meminfo")
    assert "bytes of memory and 1024000 are free" in result["images"][0]["layers"][1]["reason"]
    assert_came(lab, updated, result, sizes(beside)[1])


@pytest.mark.parametrize(
    ("options", "is_delta", "reason"),
    [
        pytest.param({"deltas": "never"}, False, "deltas=never", id="never"),
        pytest.param({"deltas": "auto", "link_speed": 1_000_000_000}, False, "at 1000000000 bytes/s", id="a fast link"),
        pytest.param({"deltas": "auto", "link_speed": 100_000}, True, "at 100000 bytes/s", id="a thin link"),
        pytest.param({"deltas": "always", "link_speed": 1_000_000_000}, True, "deltas=always", id="always"),
    ],
)
def test_the_operator_chooses(
    ansible: Ansible, updated: str, beside: Made, options: dict[str, t.Any], is_delta: bool, reason: str
) -> None:
    predicted = ansible.preload(updated, beside.arguments(**options), "--check")
    layer = predicted["images"][0]["layers"][1]
    assert (layer["action"] == "delta") == is_delta
    assert reason in layer["reason"]


@pytest.mark.parametrize("after", ["while saving", "while loading"])
def test_killed_on_the_way_a_plain_second_run_converges(
    lab: Lab, ansible: Ansible, updated: str, alone: Made, after: str
) -> None:
    step = SAVE if after == "while saving" else Step("POST .*/images/load")
    with gate(lab, updated, step) as gated:
        run = ansible.start(updated, [task("image_preload", alone.arguments(docker_host=gated.address))])
        gated.arrival()
        lab.run(updated, "pkill -KILL -x python3")
        gated.open()
        assert run.result(updated)["failed"] is True
    assert lab.images(updated).keys() == {"rebuilt:one"}
    assert_came(lab, updated, ansible.preload(updated, alone.arguments()), 0)
