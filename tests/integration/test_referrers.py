# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures, SBOMs and attestations on their way: made by cosign and oras, carried in a bundle, verified by cosign at the other end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle_writer
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.integration.support.registries import (
    Registry,
    distribution,
    with_referrers_api,
)
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

NAME = "docker.io/library/app:v1"
PLATFORMS = {
    "linux/amd64": [images.layer("base"), images.layer("amd")],
    "linux/arm64": [images.layer("base"), images.layer("arm")],
}
NOTATION = "application/vnd.cncf.notary.signature"
SPDX = "application/spdx+json"
NEW_FORMAT = ["--signing-config", "offline.json"]
OLD_FORMAT = ["--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false"]
# Nothing but this machine is within reach of those who verify.
OFFLINE = {"HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"}


@dataclass(frozen=True)
class Workbench:
    """A directory with the keys C(team.key) and C(other.key), where programs of others run."""

    directory: Path
    programs: t.Mapping[str, Path]

    def run(self, program: str, *arguments: str, check: bool = True) -> str:
        environment = {**os.environ, **OFFLINE, "HOME": str(self.directory), "COSIGN_PASSWORD": ""}
        done = subprocess.run(
            [self.programs[program], *arguments],
            cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{program} {arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def cosign(self, verb: str, registry: Registry, image: str, *options: str) -> str:
        return self.run("cosign", verb, "--registry-cacert", str(registry.ca), *options, f"{registry.host}/{image}")

    def sign(self, registry: Registry, image: str, form: t.Sequence[str], key: str = "team") -> None:
        self.cosign("sign", registry, image, "--yes", "--key", f"{key}.key", *form)

    def verify(self, registry: Registry, image: str, *options: str) -> list[t.Any]:
        said = self.cosign("verify", registry, image, "--key", "team.pub", "--insecure-ignore-tlog", *options)
        return t.cast(list[t.Any], json.loads(said))

    def attach(self, registry: Registry, image: str, kind: str, content: str) -> str:
        (self.directory / "attached").write_text(content)
        said = self.run(
            "oras", "attach", "--ca-file", str(registry.ca), "--artifact-type", kind, "--format", "json", f"{registry.host}/{image}", f"attached:{kind}"
        )  # fmt: skip
        return str(json.loads(said)["digest"])

    def discover(self, registry: Registry, image: str) -> set[str]:
        """The digests of what refers to an image, as oras finds them."""
        said = self.run(
            "oras", "discover", "--ca-file", str(registry.ca), "--format", "json", f"{registry.host}/{image}"
        )
        return {entry["digest"] for entry in json.loads(said)["referrers"]}

    def digest(self, registry: Registry, image: str) -> str:
        environment = {"SSL_CERT_FILE": str(registry.ca)}
        return subprocess.run(
            [self.programs["crane"], "digest", f"{registry.host}/{image}"],
            env={**os.environ, **environment}, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip


@pytest.fixture(scope="module")
def bench(tools: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    found = Workbench(tmp_path_factory.mktemp("bench"), tools)
    for key in ("team", "other"):
        found.run("cosign", "generate-key-pair", "--output-key-prefix", key)
    found.run("cosign", "signing-config", "create", "--out", "offline.json")
    return found


@pytest.fixture(scope="module")
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """Ansible for this machine alone."""
    directory = tmp_path_factory.mktemp("ansible")
    (directory / "inventory.yml").write_text("all: {}\n")
    (directory / "plays").mkdir()
    return Ansible(directory / "inventory.yml", directory / "plays")


@pytest.fixture(scope="module")
def registries(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[dict[str, Registry]]:
    """Two registries: one with tags only, one with the API."""
    labs.lab("image", "registry")
    with (
        distribution(tmp_path_factory.mktemp("tags"), "referrers") as tags,
        with_referrers_api(tmp_path_factory.mktemp("api"), bench.programs["referrers_registry"]) as api,
    ):
        yield {"tags": tags, "api": api}


@pytest.fixture(scope="module")
def layout(signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image layout with an index of two platforms and an attestation."""
    path = tmp_path_factory.mktemp("layout") / "layout"
    with _bundle_writer.work_directory(str(path)) as work:
        store = BlobStore(work)
        packed = bundles.pack_index(store, NAME, PLATFORMS, b'{"predicate": {}}')
        _bundle_writer.write_bundle(store, packed, str(path), str(signer.key), run_program)
    return path


def push(layout: Path, registry: Registry, image: str) -> None:
    certs = ["--dest-cert-dir", str(registry.certs)]
    subprocess.run(
        ["skopeo", "copy", "--quiet", "--all", *certs, f"oci:{layout}:{NAME}", f"docker://{registry.host}/{image}"],
        check=True,
    )


@dataclass(frozen=True)
class Journey:
    """From one registry to another, by a bundle."""

    ansible: Ansible
    signer: Signer
    path: Path

    def bundle(self, source: Registry, image: str, **options: t.Any) -> dict[str, t.Any]:
        wanted = {"source": f"docker://{source.host}/{image}", "name": "team/app:v1", "platforms": ["all"]}
        common = {"path": str(self.path), "signing_key": str(self.signer.key), "cert_dir": str(source.certs)}
        return task("bundle", {**common, "images": [wanted], "referrers": True, **options})

    def publish(self, target: Registry, namespace: str) -> dict[str, t.Any]:
        trust = {"path": [str(self.path)], "allowed_signers": str(self.signer.allowed_signers)}
        place = {"registry": target.host, "namespace": namespace, "ca_path": str(target.ca)}
        return task("registry_publish", {**trust, **place})

    def run(self, *tasks: dict[str, t.Any]) -> list[Result]:
        return [result["localhost"] for result in self.ansible.play("localhost", tasks)]


@pytest.fixture
def journey(ansible: Ansible, signer: Signer, tmp_path: Path) -> Journey:
    return Journey(ansible, signer, tmp_path / "bundle.tar")


@pytest.mark.parametrize(("source", "target"), [("tags", "api"), ("api", "tags")])
def test_cosign_verifies_at_the_other_end(
    bench: Workbench, journey: Journey, registries: dict[str, Registry], layout: Path, source: str, target: str
) -> None:
    """An index, signed in both formats; an attestation, an SBOM with a signature of its own, and a signature like notation's."""
    first, other, place = registries[source], registries[target], f"from-{source}"
    push(layout, first, "team/app:v1")
    image = f"team/app@{bench.digest(first, 'team/app:v1')}"
    bench.sign(first, image, OLD_FORMAT)
    bench.sign(first, image, NEW_FORMAT)
    (bench.directory / "predicate.json").write_text('{"built": "here"}')
    bench.cosign("attest", first, image, "--yes", "--key", "team.key", "--predicate", "predicate.json", *NEW_FORMAT)
    bench.attach(first, image, NOTATION, "a JWS envelope")
    sbom = bench.attach(first, image, SPDX, '{"spdxVersion": "SPDX-2.3"}')
    bench.sign(first, f"team/app@{sbom}", NEW_FORMAT)

    make, publish = journey.bundle(first, "team/app:v1"), journey.publish(other, place)
    trust = {"path": str(journey.path), "allowed_signers": str(journey.signer.allowed_signers)}
    made, again, verified = journey.run(make, make, task("bundle_verify", trust))
    assert [made["changed"], again["changed"], "failed" in verified] == [True, False, False], (made, again, verified)
    assert made["referrers"] == again["referrers"]
    assert len(made["referrers"]) == 6
    assert {entry["subject"] for entry in made["referrers"]} == {image.partition("@")[2], sbom}

    checked = journey.ansible.local("registry_publish", publish["airlift.registry.registry_publish"], "--check")
    sent, present = journey.run(publish, publish)
    assert [checked["changed"], sent["changed"], present["changed"]] == [True, True, False], (checked, sent, present)
    assert [len(entry["referrers"]) for entry in sent["images"]] == [6]
    assert sent["images"][0]["platforms"] == list(PLATFORMS)

    carried = image.replace("team/app", f"{place}/team/app")
    assert len(bench.verify(other, carried)) == 2  # the signature and the attestation
    assert len(bench.verify(other, carried, "--new-bundle-format=false")) == 1
    assert len(bench.verify(other, carried.replace(image.partition("@")[2], sbom))) == 1
    bench.cosign("verify-attestation", other, carried, "--key", "team.pub", "--insecure-ignore-tlog")
    assert bench.discover(other, carried) == bench.discover(first, image)


@pytest.mark.parametrize("target", ["tags", "api"])
def test_others_read_what_was_published(
    bench: Workbench, journey: Journey, registries: dict[str, Registry], layout: Path, target: str
) -> None:
    """An index with its attestation, digests unchanged."""
    registry = registries[target]
    push(layout, registry, "source/app:v1")
    made, sent, present = journey.run(
        journey.bundle(registry, "source/app:v1"), *[journey.publish(registry, "published")] * 2
    )
    assert made["referrers"] == []
    assert [sent["changed"], present["changed"]] == [True, False], sent
    # The one in memory has one set of blobs for all repositories.
    assert (sent["images"][0]["bytes_missing"] > 0) == (target == "tags")
    digest = bench.digest(registry, "source/app:v1")
    assert bench.digest(registry, "published/team/app:v1") == digest == sent["images"][0]["digest"]
    index = json.loads(registry.get(f"published/team/app/manifests/{digest}"))
    assert len(index["manifests"]) == 3
    for entry in index["manifests"]:
        registry.get(f"published/team/app/manifests/{entry['digest']}")
    environment = {**os.environ, "SSL_CERT_FILE": str(registry.ca)}
    for platform in PLATFORMS:
        image = f"{registry.host}/published/team/app:v1"
        subprocess.run(
            [bench.programs["crane"], "validate", "--remote", image, "--platform", platform],
            env=environment,
            check=True,
        )
        system, architecture = platform.split("/")
        subprocess.run(
            ["skopeo", "--override-os", system, "--override-arch", architecture, "inspect", "--cert-dir", str(registry.certs), f"docker://{image}"],
            stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip


def test_what_others_attached_stays(
    bench: Workbench, journey: Journey, registries: dict[str, Registry], layout: Path
) -> None:
    """In the index that takes the API's place, and under cosign's tags, where it would be lost."""
    source, target = registries["api"], registries["tags"]
    push(layout, source, "kept/app:v1")
    push(layout, target, "others/team/app:v1")
    digest = bench.digest(source, "kept/app:v1")
    bench.sign(source, f"kept/app@{digest}", NEW_FORMAT)
    theirs = bench.attach(target, f"others/team/app@{digest}", SPDX, '{"theirs": 1}')
    make, publish = journey.bundle(source, "kept/app:v1"), journey.publish(target, "others")
    _made, sent = journey.run(make, publish)
    assert sent["changed"], sent
    assert sent["images"][0]["reason"] == "what refers to the image is lacking"
    found = bench.discover(target, f"others/team/app@{digest}")
    assert len(found) == 2
    assert theirs in found

    bench.sign(target, f"others/team/app@{digest}", OLD_FORMAT, key="other")
    bench.sign(source, f"kept/app@{digest}", OLD_FORMAT)
    before = target.get(f"others/team/app/manifests/sha256-{digest[7:]}.sig")
    again, refused = journey.run(make, publish)
    assert again["reasons"] == ["what refers to its images has changed"], again
    assert "would be lost" in refused["problem"]
    assert target.get(f"others/team/app/manifests/sha256-{digest[7:]}.sig") == before


def test_unsigned_images_make_no_bundle(
    bench: Workbench,
    journey: Journey,
    registries: dict[str, Registry],
    layout: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = registries["tags"]
    push(layout, source, "policy/app:v1")
    team, other = str(bench.directory / "team.pub"), str(bench.directory / "other.pub")
    monkeypatch.setenv("HOME", str(bench.directory))
    with monkeypatch.context() as without:
        without.setenv("PATH", os.pathsep.join([os.path.dirname(sys.executable), "/usr/bin", "/bin"]))
        (missing,) = journey.run(journey.bundle(source, "policy/app:v1", require_signatures=[{"key": team}]))
    assert "cosign is not installed" in missing["problem"]
    monkeypatch.setenv("PATH", f"{bench.programs['cosign'].parent}{os.pathsep}{os.environ['PATH']}")
    (unsigned,) = journey.run(journey.bundle(source, "policy/app:v1", require_signatures=[{"key": team}]))
    digest = bench.digest(source, "policy/app:v1")
    assert unsigned["error"] == "SignatureError"
    assert (
        f"Image docker.io/team/app:v1 ({source.host}/policy/app@{digest}) is not signed by {team}"
        in unsigned["problem"]
    )
    assert not journey.path.exists()

    bench.sign(source, f"policy/app@{digest}", NEW_FORMAT)
    engine = {"source": "docker-daemon:app:v1", "name": "team/app:v1"}
    wrong, no_file, of_engine, either, not_meant = journey.run(
        journey.bundle(source, "policy/app:v1", require_signatures=[{"key": other}]),
        journey.bundle(source, "policy/app:v1", require_signatures=[{"key": "/nowhere.pub"}]),
        journey.bundle(
            source, "policy/app:v1", require_signatures=[{"key": team}], images=[engine], docker_host="unix:///nowhere"
        ),
        journey.bundle(source, "policy/app:v1", require_signatures=[{"key": other}, {"key": team}]),
        journey.bundle(source, "policy/app:v1", require_signatures=[{"key": other, "images": ["docker.io/else/*"]}]),
    )
    assert f"is not signed by {other}" in wrong["problem"]
    assert "no public key at /nowhere.pub" in no_file["problem"]
    assert of_engine["failed"], of_engine
    assert [either["changed"], not_meant["changed"]] == [True, False], (either, not_meant)


def test_a_signature_of_an_index_stays_behind_with_it(
    bench: Workbench, journey: Journey, registries: dict[str, Registry], layout: Path
) -> None:
    source = registries["tags"]
    push(layout, source, "some/app:v1")
    bench.sign(source, f"some/app@{bench.digest(source, 'some/app:v1')}", NEW_FORMAT)
    one = {"source": f"docker://{source.host}/some/app:v1", "name": "team/app:v1"}
    (made,) = journey.run(journey.bundle(source, "some/app:v1", images=[one]))
    assert made["referrers"] == []
    assert any("stays behind" in warning for warning in made["warnings"]), made
