# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong on the way to a host, and what must hold then: one clear error, nothing half-done, a plain second run that converges."""

from __future__ import annotations

import json
import subprocess
import typing as t
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.support.lab import Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer


def trusting(signer: Signer, path: Path, **options: t.Any) -> dict[str, t.Any]:
    return {"path": [str(path)], "allowed_signers": str(signer.allowed_signers), **options}


def config_id(bundle: Path) -> str:
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    return "sha256:" + manifest[0]["Config"].rpartition("/")[2]


def name_in(bundle: Path) -> str:
    """The name of a bundle's one image, as engines list it."""
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    return t.cast(str, manifest[0]["RepoTags"][0]).removeprefix("docker.io/library/")


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
    if "docker_host" not in arguments:
        assert lab.images(host) == {name_in(bundle): config_id(bundle)}
    assert lab.look(host).staging == ()
    return result


@contextmanager
def small_disk(lab: Lab, host: str, path: str, megabytes: int) -> t.Iterator[None]:
    lab.run(host, f"mkdir -p {path} && mount -t tmpfs -o mode=0700,size={megabytes}m tmpfs {path}")
    try:
        yield
    finally:
        lab.run(host, f"umount --lazy {path}")


class Fault(t.NamedTuple):
    """What breaks, how it is mended where it does not mend itself, and how the run's error begins and what it says to do, if the run fails."""

    strike: t.Callable[[Lab, str], object]
    problem: str = ""
    next_step: str = ""
    mend: t.Callable[[Lab, str], object] = lambda _lab, _host: None
    # Whether the run fails each time. A host that boots faster than ssh gives up holds up nobody, a slower one is unreachable.
    surely: bool = True


def assert_told(result: Result, host: str, fault: Fault) -> None:
    """The run failed as the fault says, in words that name the host and what to do; or it went on."""
    failed = bool(result.get("failed") or result.get("unreachable"))
    assert failed == bool(fault.problem) or not fault.surely, result
    if failed:
        assert result["msg"].startswith(f"{host}: {fault.problem}"), result["msg"]
        assert fault.next_step in result["next_step"], result["next_step"]


def there(command: str) -> t.Callable[[Lab, str], str]:
    """Run a command on the host."""
    return lambda lab, host: lab.run(host, command)


def reboot(lab: Lab, host: str) -> None:
    """The power goes, and comes back. The host says no good-bye, so what was connected to it must find out."""
    lab.run(host, "iptables -I OUTPUT -p tcp --sport 22 -j DROP")
    for verb in ("kill", "start"):
        subprocess.run(["docker", verb, f"airlift-{lab.name}-{host}"], check=True, stdout=subprocess.DEVNULL)


def kill(unit: str) -> str:
    """The command that kills a service. systemd starts it again, but leaves what dies too often as it is: here that is forgotten."""
    return f"systemctl reset-failed {unit}.service; {signal('KILL', unit)}"


def signal(name: str, unit: str) -> str:
    """The command that sends a signal to the main process of a service; systemd's own way has another option on each Debian."""
    return f"kill -{name} $(systemctl show --property MainPID --value {unit}.service)"


_DROP = "-p tcp --dport 22 -j DROP"
MODULE_KILLED = Fault(there("pkill -KILL -x python3"), "The module ended without an answer", "journalctl -k")
ENGINE_KILLED = Fault(
    there(kill("docker")), "The engine at unix:///run/gate/docker.sock did not ", "journalctl -u docker"
)
ENGINE_HANGS = Fault(
    there(signal("STOP", "docker")), "The engine at unix:///run/gate/docker.sock did not ", "systemctl restart docker",
    there(signal("CONT", "docker")),
)  # fmt: skip
CONTAINERD_KILLED = Fault(there(kill("containerd")))
SSHD_KILLED = Fault(there("pkill -KILL sshd; systemctl restart ssh"), "It was not reached: ", "ansible -m ping")
REBOOTED = Fault(reboot, "It was not reached: ", "ansible -m ping")
LINK_LOST = Fault(there(f"iptables -I INPUT {_DROP}; sleep 3; iptables -D INPUT {_DROP}"))
