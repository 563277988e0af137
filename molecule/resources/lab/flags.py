# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container must be run so that systemd and a Docker engine work in it, by what the machine allows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

CGROUP_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Machine:
    """What decides the flags: where the machine has its version 2 cgroups, and whether --privileged works."""

    cgroup2: Path
    unified: bool
    privileged: bool

    @property
    def needs_cgroup_directories(self) -> bool:
        """Whether each host gets a directory made by us; else the engine's own cgroup namespace does."""
        return not (self.unified and self.privileged)


def find_cgroup2(root: Path = CGROUP_ROOT) -> tuple[Path, bool]:
    """Where version 2 cgroups are mounted, and whether they are the only ones."""
    if (root / "cgroup.controllers").is_file():
        return root, True
    if (root / "unified" / "cgroup.controllers").is_file():
        return root / "unified", False
    raise LabError(
        f"this machine has no version 2 cgroups at {root} or {root}/unified, which systemd in a lab host needs. "
        f"Mount them: mkdir -p {root}/unified && mount -t cgroup2 cgroup2 {root}/unified"
    )


def run_flags(machine: Machine, cgroup: Path) -> list[str]:
    """The options of `docker run`; cgroup is the host's own directory, where one is needed."""
    return [*_rights(machine), *_cgroups(machine, cgroup), *_file_systems()]


def _rights(machine: Machine) -> list[str]:
    if machine.privileged:
        return ["--privileged"]
    # Nearly the same, piece by piece, without the one capability that this machine does not have to give.
    return [
        "--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--device-cgroup-rule=a *:* rwm",
        "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined", "--security-opt=systempaths=unconfined",
    ]  # fmt: skip


def _cgroups(machine: Machine, cgroup: Path) -> list[str]:
    if not machine.needs_cgroup_directories:
        return ["--cgroupns=private"]
    # A directory of the version 2 tree takes the place of the whole tree, so that systemd sees nothing else.
    return ["--cgroupns=host", f"--volume={cgroup}:/sys/fs/cgroup:rw"]


def _file_systems() -> list[str]:
    # Volumes, since an engine's overlay file systems cannot lie on the container's own.
    return [
        "--tmpfs=/run:exec", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec",
        "--volume=/var/lib/docker", "--volume=/var/lib/containerd", "--volume=/var/lib/containers",
    ]  # fmt: skip
