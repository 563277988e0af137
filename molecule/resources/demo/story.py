# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the story, and what each of them claims."""

from __future__ import annotations

import json
import subprocess
import threading
import typing as t

from demo.narrator import Narrator, megabytes, say
from demo.site import FQDN, LAB, STACK_IMAGES, Site, build, lab, run
from demo.watch import Watch

INTRODUCTION = """\
airlift.registry: images across the air gap, on real Docker engines.

Five hosts are started on this machine. Each boots systemd and runs a Docker engine of its own; none has a route out.
registry1 and registry2 will serve the images, client1 pulls from them, shop1 and shop2 get theirs from a bundle."""

APP = "airlift-lab/app"
_SHOPS = ("shop1", "shop2")
_PULLS = 4  # how many pulls go on while a registry host dies
_CLIENT_RETRY = 5.0  # seconds: Docker tries a connection again for about as long before a pull fails


def prepare(teller: Narrator) -> Site:
    """Images and hosts."""
    with teller.step("Make the images of the story (once per machine) and start the hosts"):
        lab("image", "host", "registry", "haproxy", "app1", "app2")
        site = build()
        routes = [site.on(host, "ip route show default") for host in _SHOPS]
        teller.claim(
            "the shops have no route out", f"default routes: {''.join(routes).strip() or 'none'}", not any(routes)
        )
    return site


def pack(teller: Narrator, site: Site) -> None:
    """Images into signed bundles."""
    with teller.step("Pack images into signed bundles"):
        stack = [f"docker-daemon:{image}" for image in STACK_IMAGES.values()]
        for name, images in (
            ("stack", stack),
            ("app-v1", [f"docker-daemon:{APP}:v1"]),
            ("app-v2", [f"docker-daemon:{APP}:v2"]),
        ):
            site.playbook(
                "bundle",
                bundle_path=str(site.bundle(name)),
                bundle_images=images,
                bundle_signing_key=str(site.signing_key),
            )
            say(f"   {name}.tar: {megabytes(site.bundle(name).stat().st_size)}")
        listing = run(["skopeo", "inspect", f"oci-archive:{site.bundle('app-v1')}:docker.io/{APP}:v1"])
        teller.claim("skopeo reads a bundle as it is", json.loads(listing)["Digest"], True)


def deploy(teller: Narrator, site: Site) -> None:
    """The registry on two nodes, from the bundle."""
    with teller.step("Deploy the registry on two hosts behind one address, from the bundle, over TLS"):
        site.playbook("deploy")
        address = site.virtual_ip()
        holders = _holders(site, address)
        teller.claim("one host holds the virtual IP", f"{address} on {', '.join(holders) or 'none'}", len(holders) == 1)


def publish(teller: Narrator, site: Site) -> None:
    """The app's bundle into the registry."""
    with teller.step("Publish the app to the registry, twice"):
        users = json.loads(site.variables.read_text())["registry_users"]
        target = {
            "registry": site.virtual_ip(),
            "username": users[0]["name"],
            "password": users[0]["password"],
            "ca_path": str(site.ca),
        }
        # The password goes by the file of variables, not by the command line.
        variables = json.loads(site.variables.read_text())
        site.variables.write_text(json.dumps({**variables, "publish_registries": [target]}, indent=2))
        options = {"publish_bundle": str(site.bundle("app-v1")), "publish_allowed_signers": str(site.allowed_signers)}
        site.playbook("publish", **options)
        again = site.playbook("publish", **options)
        teller.claim("publishing again changes nothing", _recap(again), "changed=0" in again)


def pull(teller: Narrator, site: Site) -> None:
    """A client pulls by digest."""
    with teller.step("Pull the app on client1 through the virtual IP, by the digest that the bundle has"):
        digest = _digest(site, "app-v1")
        reference = f"{FQDN}/{APP}@{digest}"
        site.on("client1", f"docker pull -q {reference}")
        said = site.on("client1", f"docker run --rm {reference}").strip()
        teller.claim("the digest is the bundle's", digest[:19], said == "app v1")


def fail_over(teller: Narrator, site: Site) -> None:
    """The holder of the address dies while a client pulls."""
    address = site.virtual_ip()
    holder = _holders(site, address)[0]
    with teller.step(f"Kill {holder}, which holds the address, while client1 pulls"):
        with Watch(address, 443, str(site.ca)) as watch:
            pulls = _Pulls(site)
            pulls.wait_for_first()
            run(["docker", "kill", f"airlift-{LAB}-{holder}"])
            pulls.wait()
        survivors = [host for host in ("registry1", "registry2") if host != holder]
        teller.claim("pulls went on", f"{pulls.succeeded} of {_PULLS} pulls succeeded", pulls.succeeded == _PULLS)
        teller.claim(
            "no longer than a client's retries",
            f"longest gap {watch.longest_gap:.2f} s in {watch.connections} TLS connections; {survivors[0]} has the address",
            watch.longest_gap < _CLIENT_RETRY and _holders(site, address, survivors) == survivors,
        )


def preload(teller: Narrator, site: Site) -> None:
    """The app onto the shops, with no registry."""
    with teller.step("Preload the app onto the shops, straight from the bundle"):
        _preload(site, "app-v1")
        image_size = int(run(["docker", "image", "inspect", "--format", "{{.Size}}", f"{APP}:v1"]))
        for shop in _SHOPS:
            report = site.preloaded(shop)
            sent = report["bytes_sent"]
            seen = f"{megabytes(sent)} sent for an image of {megabytes(image_size)}, in {report['seconds']} s"
            teller.claim(f"{shop} runs the app", seen, site.on(shop, f"docker run --rm {APP}:v1").strip() == "app v1")
        _preload(site, "app-v1")
        sent = [site.preloaded(shop)["bytes_sent"] for shop in _SHOPS]
        changed = [site.preloaded(shop)["changed"] for shop in _SHOPS]
        teller.claim("a second run changes nothing", f"{sum(sent)} bytes sent", not any(sent) and not any(changed))


def update(teller: Narrator, site: Site) -> None:
    """The next version: one layer."""
    with teller.step("Update the shops to the next version, of which one layer is new"):
        _preload(site, "app-v2")
        for shop in _SHOPS:
            report = site.preloaded(shop)
            layers = report["images"][0]["layers"]
            new = [layer for layer in layers if layer["action"] == "send"]
            total = sum(layer["size"] for layer in layers)
            sent = f"{megabytes(report['bytes_sent'])} of {megabytes(total)}"
            seen = f"{sent} sent ({len(new)} of {len(layers)} layers), in {report['seconds']} s"
            holds = len(new) == 1 and report["bytes_sent"] == new[0]["size"]
            runs = site.on(shop, f"docker run --rm {APP}:v2").strip() == "app v2"
            teller.claim(f"{shop} got one layer", seen, holds and runs)
        ids = {site.on(shop, f"docker image inspect --format '{{{{.Id}}}}' {APP}:v2").strip() for shop in _SHOPS}
        packed = site.preloaded(_SHOPS[0])["images"][0]["config"]
        teller.claim("the image of the bundle on every host", f"{packed[:19]} on {len(_SHOPS)} hosts", ids == {packed})


def look_around(site: Site) -> None:
    """Where to look next."""
    say(f"""
Where to look next:
   ssh -F {site.state}/ssh_config shop1          a host of the fleet (sudo docker images)
   {site.state}/report/index.html   the report of the last preload
   {site.state}/bundles             the bundles; unpack one with tar and follow it with sha256sum -c
   README.md                                     the same with your own hosts
   make demo-down                                stops the hosts and removes all this""")


class _Pulls:
    """Pulls on client1, one after the other, each of the whole image."""

    def __init__(self, site: Site) -> None:
        self.succeeded = 0
        self._site = site
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait_for_first(self) -> None:
        """Return when the first pull is done and the second has begun."""
        self._first.wait()

    def wait(self) -> None:
        """Return when all are done."""
        self._thread.join()

    def _run(self) -> None:
        image = f"{FQDN}/{APP}:v1"
        forget = "docker image rm -f $(docker images -q) >&2"
        script = (
            f"for i in $(seq {_PULLS}); do {forget}; docker pull -q {image} >&2 && echo pulled || echo failed; done"
        )
        command = ["ssh", "-F", str(self._site.state / "ssh_config"), "client1", f"sudo sh -c '{script}'"]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            for line in t.cast(t.IO[str], process.stdout):
                self.succeeded += line.strip() == "pulled"
                self._first.set()
        self._first.set()


def _preload(site: Site, bundle: str) -> None:
    site.playbook(
        "preload",
        preload_hosts="shops",
        preload_bundle=str(site.bundle(bundle)),
        preload_allowed_signers=str(site.allowed_signers),
        preload_report=str(site.state / "report"),
    )


def _holders(site: Site, address: str, hosts: t.Sequence[str] = ("registry1", "registry2")) -> list[str]:
    return [host for host in hosts if f" {address}/" in site.on(host, "ip -4 -oneline address")]


def _digest(site: Site, bundle: str) -> str:
    listing = run(["tar", "-xOf", str(site.bundle(bundle)), "index.json"])
    return str(json.loads(listing)["manifests"][0]["digest"])


def _recap(output: str) -> str:
    return (
        next(line for line in output.splitlines() if "changed=" in line).split(":")[1].split("unreachable")[0].strip()
    )
