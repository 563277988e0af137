# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stack of three nodes under a bounded load of pulls and pushes, while something happens to it. Slow: each row of the table takes half a minute and
more, after a deployment of three minutes; they run in `make test-all`, one round each.

`pytest -m slow -s tests/integration/test_stack_faults.py -k "killed" --rounds 10` prints the rows of the table with the worst of ten rounds.
"""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field

import pytest

from ansible_collections.airlift.registry.tests.integration.conftest import brought_up
from ansible_collections.airlift.registry.tests.integration.support import stack_load
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Run, task
from ansible_collections.airlift.registry.tests.integration.support.stack import (
    FLEET,
    FQDN,
    LAB,
    SPEC,
    Stack,
    deployed,
)
from ansible_collections.airlift.registry.tests.integration.support.stack_faults import ROWS, Fault
from ansible_collections.airlift.registry.tests.integration.support.stack_load import Load, Try
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

pytestmark = pytest.mark.slow

HOLD = 5.0  # seconds for which a fault lasts at least
SETTLE = 2.0  # seconds after which there must be one holder again
STAYS = 3.0  # seconds for which it has to stay so
OURS = "docker.io/library/ours:v1"
CLIENT_RETRY = 5.0  # seconds: Docker tries a connection again for about as long before a pull fails


@dataclass
class Site:
    """The stack, and our own modules at work on it."""

    stack: Stack
    ansible: Ansible
    bundle: dict[str, t.Any]
    published: int = 0

    def publish(self) -> Run:
        """Our own push, to a place where nothing is yet."""
        self.published += 1
        registry = self.stack.registry
        access = {"username": "publisher", "password": registry.passwords["publisher"], "ca_path": str(registry.ca)}
        where = {"registry": registry.address, "namespace": f"ours{time.time_ns()}"}
        return self.ansible.start("localhost", [task("registry_publish", {**self.bundle, **where, **access})])

    def preload(self) -> Run:
        """Our own pull, of an image that the host does not have."""
        self.stack.lab.run(FLEET, f"docker image rm --force {OURS} >/dev/null 2>&1", check=False)
        how = {"transport": "registry", "registry": f"{FQDN}/mirror"}
        return self.ansible.start(FLEET, [task("image_preload", {**self.bundle, **how})])


@pytest.fixture(scope="module")
def site(signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    directory = tmp_path_factory.mktemp("stack")
    for lab in brought_up(LAB, SPEC, directory):
        (directory / "plays").mkdir()
        ansible = Ansible(lab.inventory, directory / "plays")
        with deployed(lab, ansible, signer, directory) as stack:
            stack_load.prepare(stack)
            bundles.make_bundle(directory / "ours", signer, {OURS: [images.layer("below"), images.layer("above")]})
            bundle = {"path": [str(directory / "ours")], "allowed_signers": str(signer.allowed_signers)}
            access = {"username": "publisher", "password": stack.registry.passwords["publisher"]}
            where = {"registry": stack.registry.address, "namespace": "mirror", "ca_path": str(stack.registry.ca)}
            said = ansible.local("registry_publish", {**bundle, **access, **where})
            assert not said.get("failed"), said
            yield Site(stack, ansible, bundle)


@dataclass
class Round:
    """What one round has shown; seconds and counts."""

    gap: float
    stall: float
    two_holders: float
    pulls: list[Try]
    pushes: list[Try]
    struck: float
    ours: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def failed(self, tries: list[Try], in_flight: bool) -> list[str]:
        """What went wrong with those that were in flight when the fault struck, or with those that began after it."""
        return [entry.problem for entry in tries if entry.problem and (entry.begun < self.struck) == in_flight]


def one_round(site: Site, fault: Fault) -> Round:
    """The fault under load, and its end."""
    stack = site.stack
    stack.wait()
    with Load(stack) as load:
        load.wait_for_success(0)
        ours, node = [site.publish(), site.preload()], stack.holder()
        struck = time.monotonic()
        fault.strike(stack, node)
        try:
            load.wait_for_success(struck)
            time.sleep(max(0.0, struck + HOLD - time.monotonic()))
        finally:
            fault.mend(stack, node)
        two = holders_settle(stack)
        stack.wait()
        load.wait_for_success(time.monotonic())
    said = [run.result(host, 300) for run, host in zip(ours, ("localhost", FLEET), strict=True)]
    pulls = [entry for client in load.pulls for entry in client.tries]
    # What was on its way to a host that died waits for the client's own patience.
    stall = max(entry.seconds for entry in load.questions[0].tries if entry.begun > struck)
    found = Round(load.watch.longest_gap, stall, two, pulls, load.pushes[0].tries, struck)
    found.ours = [result["msg"] for result in said if result.get("failed")]
    found.lost = [name for name in load.acknowledged if not stack_load.is_whole(stack, name)]
    # What nobody has acknowledged is whole or not there at all.
    for name in load.begun - load.acknowledged:
        stack_load.is_whole(stack, name)
    return found


def holders_settle(stack: Stack) -> float:
    """For how long after its end there was more than one holder; it has to end, and then to stay so."""
    mended, last = time.monotonic(), 0.0
    while (now := time.monotonic() - mended) < SETTLE + STAYS:
        if len(stack.holders()) > 1:
            last = now
    assert last < SETTLE, f"two nodes had the address {last:.1f} s after the fault had ended"
    return last


@pytest.mark.parametrize("name", ROWS)
def test_what_happens_when(site: Site, name: str, request: pytest.FixtureRequest) -> None:
    fault, rounds = ROWS[name], []
    for _number in range(request.config.getoption("--rounds")):
        rounds.append(one_round(site, fault))
    print(row(name, rounds))
    for found in rounds:
        assert not found.lost
        assert not found.failed(found.pulls, in_flight=False)
        assert not found.ours
        assert found.gap < CLIENT_RETRY


def row(name: str, rounds: list[Round]) -> str:
    """One line of the table: the worst of all rounds, and sums of them."""

    def count(what: str) -> str:
        tries = [getattr(found, what) for found in rounds]
        flying, later = (
            sum(len(found.failed(getattr(found, what), flag)) for found in rounds) for flag in (True, False)
        )
        return f"{what} {sum(map(len, tries))}, failed in flight {flying}, later {later}"

    worst = {key: max(getattr(found, key) for found in rounds) for key in ("gap", "stall", "two_holders")}
    return (
        f"\n  {name}: {len(rounds)} rounds, gap {worst['gap']:.2f} s, longest answer {worst['stall']:.2f} s, "
        f"{count('pulls')}; {count('pushes')}; ours failed {sum(len(found.ours) for found in rounds)}, "
        f"two holders for {worst['two_holders']:.2f} s after the end, acknowledged and lost {sum(len(found.lost) for found in rounds)}"
    )
