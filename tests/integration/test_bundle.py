# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bundles of a real engine: reproducible, idempotent, and read by tools that know nothing of this collection."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.conftest import from_daemon
from ansible_collections.airlift.registry.tests.integration.support.lab import NAME, Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer, flip


def content(path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.is_file())
    return {str(found.relative_to(path)): hashlib.sha256(found.read_bytes()).hexdigest() for found in files}


def engine_id(name: str) -> str:
    return subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Id}}", name],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def plain(result: Result) -> str:
    """All that was said, as text."""
    return json.dumps(result)


def test_says_what_it_packed_and_why(v1: Result, v2: Result, directory: Path) -> None:
    assert v1["changed"] is True
    assert v1["reasons"] == [f"there is no bundle at {directory}/v1"]
    assert [image["name"] for image in v1["images"]] == ["docker.io/library/app:current", "docker.io/library/app:v1"]
    for image in v1["images"]:
        assert (image["config"], image["source_id"]) == (
            engine_id("airlift-lab/app:v1"),
            engine_id("airlift-lab/app:v1"),
        )
        assert image["source"] == "docker-daemon:airlift-lab/app:v1"
    assert v2["images"][0]["config"] == engine_id("airlift-lab/app:v2")


def test_the_same_images_make_the_same_bytes(
    ansible: Ansible, v1: Result, directory: Path, tmp_path: Path, signer: Signer
) -> None:
    """The signature too; here the list is the other way round."""
    wanted = [from_daemon("airlift-lab/app:v1", name) for name in ("app:current", "app:v1")]
    made = ansible.local("bundle", {"path": str(tmp_path / "b"), "images": wanted, "signing_key": str(signer.key)})
    assert made["images"] == v1["images"]
    assert content(tmp_path / "b") == content(directory / "v1")


@pytest.mark.parametrize("name", ["bundle", "bundle.tar"], ids=["directory", "tar"])
def test_a_second_run_changes_nothing_and_damage_is_made_good(
    ansible: Ansible, small: list[str], tmp_path: Path, signer: Signer, name: str
) -> None:
    path = tmp_path / name
    wanted = [from_daemon(source, f"small:{number}") for number, source in enumerate(small)]
    make = task("bundle", {"path": str(path), "images": wanted, "signing_key": str(signer.key)})
    check = {**make, "check_mode": True, "diff": True}
    elsewhere = task(
        "bundle", {"path": str(tmp_path / "x" / name), "images": wanted[::-1], "signing_key": str(signer.key)}
    )
    (tmp_path / "x").mkdir()
    results = [run["localhost"] for run in ansible.play("localhost", [check, make, make, check, elsewhere])]
    assert [result["changed"] for result in results] == [True, True, False, False, True]
    assert sorted(results[0]["diff"]["after"].values()) == sorted(engine_id(source) for source in small)
    assert results[2]["reasons"] == []
    assert results[2]["images"] == results[1]["images"]
    before = content(path)
    assert content(tmp_path / "x" / name) == before
    damaged = path / "blobs/sha256" / results[1]["images"][0]["config"][7:] if path.is_dir() else path
    flip(damaged)
    mended = ansible.local("bundle", make["airlift.registry.bundle"])
    assert mended["changed"] is True
    assert len(mended["reasons"]) == 1
    assert content(path) == before
    assert sorted(os.listdir(tmp_path)) == sorted([name, "x"])


def test_gives_the_reason_for_every_change(
    ansible: Ansible, small: list[str], tmp_path: Path, signer: Signer, stranger: Signer
) -> None:
    """The list changes, an image changes at its source, another key signs; check mode writes nothing in between."""
    subprocess.run(["docker", "tag", small[0], f"{NAME}:moving"], check=True)
    moving, other = from_daemon(f"{NAME}:moving", "moving:1"), from_daemon(small[0], "app:v1")
    path = tmp_path / "b"

    def make(images: list[t.Any], key: Signer = signer) -> dict[str, t.Any]:
        return task("bundle", {"path": str(path), "images": images, "signing_key": str(key.key)})

    try:
        first, more, other_key = ansible.play(
            "localhost", [make([moving]), make([moving, other]), make([moving, other], stranger)]
        )
        subprocess.run(["docker", "tag", small[1], f"{NAME}:moving"], check=True)
        before = content(path)
        checked = ansible.local("bundle", make([moving, other], stranger)["airlift.registry.bundle"], "--check")
        assert content(path) == before
        changed, fewer = ansible.play("localhost", [make([moving, other], stranger), make([other], stranger)])
    finally:
        subprocess.run(["docker", "rmi", f"{NAME}:moving"], check=True, stdout=subprocess.DEVNULL)
    assert first["localhost"]["reasons"] == [f"there is no bundle at {path}"]
    assert more["localhost"]["reasons"] == ["docker.io/library/app:v1 is not in it"]
    assert "is signed by nobody" in other_key["localhost"]["reasons"][0]
    assert (
        checked["reasons"]
        == changed["localhost"]["reasons"]
        == ["docker.io/library/moving:1 has changed at its source"]
    )
    assert fewer["localhost"]["reasons"] == ["docker.io/library/moving:1 is in it and not wanted"]
    assert os.listdir(tmp_path) == ["b"]


def test_others_can_read_a_directory(v1: Result, directory: Path, signer: Signer) -> None:
    path = directory / "v1"
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=path, check=True)
    verify = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-n",
        "airlift-bundle",
        "-I",
        "release@example.com",
        "-f",
        str(signer.allowed_signers),
    ]
    with open(path / "SHA256SUMS", "rb") as sums:
        subprocess.run([*verify, "-s", "SHA256SUMS.sig"], cwd=path, stdin=sums, check=True, stdout=subprocess.DEVNULL)
    told = subprocess.run(
        ["skopeo", "inspect", f"oci:{path}:docker.io/library/app:v1"], check=True, capture_output=True, text=True
    ).stdout
    assert json.loads(told)["Digest"] == v1["images"][1]["digest"]


def test_a_plain_engine_loads_a_tar(v2: Result, lab: Lab) -> None:
    lab.clean("fleet2")
    with open(v2["path"], "rb") as archive:
        subprocess.run(
            ["docker", "exec", "-i", f"airlift-{NAME}-fleet2", "docker", "load"],
            stdin=archive,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    assert lab.images("fleet2") == {
        "app:v2": engine_id("airlift-lab/app:v2"),
        "app:current": engine_id("airlift-lab/app:v2"),
    }
    assert lab.run("fleet2", "docker run --rm --network none app:v2") == "app v2"
    lab.clean("fleet2")


def test_the_readme_inside_is_all_that_one_needs(v2: Result, lab: Lab, signer: Signer) -> None:
    """Its commands, word for word, on a host that has nothing of this collection; only the last one needs a tool that not every host has."""
    lab.clean("fleet2")
    lab.run("fleet2", "rm -rf /root/stick && mkdir /root/stick")
    for name, path in (("NAME.tar", v2["path"]), ("ALLOWED_SIGNERS", signer.allowed_signers)):
        lab.copy("fleet2", str(path), f"/root/stick/{name}")
    readme = lab.run("fleet2", "tar -xOf /root/stick/NAME.tar README.txt")
    *commands, skopeo = [line.strip() for line in readme.splitlines() if line.startswith("    ")]
    script = "\n".join(["set -ex", "cd /root/stick", *commands]).replace("-f ALLOWED_SIGNERS", "-f ../ALLOWED_SIGNERS")
    said = lab.run("fleet2", script)
    assert "Good" in said
    assert 'name: "docker.io/library/app:current"' in said
    assert lab.images("fleet2")["app:v2"] == engine_id("airlift-lab/app:v2")
    assert skopeo.startswith("skopeo copy --all oci:.:IMAGE docker://")
    lab.clean("fleet2")
    lab.run("fleet2", "rm -r /root/stick")


def docker_history(image: str) -> list[str]:
    """The commands of the steps that made layers, as docker history shows them, the first one first."""
    command = ["docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", image]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [line.strip() for line in reversed(lines) if line.strip()]


def test_the_playbook_and_the_modules_that_read_bundles(
    ansible: Ansible, small: list[str], signer: Signer, tmp_path: Path
) -> None:
    wanted = [from_daemon(small[0], "small:1")]
    variables = {"bundle_path": str(tmp_path / "b.tar"), "bundle_images": wanted, "bundle_signing_key": str(signer.key)}
    said = subprocess.run(
        ["ansible-playbook", "airlift.registry.bundle", "-e", json.dumps(variables)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout
    assert "changed=1" in said.stdout
    trust = {"path": str(tmp_path / "b.tar"), "allowed_signers": str(signer.allowed_signers)}
    verified, info = ansible.play("localhost", [task("bundle_verify", trust), task("bundle_info", trust)])
    assert verified["localhost"]["signer"] == "release@example.com"
    assert verified["localhost"]["images"][0]["name"] == "docker.io/library/small:1"
    assert info["localhost"]["images"][0]["config"] == engine_id(small[0])
    steps = [step for step in info["localhost"]["images"][0]["history"] if step["digest"]]
    shown = docker_history(small[0])
    assert [step["created_by"].strip() for step in steps] == shown
    assert [step["diff_id"] for step in steps] == [
        layer["diff_id"] for layer in info["localhost"]["images"][0]["layers"]
    ]


FAULTS = [
    pytest.param("app:1", "has no transport", "docker-daemon:REPOSITORY:TAG", id="reference without a transport"),
    pytest.param("docker-daemon:App:1", "'App:1' cannot be used", "in lower case", id="bad reference"),
    pytest.param("docker-daemon:nothing-of-this-name:1", "has no image nothing-of-this-name:1", "docker images", id="image that is not there"),
    pytest.param("docker-archive:/nowhere.tar:app:1", "no docker archive at /nowhere.tar", "Check the path", id="archive that is not there"),
    pytest.param("docker-archive:{export}:app:1", "is no image", "docker save", id="what docker export wrote"),
    pytest.param("docker-archive:{cut}:app:1", "cut.tar", "docker save", id="archive cut short"),
    pytest.param("docker://127.0.0.1:1/app:1", "docker://127.0.0.1:1/app:1", "reaches the registry", id="registry that is not there"),
]  # fmt: skip


@pytest.fixture(scope="module")
def failures(
    ansible: Ansible, small: list[str], tmp_path_factory: pytest.TempPathFactory, signer: Signer
) -> tuple[Path, list[Result]]:
    """All the faults in one run, each into a path of its own; then what would have been right, into the first."""
    path = tmp_path_factory.mktemp("faults")
    container = subprocess.run(
        ["docker", "create", small[0], "/x"], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        subprocess.run(["docker", "export", "-o", str(path / "export.tar"), container], check=True)
    finally:
        subprocess.run(["docker", "rm", container], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["docker", "save", "-o", str(path / "cut.tar"), small[0]], check=True)
    os.truncate(path / "cut.tar", (path / "cut.tar").stat().st_size // 2)
    places = {"{export}": str(path / "export.tar"), "{cut}": str(path / "cut.tar")}
    tasks = []
    for number, parameter in enumerate(FAULTS):
        source = str(parameter.values[0])
        for mark, place in places.items():
            source = source.replace(mark, place)
        tasks.append(
            task("bundle", {"path": str(path / f"b{number}"), "images": [source], "signing_key": str(signer.key)})
        )
    results = [result["localhost"] for result in ansible.play("localhost", tasks)]
    for place in places.values():
        os.unlink(place)
    return path, results


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[str(parameter.id) for parameter in FAULTS])
def test_a_fault_is_named_and_nothing_half_done_stays(failures: tuple[Path, list[Result]], number: int) -> None:
    path, results = failures
    _source, problem, next_step = FAULTS[number].values
    assert results[number]["failed"] is True
    assert problem in results[number]["problem"]
    assert next_step in results[number]["next_step"]
    assert results[number]["msg"] == f"{results[number]['problem']}. {results[number]['next_step']}"
    assert "Traceback" not in plain(results[number])
    # Finished blobs wait for the next run, and nothing else.
    for left in path.iterdir():
        assert left.name.endswith(".partial")
        assert os.listdir(left) == ["blobs"]


def test_faults_of_the_controller(ansible: Ansible, small: list[str], tmp_path: Path, signer: Signer) -> None:
    """No key, no engine, no directory, something else at the path; then a plain run."""
    (tmp_path / "thesis.tar").write_text("my thesis")
    image = from_daemon(small[0], "small:1")
    right: dict[str, t.Any] = {"path": str(tmp_path / "b"), "images": [image], "signing_key": str(signer.key)}
    wrong: list[tuple[dict[str, t.Any], str, str]] = [
        ({"signing_key": str(tmp_path / "nokey")}, "nokey", "ssh-keygen -t ed25519"),
        (
            {"docker_host": f"unix://{tmp_path}/docker.sock"},
            f"unix://{tmp_path}/docker.sock did not answer",
            "systemctl start docker",
        ),
        ({"path": str(tmp_path / "nowhere/b")}, f"no directory {tmp_path}/nowhere", "Make it first"),
        ({"path": str(tmp_path / "thesis.tar")}, "exists and is not a bundle", "it was not touched"),
        ({"images": [image, image]}, "more than once", "a name of its own"),
    ]
    results = ansible.play("localhost", [task("bundle", {**right, **changes}) for changes, _problem, _step in wrong])
    for result, (_changes, problem, step) in zip(results, wrong, strict=True):
        assert result["localhost"]["failed"] is True
        assert problem in result["localhost"]["problem"]
        assert step in result["localhost"]["next_step"]
    assert os.listdir(tmp_path) == ["thesis.tar"]
    assert (tmp_path / "thesis.tar").read_text() == "my thesis"
    assert ansible.local("bundle", right)["changed"] is True
