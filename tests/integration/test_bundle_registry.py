# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bundles of a real registry (Distribution, with TLS): every byte as it was served, and honest errors."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import ssl
import subprocess
import typing as t
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle_writer
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._oci import digest_of
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.integration.support.lab import NAME, eventually, free_port
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, task
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import make_certificate

CONFIG = """version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/registry}}
http: {addr: "127.0.0.1:0", tls: {certificate: /certs/ca.crt, key: /certs/tls.key}}
"""


@dataclass(frozen=True)
class Registry:
    """A registry on loopback with two images: C(app:v1) (and C(app:schema2) in Docker's own format), and C(app:both), an index of two platforms."""

    host: str
    certs: Path


@pytest.fixture(scope="module")
def registry(small: list[str], tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    directory = tmp_path_factory.mktemp("registry")
    certs = directory / "certs"
    certs.mkdir()
    certificate = make_certificate(certs)
    (directory / "client").mkdir()
    shutil.copy(certificate.path, directory / "client/ca.crt")
    container = f"airlift-{NAME}-registry"
    port = free_port()
    (directory / "config.yml").write_text(CONFIG.replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    mounts = ["--volume", f"{directory}/config.yml:/etc/distribution/config.yml:ro", "--volume", f"{certs}:/certs:ro"]
    subprocess.run(["docker", "rm", "--force", "--volumes", container], check=False, capture_output=True)
    subprocess.run(
        ["docker", "run", "--detach", "--name", container, "--network", "host", *mounts, "airlift-lab/registry:3.1.2"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    found = Registry(f"127.0.0.1:{port}", directory / "client")
    try:
        eventually(lambda: answers(found), "the registry")
        push(found, small[0], "app:v1", "oci")
        push(found, small[0], "app:schema2", "v2s2")
        push_index(found, "app:both")
        yield found
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", container], check=True, stdout=subprocess.DEVNULL)


def answers(registry: Registry) -> bool:
    context = ssl.create_default_context(cafile=str(registry.certs / "ca.crt"))
    try:
        with urllib.request.urlopen(f"https://{registry.host}/v2/", context=context, timeout=2):
            return True
    except urllib.error.URLError:
        return False


def push(registry: Registry, image: str, name: str, image_format: str) -> None:
    subprocess.run(
        ["skopeo", "copy", "--quiet", "--format", image_format, "--dest-cert-dir", str(registry.certs), f"docker-daemon:{image}", f"docker://{registry.host}/{name}"],
        check=True,
    )  # fmt: skip


def push_index(registry: Registry, name: str) -> None:
    """An index whose two platforms are the same image, but for what its config says of the architecture."""
    source = f"docker://{registry.host}/app:v1"
    manifest = json.loads(inspect(registry, source, "--raw"))
    config = json.loads(inspect(registry, source, "--raw", "--config"))
    entries = []
    for architecture in ("amd64", "arm64"):
        blob = json.dumps({**config, "architecture": architecture}).encode()
        descriptor = {**manifest["config"], **upload(registry, blob)}
        entry = put(registry, {**manifest, "config": descriptor}, manifest["mediaType"], "")
        entries.append({**entry, "platform": {"os": "linux", "architecture": architecture}})
    index = "application/vnd.oci.image.index.v1+json"
    put(registry, {"schemaVersion": 2, "mediaType": index, "manifests": entries}, index, name.partition(":")[2])


def inspect(registry: Registry, source: str, *options: str) -> str:
    return subprocess.run(
        ["skopeo", "inspect", "--cert-dir", str(registry.certs), *options, source],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def request(registry: Registry, method: str, url: str, data: bytes, media_type: str) -> t.Any:
    context = ssl.create_default_context(cafile=str(registry.certs / "ca.crt"))
    asked = urllib.request.Request(url, data, {"Content-Type": media_type}, method=method)
    with urllib.request.urlopen(asked, context=context, timeout=10) as answer:
        return answer.headers


def upload(registry: Registry, data: bytes) -> dict[str, t.Any]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    place = request(registry, "POST", f"https://{registry.host}/v2/app/blobs/uploads/", b"", "")["Location"]
    request(registry, "PUT", f"{place}&digest={digest}", data, "application/octet-stream")
    return {"digest": digest, "size": len(data)}


def put(registry: Registry, document: dict[str, t.Any], media_type: str, tag: str) -> dict[str, t.Any]:
    data = json.dumps(document).encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    request(registry, "PUT", f"https://{registry.host}/v2/app/manifests/{tag or digest}", data, media_type)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def test_digests_survive_the_journey(ansible: Ansible, registry: Registry, signer: Signer, tmp_path: Path) -> None:
    """By tag, by digest, of two platforms; idempotent; and read by skopeo as the registry served it."""
    served = {
        name: json.loads(inspect(registry, f"docker://{registry.host}/app:{name}"))["Digest"]
        for name in ("v1", "schema2", "both")
    }
    common = {"signing_key": str(signer.key), "cert_dir": str(registry.certs)}
    by_tag = f"docker://{registry.host}/app:v1"
    schema2 = f"docker://{registry.host}/app:schema2"
    by_digest = {"source": f"docker://{registry.host}/app@{served['v1']}", "name": "pinned:1"}
    make = task("bundle", {**common, "path": str(tmp_path / "b"), "images": [by_tag, by_digest, schema2]})
    both = {**common, "path": str(tmp_path / "both.tar"), "images": [f"docker://{registry.host}/app:both"]}
    results = [
        run["localhost"]
        for run in ansible.play(
            "localhost",
            [
                make,
                make,
                task("bundle", both),
                task("bundle", both),
                task("bundle", {**both, "platform": "linux/arm64"}),
            ],
        )
    ]
    assert [result["changed"] for result in results] == [True, False, True, False, True], results
    assert {image["name"]: image["digest"] for image in results[0]["images"]} == {
        f"{registry.host}/app:v1": served["v1"],
        f"{registry.host}/app:schema2": served["schema2"],
        "docker.io/library/pinned:1": served["v1"],
    }
    told = subprocess.run(
        ["skopeo", "inspect", f"oci:{tmp_path}/b:docker.io/library/pinned:1"], capture_output=True, check=True
    )
    assert json.loads(told.stdout)["Digest"] == served["v1"]
    assert results[2]["images"][0]["platform"] == "linux/amd64"
    assert results[2]["images"][0]["source_id"] == results[4]["images"][0]["source_id"] == served["both"]
    assert results[4]["reasons"] == [f"{registry.host}/app:both is for linux/amd64 in it, and linux/arm64 is wanted"]
    assert results[4]["images"][0]["platform"] == "linux/arm64"


def test_a_lock_is_followed_although_a_tag_has_moved(
    ansible: Ansible, registry: Registry, small: list[str], signer: Signer, tmp_path: Path
) -> None:
    """The same bytes again; and of what the registry has not, one list."""
    push(registry, small[0], "app:moving", "oci")
    common = {"signing_key": str(signer.key), "cert_dir": str(registry.certs)}
    moving = {"images": [f"docker://{registry.host}/app:moving"], **common}
    first = ansible.local("bundle", {**moving, "path": str(tmp_path / "first")})
    push(registry, small[1], "app:moving", "oci")
    lock = tmp_path / "first/bundle.lock.yml"
    (tmp_path / "gone.lock.yml").write_text(
        lock.read_text().replace(first["images"][0]["digest"], f"sha256:{'0' * 64}")
    )
    again, gone, moved = (
        run["localhost"]
        for run in ansible.play(
            "localhost",
            [
                task("bundle", {**common, "path": str(tmp_path / "again"), "lock": str(lock)}),
                task("bundle", {**common, "path": str(tmp_path / "gone"), "lock": str(tmp_path / "gone.lock.yml")}),
                task("bundle", {**moving, "path": str(tmp_path / "moved")}),
            ],
        )
    )
    assert again["images"] == first["images"]
    assert (tmp_path / "again/SHA256SUMS").read_bytes() == (tmp_path / "first/SHA256SUMS").read_bytes()
    assert moved["images"][0]["digest"] != first["images"][0]["digest"]
    assert f"The lock cannot be followed: {registry.host}/app:moving cannot be had" in gone["problem"]
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("name", ["b", "b.tar"], ids=["directory", "tar"])
def test_a_bundle_goes_back_into_a_registry(
    ansible: Ansible, registry: Registry, small: list[str], signer: Signer, tmp_path: Path, name: str
) -> None:
    """Whatever format its images have; digests stay, a layer that is there is not sent again."""
    wanted = [
        f"docker://{registry.host}/app:v1",
        f"docker://{registry.host}/app:schema2",
        {"source": f"docker-daemon:{small[1]}", "name": "other:1"},
    ]
    bundle = {
        "path": str(tmp_path / name),
        "images": wanted,
        "signing_key": str(signer.key),
        "cert_dir": str(registry.certs),
    }
    publish = {
        "path": bundle["path"],
        "allowed_signers": str(signer.allowed_signers),
        "registry": registry.host,
        "namespace": f"carried/{name.replace('.', '-')}",
        "ca_path": str(registry.certs / "ca.crt"),
    }
    push = task("registry_publish", publish)
    nowhere = [task("registry_publish", {**publish, "registry": name}) for name in ("registry1", f"{registry.host}/x")]
    made, predicted, published, again, *refused = (
        run["localhost"]
        for run in ansible.play(
            "localhost", [task("bundle", bundle), {**push, "check_mode": True}, push, push, *nowhere]
        )
    )
    assert ["HOST[:PORT]" in run["next_step"] for run in refused] == [True, True]
    assert [run["changed"] for run in (predicted, published, again)] == [True, True, False], published
    assert predicted["bytes_missing"] == published["bytes_missing"] > again["bytes_missing"] == 0
    for image in made["images"]:
        path = image["name"].partition("/")[2]
        told = json.loads(inspect(registry, f"docker://{registry.host}/{publish['namespace']}/{path}"))
        assert told["Digest"] == image["digest"]


def test_an_image_for_several_platforms_is_published_with_its_index(
    ansible: Ansible, registry: Registry, signer: Signer, tmp_path: Path
) -> None:
    """Attestation included: the registry serves the index and each platform under the digests of the bundle."""
    path, platforms = tmp_path / "b", {"linux/amd64": ["base", "amd"], "linux/arm64": ["base", "arm"]}
    with _bundle_writer.work_directory(str(path)) as work:
        store = BlobStore(work)
        layers = {platform: [images.layer(text) for text in texts] for platform, texts in platforms.items()}
        packed = bundles.pack_index(store, "docker.io/library/several:1", layers, b'{"predicate": {}}')
        _bundle_writer.write_bundle(store, packed, str(path), str(signer.key), run_program)
    publish = {
        "path": str(path),
        "allowed_signers": str(signer.allowed_signers),
        "registry": registry.host,
        "namespace": "platforms",
        "ca_path": str(registry.certs / "ca.crt"),
    }
    push = task("registry_publish", publish)
    predicted, published, again = (
        run["localhost"] for run in ansible.play("localhost", [{**push, "check_mode": True}, push, push])
    )
    assert [run["changed"] for run in (predicted, published, again)] == [True, True, False], published
    (shown,) = published["images"]
    assert shown["digest"] == packed[0].image.target.digest
    assert predicted["bytes_missing"] == published["bytes_missing"] > again["bytes_missing"] == 0
    place = f"docker://{registry.host}/platforms/library/several"
    for reference in (":1", *(f"@{entry.image.manifest.digest}" for entry in packed)):
        raw = inspect(registry, place + reference, "--raw")
        assert digest_of(raw.encode()) in {shown["digest"], reference[1:]}


def test_layers_are_stored_once_whatever_compressed_them(
    ansible: Ansible, registry: Registry, small: list[str], signer: Signer, tmp_path: Path
) -> None:
    """The registry's image was compressed by skopeo, the engine's would be by us; then each option that changes that."""
    wanted = [f"docker://{registry.host}/app:v1", {"source": f"docker-daemon:{small[0]}", "name": "same:1"}]
    make = {
        "path": str(tmp_path / "b"),
        "images": wanted,
        "signing_key": str(signer.key),
        "cert_dir": str(registry.certs),
    }
    options: tuple[dict[str, str], ...] = (
        {},
        {},
        {"layer_reuse": "digest"},
        {"compression": "zstd"},
        {"compression": "zstd"},
    )
    tasks = []
    for number, changes in enumerate(options):
        lock = {"name": "lock", "ansible.builtin.slurp": {"src": f"{make['path']}/bundle.lock.yml"}}
        tasks += [task("bundle", {**make, **changes}), {**lock, "register": f"lock{number}"}]
    results = [run["localhost"] for run in ansible.play("localhost", tasks)]
    made, locks = results[::2], [base64.b64decode(result["content"]).decode() for result in results[1::2]]
    assert [result["changed"] for result in made] == [True, False, True, True, False], made
    assert made[2]["reasons"] == ["layer_reuse was content, and is digest"]
    assert made[3]["reasons"] == ["compression was gzip, and is zstd", "layer_reuse was digest, and is content"]
    assert [lock.count('"diff_id"') for lock in locks] == [2, 2, 4, 2, 2]
    assert [len(result.get("warnings", [])) for result in made] == [0, 0, 0, 1, 1]
    assert "20.10" in made[3]["warnings"][0]
    digests = {image["digest"] for result in made for image in result["images"] if "docker://" in image["source"]}
    assert len(digests) == 1


def test_increments_are_published_with_what_the_registry_has(
    ansible: Ansible, registry: Registry, signer: Signer, tmp_path: Path
) -> None:
    """An increment alone: refused by a registry that lacks the layer, in check mode too, and taken by one that has it."""
    base, new = images.layer("base of increments"), images.layer("new in an increment")
    bundles.make_bundle(tmp_path / "first", signer, {"docker.io/library/app:v1": [base]})
    bundles.make_bundle(
        tmp_path / "second.tar", signer, {"docker.io/library/app:v2": [base, new]}, [tmp_path / "first"]
    )
    first, second = str(tmp_path / "first"), str(tmp_path / "second.tar")

    def publish(*paths: str, namespace: str, check: bool = False) -> dict[str, t.Any]:
        arguments = {
            "path": list(paths),
            "allowed_signers": str(signer.allowed_signers),
            "registry": registry.host,
            "namespace": namespace,
            "ca_path": str(registry.certs / "ca.crt"),
        }
        return task("registry_publish", arguments, check_mode=check)

    tasks = [
        publish(second, namespace="alone", check=True),
        publish(second, namespace="alone"),
        publish(second, first, namespace="together"),
        publish(first, namespace="one-by-one"),
        publish(second, namespace="one-by-one"),
        publish(second, namespace="one-by-one"),
    ]
    predicted, alone, *others = (run["localhost"] for run in ansible.play("localhost", tasks))
    for refused in (predicted, alone):
        for text in (
            f"{registry.host}/alone/library/app:v2 lacks layer sha256:",
            "docker.io/library/app:v2",
            "bundle first (sha256:",
        ):
            assert text in refused["problem"]
    assert [run["changed"] for run in others] == [True, True, True, False], others
    for namespace in ("together", "one-by-one"):
        told = json.loads(inspect(registry, f"docker://{registry.host}/{namespace}/library/app:v2"))
        assert told["Digest"] == others[2]["images"][0]["digest"]


def test_errors_of_a_registry(ansible: Ansible, registry: Registry, signer: Signer, tmp_path: Path) -> None:
    common = {"path": str(tmp_path / "b"), "signing_key": str(signer.key), "cert_dir": str(registry.certs)}
    app = f"docker://{registry.host}/app:v1"
    wrong: list[tuple[dict[str, t.Any], str, str]] = [
        ({"images": [f"docker://{registry.host}/app:nothing"]}, "manifest unknown", "list-tags"),
        ({"images": [app], "cert_dir": str(tmp_path)}, "x509", "ca.crt"),
        ({"images": [app], "platform": "linux/arm64"}, "is for linux/amd64, and linux/arm64 was wanted", "platforms"),
    ]
    results = ansible.play("localhost", [task("bundle", {**common, **changes}) for changes, _problem, _step in wrong])
    for result, (_changes, problem, step) in zip(results, wrong, strict=True):
        assert result["localhost"]["failed"] is True
        assert problem in result["localhost"]["problem"]
        assert registry.host in result["localhost"]["problem"]
        assert step in result["localhost"]["next_step"]
    assert [path.name for path in tmp_path.iterdir()] == [".b.partial"]  # with the blobs of the other platform
