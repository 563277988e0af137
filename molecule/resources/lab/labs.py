# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing labs up and down. The engine's labels are the truth about what exists, so that a killed run can be cleaned up."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from . import topology
from .errors import LabError
from .flags import Machine, find_cgroup2, run_flags
from .inventory import USER, Host, Lab, inventory, known_hosts, ssh_config
from .shell import attempt, install_packages, run
from .topology import HostSpec

LAB_LABEL = "airlift.lab"
HOST_LABEL = "airlift.lab.host"
PREFIX = "airlift"
BOOT_SECONDS = 90
# Each host's systemd takes some six of root's inotify instances. The kernel's default of 128 is enough for twenty hosts, if all is well.
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES = 1024
# The engine answers for the names of the lab's hosts. Others it would ask of the machine's resolver: it gets one that nobody
# runs, and does not tell the host that it failed (20.10), so the host must not wait long.
NAME_SERVICE = ("--dns=192.0.2.1", "--dns-option=timeout:1", "--dns-option=attempts:1")

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Existing:
    """A host's container as the engine knows it."""

    container: str
    running: bool
    address: str


def up(name: str, hosts: tuple[HostSpec, ...], images: Mapping[str, str], state: Path) -> Lab:
    """Make the lab what the spec says, each host of its image, and wait until every host is ready."""
    existing = _existing_hosts(name)
    _refuse_leftover(name, hosts, existing)
    subnet = _ensure_network(name)
    _ensure_key(name, state)
    addresses = topology.assign_addresses(
        [host.name for host in hosts], subnet, {host: found.address for host, found in existing.items()}
    )
    missing = [host for host in hosts if host.name not in existing]
    if missing:
        machine = probe_machine(images[missing[0].name])
        _allow_inotify()
        if any(host.shared for host in missing):
            _ensure_shared_volume(name)
        _each(lambda host: _run(name, host, addresses[host.name], images[host.name], machine), missing)
    stopped = [found.container for found in existing.values() if not found.running]
    if stopped:
        run("docker", "start", *stopped)
    authorized = (state / "id_ed25519.pub").read_text(encoding="utf-8")
    ready = _each(lambda host: _wait_for(name, host, addresses[host.name], authorized), hosts)
    lab = Lab(name, state, topology.virtual_ip(subnet), tuple(ready))
    _write_files(lab)
    return lab


def down(name: str, state: Path) -> None:
    """Remove everything of the lab that exists, whatever became of the run that made it."""
    label = f"label={LAB_LABEL}={name}"
    _remove(("docker", "ps", "--all", "--quiet", "--filter", label), ("docker", "rm", "--force", "--volumes"))
    _remove(("docker", "network", "ls", "--quiet", "--filter", label), ("docker", "network", "rm"))
    _remove(("docker", "volume", "ls", "--quiet", "--filter", label), ("docker", "volume", "rm", "--force"))
    _remove_cgroups(name)
    if state.exists():
        shutil.rmtree(state)


def names_of_labs() -> list[str]:
    """The labs that the engine knows anything of."""
    template = f'{{{{.Label "{LAB_LABEL}"}}}}'
    found: set[str] = set()
    for listing in (("ps", "--all"), ("network", "ls"), ("volume", "ls")):
        found |= set(run("docker", *listing, "--filter", f"label={LAB_LABEL}", "--format", template).split())
    return sorted(found)


def describe(name: str) -> list[str]:
    """One line per host."""
    return [
        f"{name}\t{host}\t{found.address}\t{'running' if found.running else 'stopped'}"
        for host, found in sorted(_existing_hosts(name).items())
    ]


def probe_machine(image: str) -> Machine:
    """Find out what this machine allows, by trying."""
    cgroup2, unified = find_cgroup2()
    tried = attempt("docker", "run", "--rm", "--privileged", "--network", "none", "--entrypoint", "/bin/true", image)
    return Machine(cgroup2, unified, privileged=tried.returncode == 0)


def _allow_inotify(setting: Path = INOTIFY) -> None:
    """Raise the machine's limit if it is lower than many hosts need, and may be raised."""
    with suppress(OSError):
        if int(setting.read_text(encoding="ascii")) < INOTIFY_INSTANCES:
            setting.write_text(str(INOTIFY_INSTANCES), encoding="ascii")


def _existing_hosts(name: str) -> dict[str, Existing]:
    containers = run("docker", "ps", "--all", "--quiet", "--filter", f"label={LAB_LABEL}={name}").split()
    if not containers:
        return {}
    found: list[dict[str, Any]] = json.loads(run("docker", "container", "inspect", *containers))
    return {item["Config"]["Labels"][HOST_LABEL]: _read_existing(name, item) for item in found}


def _read_existing(name: str, item: dict[str, Any]) -> Existing:
    # The address asked for: a stopped container has no other.
    wanted = item["NetworkSettings"]["Networks"][network_name(name)]["IPAMConfig"]["IPv4Address"]
    return Existing(item["Id"], item["State"]["Running"], wanted)


def _refuse_leftover(name: str, hosts: tuple[HostSpec, ...], existing: dict[str, Existing]) -> None:
    leftover = sorted(set(existing) - {host.name for host in hosts})
    if leftover:
        raise LabError(
            f"lab {name} has hosts that the spec does not name: {', '.join(leftover)}. Run `lab down {name}` first."
        )


def network_name(lab: str) -> str:
    return f"{PREFIX}-{lab}"


def container_name(lab: str, host: str) -> str:
    return f"{PREFIX}-{lab}-{host}"


def volume_name(lab: str) -> str:
    return f"{PREFIX}-{lab}-shared"


def _ensure_network(name: str) -> str:
    """Make the network; answer with its subnet."""
    present = attempt(
        "docker", "network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", network_name(name)
    )
    if present.returncode == 0:
        return present.stdout.strip()
    refused = "no subnet is free"
    for subnet in topology.free_subnets(_networks_in_use()):
        # Internal: the engine gives the hosts no default route, and lets nothing in or out.
        made = attempt(
            "docker", "network", "create", "--internal",
            "--label", f"{LAB_LABEL}={name}", "--subnet", subnet, network_name(name),
        )  # fmt: skip
        if made.returncode == 0:
            return subnet
        refused = made.stderr.strip()
        if "overlaps" not in refused:
            break
    raise LabError(f"the network {network_name(name)} cannot be made: {refused}")


def _networks_in_use() -> list[str]:
    """The destinations of this machine's routes, but for the default one."""
    rows = [line.split() for line in Path("/proc/net/route").read_text(encoding="utf-8").splitlines()[1:]]
    return [f"{_dotted(row[1])}/{_dotted(row[7])}" for row in rows if int(row[7], 16)]


def _dotted(hexadecimal: str) -> str:
    return socket.inet_ntoa(struct.pack("=L", int(hexadecimal, 16)))


def _ensure_shared_volume(name: str) -> None:
    run("docker", "volume", "create", "--label", f"{LAB_LABEL}={name}", volume_name(name))


def _ensure_key(name: str, state: Path) -> None:
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    if shutil.which("ssh-keygen") is None:
        install_packages("openssh-client")
    if not (state / "id_ed25519.pub").exists():
        # Half a pair is no pair.
        (state / "id_ed25519").unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"airlift-lab-{name}", "-f", str(state / "id_ed25519"))


def _run(lab: str, host: HostSpec, address: str, image: str, machine: Machine) -> None:
    cgroup = machine.cgroup2 / f"{PREFIX}-{lab}" / host.name
    if machine.needs_cgroup_directories:
        cgroup.mkdir(parents=True, exist_ok=True)
    shared = [f"--volume={volume_name(lab)}:/srv/registry"] if host.shared else []
    run(
        "docker", "run", "--detach", "--name", container_name(lab, host.name), "--hostname", host.name,
        "--label", f"{LAB_LABEL}={lab}", "--label", f"{HOST_LABEL}={host.name}",
        "--network", network_name(lab), "--ip", address, "--network-alias", host.name, *NAME_SERVICE,
        "--stop-signal", "SIGRTMIN+3", *run_flags(machine, cgroup), *shared, image,
    )  # fmt: skip


def _wait_for(lab: str, host: HostSpec, address: str, authorized: str) -> Host:
    container = container_name(lab, host.name)
    _wait_for_boot(container)
    into = f"/home/{USER}/.ssh/authorized_keys"
    run(
        "docker", "exec", "--interactive", container, "/bin/sh", "-c",
        f"umask 077; cat > {into}.new && chown {USER}: {into}.new && mv {into}.new {into}", stdin=authorized,
    )  # fmt: skip
    host_key = run("docker", "exec", container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
    _wait_for_ssh(container, address)
    return Host(host, address, host_key)


def _wait_for_boot(container: str) -> None:
    """Wait until systemd has started everything, the engine included (its unit says when it is ready)."""
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        # Straight after the start systemd does not listen yet, which is an error like any other.
        state = attempt("docker", "exec", container, "systemctl", "is-system-running", "--wait", timeout=BOOT_SECONDS)
        if state.stdout.strip() == "running":
            break
        if state.stdout.strip() == "degraded" or time.monotonic() > deadline:
            raise LabError(
                f"{container} did not boot ({state.stdout.strip() or state.stderr.strip()}). {_why(container)}"
            )
        time.sleep(0.2)
    run("docker", "exec", container, "docker", "version", "--format", "{{.Server.Version}}", timeout=30)


def _why(container: str) -> str:
    failed = attempt(
        "docker", "exec", container, "systemctl", "list-units", "--failed", "--plain", "--no-legend", timeout=20
    )
    return f"Failed units: {failed.stdout.strip() or 'none'}. See `docker exec {container} journalctl -b` and `docker logs {container}`."


def _wait_for_ssh(container: str, address: str) -> None:
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        try:
            with socket.create_connection((address, 22), timeout=2) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise LabError(
                f"{container} does not answer at {address} port 22. See `docker exec {container} journalctl -u ssh`."
            )
        time.sleep(0.1)


def _write_files(lab: Lab) -> None:
    _write(lab.known_hosts, known_hosts(lab.hosts))
    _write(lab.state / "ssh_config", ssh_config(lab))
    _write(lab.state / "inventory.yml", inventory(lab))


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _remove(listing: tuple[str, ...], removal: tuple[str, ...]) -> None:
    found = run(*listing).split()
    if found:
        run(*removal, *found)


def _remove_cgroups(name: str) -> None:
    """Remove the directories made for the hosts; those of killed processes are free a moment later."""
    for root in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        top = root / f"{PREFIX}-{name}"
        for directory in [*sorted(top.rglob("*/"), reverse=True), top]:
            if directory.is_dir():
                _remove_cgroup(directory)


def _remove_cgroup(directory: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            directory.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise LabError(
                    f"the cgroup {directory} cannot be removed: {error.strerror}. Run `lab down` again."
                ) from error
            time.sleep(0.1)


def _each(action: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do the same to all at once; wait for all before the first error is raised."""
    work = list(items)
    with ThreadPoolExecutor(max_workers=max(1, len(work))) as pool:
        futures = [pool.submit(action, item) for item in work]
    return [future.result() for future in futures]
