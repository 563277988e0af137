# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways in which people bring images of the machine's engine to hosts, and ours. Packing belongs to each."""

from __future__ import annotations

import json
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.airlift.registry.tests.bench.support import run
from ansible_collections.airlift.registry.tests.integration.support.registries import Registry

# As kubespray does it (roles/download), without the facts that it gathers and with a copy where it has rsync, which the lab's hosts have not.
KUBESPRAY = """
- hosts: fleet
  become: true
  gather_facts: false
  tasks:
    - command: docker image inspect {{ item }}
      loop: "{{ images }}"
      register: there
      failed_when: false
      changed_when: false
    - shell: docker save {{ item.item }} | gzip -1 > {{ work }}/{{ item.item | replace(':', '_') }}.tar
      loop: "{{ there.results }}"
      when: item.rc != 0
      delegate_to: localhost
      become: false
      run_once: true
    - copy: {src: "{{ work }}/{{ item.item | replace(':', '_') }}.tar", dest: "/root/{{ item.item | replace(':', '_') }}.tar"}
      loop: "{{ there.results }}"
      when: item.rc != 0
    - shell: docker load < /root/{{ item.item | replace(':', '_') }}.tar
      loop: "{{ there.results }}"
      when: item.rc != 0
"""
COMMUNITY_DOCKER = """
- hosts: fleet
  become: true
  gather_facts: false
  tasks:
    - community.docker.docker_image_export: {names: "{{ images }}", path: "{{ work }}/images.tar", force: true}
      delegate_to: localhost
      become: false
      run_once: true
      vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
    - copy: {src: "{{ work }}/images.tar", dest: /root/images.tar}
    - community.docker.docker_image_load: {path: /root/images.tar}
"""
# What Ansible gives ssh by itself; the lab's inventory takes compression away.
SSH_ARGUMENTS = {"ansible_ssh_args": "-C -o ControlMaster=auto -o ControlPersist=60s"}
_FIRST_PORT = 6100
NO_REGISTRY = Registry("", Path())  # for those who need none


@dataclass(frozen=True)
class Fleet:
    """Hosts of a lab, by name with their containers, that reach I(registry) and trust it, and have another of their own on their loopback.

    I(controller) is the machine's address, as they see it.
    """

    work: Path
    hosts: t.Mapping[str, str]
    registry: Registry
    controller: str

    def everywhere(self, command: t.Callable[[str], str]) -> None:
        """Run a command of this machine for each host, all at once."""
        with ThreadPoolExecutor(len(self.hosts)) as pool:
            for done in [pool.submit(run, command(host)) for host in self.hosts]:
                done.result()

    def ssh(self, host: str, command: str) -> str:
        """The command that runs a command on the host."""
        return f"ssh -F {self.work}/state/ssh_config {host} \"sudo sh -c '{command}'\""

    def play(self, playbook: str, **variables: t.Any) -> None:
        """Run a playbook for all hosts at once."""
        options = f"-i {self.work}/state/inventory.yml --limit {','.join(self.hosts)} --forks {len(self.hosts)}"
        here(f"{options} {playbook}", **variables)

    # How the others do it.

    def by_kubespray(self, images: t.Sequence[str], _step: str) -> None:
        self._by_others("kubespray", KUBESPRAY, images)

    def by_community_docker(self, images: t.Sequence[str], _step: str) -> None:
        self._by_others("community", COMMUNITY_DOCKER, images)

    def _by_others(self, name: str, playbook: str, images: t.Sequence[str]) -> None:
        (self.work / f"{name}.yml").write_text(playbook)
        self.play(f"{self.work}/{name}.yml", images=images, work=str(self.work), **SSH_ARGUMENTS)

    def by_pipe(self, images: t.Sequence[str], _step: str) -> None:
        save = f"docker save {' '.join(images)}"
        self.everywhere(lambda host: f"{save} | {self.ssh(host, 'docker load --quiet')}")

    def by_registry(self, images: t.Sequence[str], _step: str) -> None:
        run(_push(self.registry.host, images))
        self.everywhere(lambda host: self.ssh(host, _pull(self.registry.host, images)))

    def by_registry_on_host(self, images: t.Sequence[str], _step: str) -> None:
        """As unregistry: push through ssh to a registry on the host, and pull there."""
        ports = dict(zip(self.hosts, range(_FIRST_PORT, _FIRST_PORT + len(self.hosts)), strict=True))
        self.everywhere(
            lambda host: (
                f'ssh -F {self.work}/state/ssh_config -N -L 127.0.0.1:{ports[host]}:127.0.0.1:5000 {host} & trap "kill $!" EXIT; '
                f"until curl --silent --fail http://127.0.0.1:{ports[host]}/v2/; do sleep 0.1; done; "
                f"{_push(f'127.0.0.1:{ports[host]}', images)}; {self.ssh(host, _pull('127.0.0.1:5000', images))}"
            )
        )

    # How we do it.

    def by_push(self, images: t.Sequence[str], step: str) -> None:
        self.bundle(images, step)
        self.preload(step, preload_transport="push")

    def by_our_registry(self, images: t.Sequence[str], step: str) -> None:
        self.bundle(images, step)
        place = {"registry": self.registry.host, "ca_path": str(self.registry.ca)}
        needed = [f"{self.work}/{name}.tar" for name in dict.fromkeys(("cold", step))]
        signers = f"{self.work}/bench-signers"
        here(
            "airlift.registry.publish",
            publish_bundle=needed,
            publish_allowed_signers=signers,
            publish_images=[f"docker.io/library/{image}" for image in images],
            publish_registries=[place],
        )
        self.preload(step, preload_transport="registry", preload_registry=self.registry.host)

    def by_swarm(self, images: t.Sequence[str], step: str) -> None:
        self.bundle(images, step)
        self.preload(step, preload_transport="swarm", preload_swarm_address=self.controller)

    def bundle(self, images: t.Sequence[str], step: str, **variables: t.Any) -> None:
        """A bundle of the images; of an update, without what the one before has."""
        signers = f"{self.work}/bench-signers"
        base = {} if step == "cold" else {"bundle_base": f"{self.work}/cold.tar", "bundle_allowed_signers": signers}
        here(
            "airlift.registry.bundle",
            bundle_path=f"{self.work}/{step}.tar",
            bundle_signing_key=f"{self.work}/bench",
            bundle_images=[f"docker-daemon:{image}" for image in images],
            **base,
            **variables,
        )

    def preload(self, step: str, **variables: t.Any) -> None:
        self.play(
            "airlift.registry.preload",
            preload_bundle=f"{self.work}/{step}.tar",
            preload_allowed_signers=f"{self.work}/bench-signers",
            **variables,
        )

    def ask_for(self, images: t.Sequence[str]) -> None:
        """What kubespray asks before it sends anything: whether the names are there."""
        hosts = ",".join(self.hosts)
        run(
            f"ansible -i {self.work}/state/inventory.yml -b -m command -a 'docker image inspect {' '.join(images)}' {hosts}"
        )

    def has(self, image: str) -> bool:
        """Whether every host has the image."""
        inspect = f"docker image inspect --format {{{{.Id}}}} {image}"
        return {run(self.ssh(host, inspect)) for host in self.hosts} == {run(inspect)}

    def forget(self) -> None:
        """As if nobody had brought anything."""
        remove = (
            "docker image ls --quiet | sort -u | xargs --no-run-if-empty docker image rm --force; rm -rf /root/*.tar /var/lib/pushed/docker;"
            "rm -rf /var/lib/airlift; ! docker image ls --quiet --all | grep -q ."
        )
        self.everywhere(lambda host: self.ssh(host, remove))
        for path in self.work.glob("*.tar"):
            path.unlink()


def here(playbook: str, **variables: t.Any) -> None:
    """Run a playbook."""
    run(f"ansible-playbook {playbook} -e '{json.dumps(variables)}'")


def _push(registry: str, images: t.Sequence[str]) -> str:
    return " && ".join(
        f"docker tag {image} {registry}/{image} && docker push --quiet {registry}/{image}" for image in images
    )


def _pull(registry: str, images: t.Sequence[str]) -> str:
    pulls = (f"docker pull --quiet {registry}/{image} && docker tag {registry}/{image} {image}" for image in images)
    return " && ".join(pulls)


CONTENDERS: dict[str, t.Callable[[Fleet, t.Sequence[str], str], None]] = {
    "kubespray's way": Fleet.by_kubespray,
    "community.docker": Fleet.by_community_docker,
    "docker save | ssh docker load": Fleet.by_pipe,
    "docker push, docker pull": Fleet.by_registry,
    "unregistry's way": Fleet.by_registry_on_host,
    "airlift, push": Fleet.by_push,
    "airlift, registry": Fleet.by_our_registry,
    "airlift, swarm": Fleet.by_swarm,
}
OURS = tuple(name for name in CONTENDERS if name.startswith("airlift"))
