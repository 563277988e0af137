# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that feed each other: real trackers, seeds and members, each on a machine of its own."""

from __future__ import annotations

import os
import shutil
import sys
import typing as t
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._bundle import load_bundle
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.lab import eventually
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, Task, task
from ansible_collections.airlift.registry.tests.integration.support.site import Site, run, site
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

MB = 1_000_000
SEED, MEMBERS = 0, ["machine1", "machine2", "machine3", "machine4"]
MEGABITS = 20  # so that what is done to a transfer is done in its middle
ON_SEED = {"delegate_to": "machine0", "run_once": True}


Tasks = list[Task]


@dataclass(frozen=True)
class Swarm:
    """A site whose machine 0 has a bundle. Everything happens in one run of Ansible, as the seed ends with it."""

    site: Site
    ansible: Ansible
    directory: str
    offer: dict[str, t.Any]
    sizes: dict[str, int]

    def play(self, *tasks: Task) -> list[dict[str, Result]]:
        return self.ansible.play(":".join(MEMBERS), [*tasks, self.leave(), self.end()])

    def seed(self, **options: t.Any) -> Task:
        return {**task("swarm_seed", {**self.offer, **options}, **ON_SEED), "register": "seed"}

    def end(self) -> Task:
        return task("swarm_seed", {"state": "absent", "directory": self.directory}, **ON_SEED)

    def join(self, site: str = "'fleet'", **keywords: t.Any) -> Task:
        of_seed = {"torrent": f"{{{{ seed.torrents[{site}] }}}}", "lives_with": f"{{{{ seed.listeners[{site}] }}}}"}
        return task("swarm_member", {**self.member, **of_seed, "address": "{{ address }}"}, **keywords)

    def complete(self, patience: int = 40, **keywords: t.Any) -> Task:
        return task("swarm_member", {**self.member, "state": "complete", "patience": patience}, **keywords)

    def leave(self) -> Task:
        return task("swarm_member", {"state": "absent", "staging_path": "{{ staging }}"})

    @property
    def member(self) -> dict[str, t.Any]:
        return {"staging_path": "{{ staging }}", "blobs": list(self.sizes)}

    def staged(self) -> list[dict[str, int]]:
        places = [self.site.directory / name for name in MEMBERS]
        return [
            {f"sha256:{path.name}": path.stat().st_size for path in place.glob("*") if path.is_file()}
            for place in places
        ]

    def gone(self) -> bool:
        """No process, no file but the layers."""
        pids = [run("ip", "netns", "pids", self.site.namespace(number)) for number in self.site.machines]
        places = [Path(self.directory), *(self.site.directory / name / "swarm" for name in MEMBERS)]
        return not any(pids) and not any(place.exists() for place in places)


def command(line: str, **keywords: t.Any) -> Task:
    return {"ansible.builtin.shell": line, **keywords}


def signalled(name: str, program: str) -> Task:
    """Send a signal to a program on the seed's machine."""
    return command(f"pkill -{name} --ns $$ --nslist net {program}", **ON_SEED)


def kill(program: str) -> Task:
    """Kill a program on the seed's machine."""
    return signalled("KILL", program)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    with site(f"airlift-{labs.NAME}-swarm", 1 + len(MEMBERS), tmp_path_factory.mktemp("site")) as made:
        made.shape(MEGABITS)
        yield made


@pytest.fixture
def swarm(machines: Site, signer: Signer, tmp_path: Path) -> t.Iterator[Swarm]:
    layers = [images.tar([images.Member("data", os.urandom(MB))]) for _number in range(3)]
    bundles.make_bundle(tmp_path / "app.tar", signer, {"docker.io/library/app:v1": layers})
    bundle = load_bundle(str(tmp_path / "app.tar"), str(signer.allowed_signers), run_program)
    sizes = {layer.blob.digest: layer.blob.size for layer in bundle.images[0].layers}
    (tmp_path / "plays").mkdir()
    directory = str(tmp_path / "seed")
    offer = {
        "directory": directory,
        "path": [str(tmp_path / "app.tar")],
        "allowed_signers": str(signer.allowed_signers),
        "blobs": [*sizes, "sha256:" + "0" * 64],
        "address": machines.address(SEED),
    }
    yield Swarm(machines, Ansible(machines.inventory(sys.executable), tmp_path / "plays"), directory, offer, sizes)
    for name in MEMBERS:
        shutil.rmtree(machines.directory / name, ignore_errors=True)


def test_hosts_get_the_layers_and_nothing_is_left(swarm: Swarm) -> None:
    before = swarm.site.sent(SEED)
    listening = command("ss -Hltn | awk '{print $4}'")
    seed, join, again, member_ports, seed_ports, complete, leave, _end = swarm.play(
        # So slowly that hosts have the time to feed each other, also on a busy machine.
        swarm.seed(upload_limit=MB),
        swarm.join(),
        swarm.join(),
        listening,
        {**listening, **ON_SEED},
        swarm.complete(),
    )
    seeding = seed[MEMBERS[0]]
    assert (seeding["changed"], seeding["offered"], seeding["bytes"]) == (True, 3, sum(swarm.sizes.values()))
    for number, name in enumerate(MEMBERS, 1):
        assert (join[name]["changed"], again[name]["changed"], leave[name]["changed"]) == (True, False, True)
        assert sorted(complete[name]["arrived"]) == sorted(swarm.sizes)
        assert (complete[name]["missing"], complete[name]["bytes"]) == ([], seeding["bytes"])
        assert member_ports[name]["stdout_lines"] == [f"{swarm.site.address(number)}:6881"]
    address = swarm.site.address(SEED)
    assert sorted(seed_ports[MEMBERS[0]]["stdout_lines"]) == [f"{address}:6881", f"{address}:6969"]
    assert swarm.staged() == [swarm.sizes] * len(MEMBERS)
    assert swarm.gone()
    # Not once for each host: that is what a swarm is for.
    assert swarm.site.sent(SEED) - before < 2.5 * seeding["bytes"]
    assert not any(result["changed"] for step in swarm.play() for result in step.values())


def test_a_site_does_not_meet_another(swarm: Swarm) -> None:
    """Machine 4 is alone at its site, and gets nothing when the seed of its site is dead."""
    join = swarm.join("'b' if inventory_hostname == 'machine4' else 'a'")
    seed_of_b = command("kill -9 -$(cat {{ directory }}/seed-1/pid)", vars={"directory": swarm.directory}, **ON_SEED)
    steps = swarm.play(swarm.seed(sites=["a", "b"]), seed_of_b, join, swarm.complete(patience=10))
    complete = steps[3]
    assert [len(complete[name]["arrived"]) for name in MEMBERS] == [3, 3, 3, 0]
    assert swarm.gone()


# So that the seed needs 10 seconds, and what is done meanwhile is done in the middle of it.
SLOWLY = {"upload_limit": 3 * MB // 10}
BEGUN = command("until [ $(du -s {{ staging }}/swarm/blobs | cut -f1) -gt 64 ]; do sleep 0.1; done")
LATE: Task = {"when": "inventory_hostname != 'machine1'"}
EARLY: Task = {"when": "inventory_hostname == 'machine1'"}
FIRST_HALF: Task = {"when": "inventory_hostname in ['machine1', 'machine2']"}
SECOND_HALF: Task = {"when": "inventory_hostname in ['machine3', 'machine4']"}
# Listens where nobody who is asked for wrong pieces has others to ask: the seed is held until each has got one.
GARBAGE = (
    "mkdir -p {staging}/bad && cp -r {seed}/content/blobs {staging}/bad/ && cd {staging}/bad && "
    "for name in blobs/*; do head -c $(stat -c %s $name) /dev/zero > $name; done && "
    "setsid --fork aria2c --no-conf --interface={address} --listen-port=6999 --bt-seed-unverified=true --seed-ratio=0 --enable-dht=false "
    "--stop=120 --dir=. {seed}/seed-0/torrent > log 2>&1 < /dev/null"
)
GOT_WRONG = command("until grep -q 'wrong piece' {{ staging }}/swarm/log; do sleep 0.1; done", timeout=60, **LATE)
PIECE = 2**15  # bytes, of 3 MB


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(
            lambda swarm: [
                swarm.seed(),
                swarm.join(**EARLY),
                swarm.complete(**EARLY),
                kill("aria2c"),
                swarm.join(**LATE),
            ],
            id="the seed is gone after the first copy, and the others join late",
        ),
        pytest.param(
            lambda swarm: [
                swarm.seed(**SLOWLY),
                swarm.join(**FIRST_HALF),
                {**BEGUN, **FIRST_HALF},
                swarm.join(**SECOND_HALF),
            ],
            id="half of the hosts join late, when the others have a part",
        ),
        pytest.param(
            lambda swarm: [swarm.seed(**SLOWLY), swarm.join(), BEGUN, kill("opentracker")],
            id="the tracker is gone in the middle",
        ),
        pytest.param(
            lambda swarm: [
                swarm.seed(**SLOWLY),
                swarm.join(),
                BEGUN,
                local(f"{CUT} down && sleep 3 && {CUT} up", swarm),
            ],
            id="the link of the seed is cut and back",
            marks=pytest.mark.slow,  # like a tracker that is gone, for a while
        ),
    ],
)
def test_faults(swarm: Swarm, steps: t.Callable[[Swarm], Tasks]) -> None:
    swarm.play(*steps(swarm), swarm.complete())
    assert swarm.staged() == [swarm.sizes] * len(MEMBERS)
    assert swarm.gone()


def test_wrong_pieces_are_thrown_away_and_counted(swarm: Swarm) -> None:
    garbage = GARBAGE.format(seed=swarm.directory, staging="{{ staging }}-bad", address="{{ address }}")
    *_steps, complete, _killed, _join, last, _leave, _end = swarm.play(
        swarm.seed(),
        signalled("STOP", "aria2c"),
        command(garbage, **EARLY),
        swarm.join(**LATE),
        GOT_WRONG,
        signalled("CONT", "aria2c"),
        swarm.complete(**LATE),
        command("pkill -9 --ns $$ --nslist net aria2c", **EARLY),
        swarm.join(**EARLY),
        swarm.complete(),
    )
    assert swarm.staged() == [swarm.sizes] * len(MEMBERS)
    for name in MEMBERS[1:]:
        assert complete[name]["bytes_wasted"] in range(PIECE, sum(swarm.sizes.values()), PIECE)
    assert last[MEMBERS[0]]["bytes_wasted"] == 0
    assert swarm.gone()


CUT = "ip -n {hub} link set v0"


def local(line: str, swarm: Swarm) -> Task:
    return command(line.format(hub=f"{swarm.site.prefix}-hub"), delegate_to="localhost", run_once=True)


def test_bytes_of_what_did_not_come_to_its_end_are_counted(swarm: Swarm) -> None:
    *_steps, complete, _leave, _end = swarm.play(
        swarm.seed(upload_limit=MB // 10), swarm.join(), BEGUN, kill("aria2c"), swarm.complete(patience=3)
    )
    for name in MEMBERS:
        missing = complete[name]["missing"]
        assert missing
        assert 0 < complete[name]["bytes_wasted"] <= len(missing) * 1.1 * MB
    assert swarm.gone()


@pytest.mark.slow  # like what did not come to its end
def test_what_does_not_arrive_is_said_and_not_waited_for_long(swarm: Swarm) -> None:
    *_steps, complete, _leave, _end = swarm.play(
        swarm.seed(), kill("aria2c"), kill("opentracker"), swarm.join(), swarm.complete(patience=15)
    )
    assert [sorted(complete[name]["missing"]) for name in MEMBERS] == [sorted(swarm.sizes)] * len(MEMBERS)
    assert [complete[name]["bytes_wasted"] for name in MEMBERS] == [0] * len(MEMBERS)
    assert swarm.staged() == [{}] * len(MEMBERS)
    assert swarm.gone()


CANNOT_BE: list[tuple[dict[str, t.Any], str]] = [
    ({"address": ""}, "address is not set"),
    ({"address": "192.0.2.1"}, "Nothing listens on 192.0.2.1 port 6969"),
    ({"path": ["/nowhere.tar"]}, "There is no bundle at /nowhere.tar"),
]


def test_a_seed_that_cannot_be_says_why(swarm: Swarm) -> None:
    *seeds, _leave, _end = swarm.play(*(swarm.seed(**options) for options, _problem in CANNOT_BE))
    for seed, (_options, problem) in zip(seeds, CANNOT_BE, strict=True):
        assert problem in seed[MEMBERS[0]]["problem"]
        assert seed[MEMBERS[0]]["next_step"]
    assert swarm.gone()


def test_the_next_run_takes_over_what_an_interrupted_one_left(swarm: Swarm) -> None:
    """Its seed and tracker end with it at once; members that are still there join the new swarm."""
    swarm.ansible.play(":".join(MEMBERS), [swarm.seed(), swarm.join()])
    pids = partial(run, "ip", "netns", "pids", swarm.site.namespace(SEED))
    eventually(lambda: pids() == "" and not os.path.exists(swarm.directory), "the seed and the tracker end")
    _seed, join, *_rest = swarm.play(swarm.seed(), swarm.join(), swarm.complete())
    assert [join[name]["changed"] for name in MEMBERS] == [True] * len(MEMBERS)
    assert swarm.staged() == [swarm.sizes] * len(MEMBERS)
    assert swarm.gone()


@pytest.mark.slow  # more than the minute that a member waits for the seed's machine
def test_members_end_with_the_run_of_ansible(swarm: Swarm) -> None:
    swarm.ansible.play(":".join(MEMBERS), [swarm.seed(), swarm.join()])
    assert all((swarm.site.directory / name / "swarm").exists() for name in MEMBERS)
    eventually(swarm.gone, "everybody ends, and no file is left", 120)
