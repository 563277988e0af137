# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images that Compose files and Kubernetes manifests name."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _image_fields
from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._image_fields import compose_images, kubernetes_images

COMPOSE = """
services:
  web:
    image: "${REGISTRY:-docker.io}/web:${TAG:-1}"
    ports: !override ["80:80"]
  worker: {image: worker:2, image_pull_policy: always}
  second: {image: worker:2}
  built: {build: .}
  reset: !reset null
volumes: {data: {}}
"""
KUBERNETES = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, annotations: {image: "not this"}}
spec:
  template:
    spec:
      initContainers: [{name: init, image: init:1}]
      containers:
        - &app {name: app, image: "app:1"}
        - {name: side, image: "side:1", env: [{name: image, value: nor-this}]}
---
kind: List
items:
  - kind: CronJob
    spec: {jobTemplate: {spec: {template: {spec: {containers: [*app, {name: job, image: "job:1"}]}}}}}
---
"""
BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefghij", "bcdefghijk", strict=True)
)


def write(directory: Path, text: str | bytes) -> str:
    path = directory / "site.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_reads_a_compose_file(tmp_path: Path) -> None:
    path = write(tmp_path, COMPOSE)
    assert compose_images(path, {}) == ["docker.io/web:1", "worker:2"]
    assert compose_images(path, {"REGISTRY": "host:5000", "TAG": "3"}) == ["host:5000/web:3", "worker:2"]


def test_reads_kubernetes_manifests(tmp_path: Path) -> None:
    found = kubernetes_images(write(tmp_path, KUBERNETES.replace("*app", '{name: again, image: "app:1"}')))
    assert sorted(found) == ["app:1", "init:1", "job:1", "side:1"]


def test_aliases_are_not_multiplied(tmp_path: Path) -> None:
    text = BOMB + "containers: [{image: app:1}]\n"
    assert kubernetes_images(write(tmp_path, text)) == ["app:1"]


def test_an_alias_to_itself_is_no_endless_file(tmp_path: Path) -> None:
    assert kubernetes_images(write(tmp_path, "self: &x {y: *x, containers: [{image: app:1}]}")) == ["app:1"]


def kubernetes(path: str) -> list[str]:
    return kubernetes_images(path)


def compose(path: str) -> list[str]:
    return compose_images(path, {})


@pytest.mark.parametrize("read", [compose, kubernetes])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "names no image", id="empty"),
        pytest.param("services: 7\ncontainers: 7", "names no image", id="numbers"),
        pytest.param(
            "services: {a: 7, b: {image: 7}}\ncontainers: [7, {image: 7}]", "names no image", id="more numbers"
        ),
        pytest.param("[1, 2]", "names no image", id="a list"),
        pytest.param("{", "is no YAML", id="cut short"),
        pytest.param("{{ .Values.image }}", "is no YAML", id="a template"),
        pytest.param(b"\xff\xfe\x00", "is no YAML", id="no text"),
        pytest.param("!!python/object/apply:os.system [true]", "is no YAML", id="a tag that makes an object"),
        pytest.param("? [a]\n: b", "is no YAML", id="a list as a key"),
        pytest.param("[" * 5000, "is no YAML", id="nested deeper than a stack"),
        pytest.param(b" " * (5 << 20), "is larger than", id="larger than any file of people"),
    ],
)
def test_refuses(tmp_path: Path, read: t.Callable[[str], list[str]], text: str | bytes, problem: str) -> None:
    with pytest.raises(InputError, match=f"site.yml {problem}") as error:
        read(write(tmp_path, text))
    assert error.value.next_step


def test_says_that_there_is_no_file() -> None:
    with pytest.raises(InputError, match="no file /nowhere.yml"):
        compose("/nowhere.yml")


def test_says_that_the_library_for_yaml_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_image_fields, "yaml", None)
    with pytest.raises(HostError, match="library for YAML is missing") as error:
        compose(write(tmp_path, COMPOSE))
    assert "python3-yaml" in error.value.next_step
