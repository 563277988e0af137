# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site of the story: its hosts, its files, and the commands that an operator would type there."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

from demo.narrator import DemoError, say

LAB = "demo"
TOPOLOGY = {
    "hosts": {
        "registry1": {"groups": ["registry"], "shared": True},
        "registry2": {"groups": ["registry"], "shared": True},
        "client1": {"groups": ["fleet"]},
        "shop1": {"groups": ["shops"]},
        "shop2": {"groups": ["shops"]},
    }
}
FQDN = "registry.example.com"
STACK_IMAGES = {"registry_image": "airlift-lab/registry:3.1.2", "load_balancer_image": "airlift-lab/haproxy:3.0"}
_LAB_PROGRAM = Path(__file__).resolve().parent.parent / "lab"


@dataclass(frozen=True)
class Site:
    """Where everything of the story is."""

    state: Path

    @property
    def inventory(self) -> Path:
        return self.state / "inventory.yml"

    @property
    def variables(self) -> Path:
        return self.state / "site.yml"

    @property
    def allowed_signers(self) -> Path:
        return self.state / "allowed_signers"

    @property
    def signing_key(self) -> Path:
        return self.state / "signing_key"

    @property
    def ca(self) -> Path:
        return self.state / "airlift-certificates" / "server-ca.crt"

    def bundle(self, name: str) -> Path:
        """Where the bundle of this name is."""
        return self.state / "bundles" / f"{name}.tar"

    def virtual_ip(self) -> str:
        """The address that the registry answers at."""
        return str(
            json.loads(run([*_ansible("inventory"), "-i", str(self.inventory), "--host", "registry1"]))[
                "lab_virtual_ip"
            ]
        )

    def playbook(self, name: str, **variables: t.Any) -> str:
        """Run a playbook of the collection, as the README shows it."""
        extra = [option for key, value in variables.items() for option in ("-e", json.dumps({key: value}))]
        command = ["-i", str(self.inventory), "-e", f"@{self.variables}", *extra, f"airlift.registry.{name}"]
        shown = " ".join(f"-e {key}={_short(value)}" for key, value in variables.items())
        say(f"   $ ansible-playbook -i inventory.yml -e @site.yml {shown} airlift.registry.{name}")
        return run([*_ansible("playbook"), *command])

    def on(self, host: str, command: str) -> str:
        """What a command says on a host."""
        return run(["ssh", "-F", str(self.state / "ssh_config"), host, f"sudo sh -c {shlex.quote(command)}"])

    def preloaded(self, host: str) -> dict[str, t.Any]:
        """What the last preload reported of a host."""
        return t.cast(dict[str, t.Any], json.loads((self.state / "report" / f"{host}.json").read_text()))


def build() -> Site:
    """Start the hosts of the story afresh, and write what an operator would have: variables, a key, who may sign."""
    lab("down", LAB)
    spec = Path(os.environ.get("TMPDIR", "/tmp")) / f"airlift-demo-{os.getpid()}.json"
    spec.write_text(json.dumps(TOPOLOGY))
    try:
        site = Site(Path(lab("up", LAB, "--spec", str(spec)).strip().splitlines()[-1]))
    finally:
        spec.unlink()
    (site.state / "bundles").mkdir()
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", str(site.signing_key)])
    public_key = site.signing_key.with_suffix(".pub").read_text()
    site.allowed_signers.write_text(f'demo@example.com namespaces="airlift-bundle" {public_key}')
    _write_variables(site)
    return site


def lab(*arguments: str) -> str:
    """A command of the lab."""
    return run([sys.executable, str(_LAB_PROGRAM), *arguments])


def run(command: t.Sequence[str]) -> str:
    """Run a program to its end; DemoError with what it said when it fails."""
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise DemoError(f"{shlex.join(command)} failed with {answer.returncode}:\n{answer.stdout}{answer.stderr}")
    return answer.stdout


def _write_variables(site: Site) -> None:
    users = [{"name": name, "password": secrets.token_urlsafe(24)} for name in ("publisher", "fleet")]
    rules = [
        {"users": ["publisher"], "repositories": ["**"], "allow": ["pull", "push"]},
        {"users": ["fleet"], "repositories": ["**"], "allow": ["pull"]},
    ]
    variables = {
        "registry_fqdn": FQDN,
        "registry_virtual_ip": site.virtual_ip(),
        "registry_storage": {"type": "filesystem", "path": "/srv/registry"},
        "registry_bundle": str(site.bundle("stack")),
        "registry_allowed_signers": str(site.allowed_signers),
        "registry_users": users,
        "registry_rules": rules,
        "client_hosts_entry": True,
        "client_username": "fleet",
        "client_password": users[1]["password"],
        **STACK_IMAGES,
    }
    site.variables.touch(mode=0o600)
    site.variables.write_text(json.dumps(variables, indent=2))


def _ansible(program: str) -> list[str]:
    return [str(Path(sys.executable).parent / f"ansible-{program}")]


def _short(value: t.Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return shlex.quote(Path(text).name if text.startswith("/") else text)
