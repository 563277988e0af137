# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All the reasons why a host cannot take images, in tables of hosts and bundles."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _preflight
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, EngineError
from ansible_collections.airlift.registry.plugins.module_utils._footprint import Footprint
from ansible_collections.airlift.registry.plugins.module_utils._image import Image, Layer
from ansible_collections.airlift.registry.plugins.module_utils._oci import (
    OCI_CONFIG,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    Descriptor,
    digest_of,
)
from ansible_collections.airlift.registry.plugins.module_utils._plan import make_plan
from ansible_collections.airlift.registry.plugins.module_utils._preflight import Origin

MARGIN, INODES = _preflight.DISK_MARGIN, _preflight.INODE_MARGIN
LIBRARY = "docker.io/library/"
SIZES = {"base": 1000, "top": 100, "zstd": 100}
FOOTPRINTS = {digest_of(name.encode()): Footprint(size, 10 * size, size) for name, size in SIZES.items()}


def layer(name: str) -> Layer:
    media_type = OCI_LAYER_ZSTD if name == "zstd" else OCI_LAYER_GZIP
    return Layer(Descriptor(media_type, digest_of(name.encode()), SIZES[name]), digest_of(f"diff {name}".encode()))


def image(name: str, *layers: str) -> Image:
    manifest, config = (digest_of(f"{kind} {'+'.join(layers)}".encode()) for kind in ("manifest", "config"))
    found = tuple(layer(name) for name in layers)
    return Image(
        LIBRARY + name,
        Descriptor(OCI_MANIFEST, manifest, 1),
        Descriptor(OCI_CONFIG, config, 1),
        "linux/amd64",
        "",
        found,
    )


V1, ZSTD = image("app:v1", "base", "top"), image("zstd:v1", "base", "zstd")


def engine(**changes: str) -> dict[str, str]:
    return {
        "host": "unix:///x",
        "product": "docker",
        "version": "20.10.24",
        "api_version": "1.41",
        "driver": "overlay2",
        **changes,
    }


def host(*images: Image, staged: t.Mapping[str, int] | None = None) -> dict[str, t.Any]:
    """A host that has some images under their names."""
    listed = [
        {"id": found.config.digest, "tags": [found.name], "digests": [], "layers": [layer.diff_id for layer in found.layers], "whole": True}
        for found in images
    ]  # fmt: skip
    staged = {digest_of(name.encode()): size for name, size in (staged or {}).items()}
    return {
        "engine": {"product": "docker", "platform": "linux/amd64", "store": "graph", "proves_content": False},
        "images": listed,
        "staged": staged,
    }


def disk(**changes: t.Any) -> dict[str, t.Any]:
    return {
        "staging_path": "/staging", "staging_free": 1 << 40, "engine_path": "/engine", "engine_free": 1 << 40, "engine_inodes": 1 << 40,
        "shared": False, "read_only": [], "staging_writable": True, **changes,
    }  # fmt: skip


def kinds(reasons: t.Iterable[_preflight.Reason]) -> list[tuple[str, list[str]]]:
    return [(reason["kind"], [name.removeprefix(LIBRARY) for name in reason["images"]]) for reason in reasons]


### The engine


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({}, "", id="the oldest that is supported"),
        pytest.param({"version": "library-import", "api_version": "1.56"}, "", id="a build without a version"),
        pytest.param({"product": "podman", "version": "4.3.1"}, "", id="podman"),
        pytest.param({"version": "19.03.15", "api_version": "1.40"}, "The engine is Docker 19.03.15 (API 1.40)", id="an older one"),
        pytest.param({"version": "1.9.1", "api_version": "1.9"}, "The engine is Docker 1.9.1", id="numbers are no decimals"),
        pytest.param({"driver": ""}, "does not say where it keeps images", id="no image store"),
    ],
)  # fmt: skip
def test_engines(changes: dict[str, str], problem: str) -> None:
    reasons = _preflight.engine_reasons(engine(**changes))
    assert kinds(reasons) == ([("engine", [])] if problem else [])
    assert all(problem in reason["problem"] and reason["next_step"] for reason in reasons)


### Platform


def test_platforms_that_the_engine_lacks() -> None:
    others = {"a": ["linux/arm64"], "b": ["linux/arm64", "linux/s390x"], "c": ["linux/arm64"]}
    first, second = _preflight.platform_reasons(others, "linux/amd64", is_chosen=False)
    assert first["problem"] == "Images a, c are for linux/arm64, and this host's engine runs linux/amd64"
    assert second["problem"] == "Image b is for linux/arm64, linux/s390x, and this host's engine runs linux/amd64"
    assert "set platform to take them all the same" in first["next_step"]
    (asked,) = _preflight.platform_reasons({"a": ["linux/amd64"]}, "linux/arm/v7", is_chosen=True)
    assert asked["problem"] == "Image a is for linux/amd64, and the platform asked for is linux/arm/v7"
    assert _preflight.platform_reasons({}, "linux/amd64", is_chosen=False) == []


def test_many_images_are_counted_in_the_text_and_listed_beside_it() -> None:
    names = [f"i{number}" for number in range(9)]
    (reason,) = _preflight.platform_reasons({name: ["linux/arm64"] for name in names}, "linux/amd64", is_chosen=False)
    assert reason["problem"].startswith("Images i0, i1, i2 and 6 more are for linux/arm64")
    assert reason["images"] == names


@pytest.mark.parametrize(
    ("there", "store", "proves", "platform", "expected"),
    [
        pytest.param(host(), "containerd", False, "linux/arm64", [("platform", ["app:v1"])], id="the containerd store unpacks no foreign image"),
        pytest.param(host(), "containerd", True, "linux/arm64", [], id="unless its API can be told to"),
        pytest.param(host(), "containerd", False, "linux/amd64", [], id="but the machine's own"),
        pytest.param(host(), "graph", False, "linux/arm64", [], id="a graph driver unpacks any"),
        pytest.param(host(V1), "containerd", False, "linux/arm64", [], id="what is there need not be unpacked"),
    ],
)  # fmt: skip
def test_foreign_images(
    there: dict[str, t.Any], store: str, proves: bool, platform: str, expected: list[t.Any]
) -> None:
    plan = make_plan([V1], there)
    said = {**engine(store=store, platform=platform), "proves_content": proves}
    assert kinds(_preflight.foreign_reasons(plan, [V1], said)) == expected


### Compression


@pytest.mark.parametrize(
    ("there", "changes", "names"),
    [
        pytest.param(host(), {}, ["zstd:v1"], id="Docker 20.10 knows no zstd"),
        pytest.param(host(), {"version": "23.0.0", "api_version": "1.42"}, [], id="Docker 23.0 does"),
        pytest.param(host(), {"product": "podman", "version": "4.3.1"}, [], id="podman does, whatever API it speaks"),
        pytest.param(host(ZSTD), {}, [], id="what is there need not be loaded"),
        pytest.param(host(image("x", "base", "zstd")), {}, [], id="a layer that is there need not be unpacked"),
        pytest.param(host(V1), {}, ["zstd:v1"], id="the other layer is there"),
    ],
)
def test_compressions(there: dict[str, t.Any], changes: dict[str, str], names: list[str]) -> None:
    images = [V1, ZSTD]
    reasons = _preflight.compression_reasons(make_plan(images, there), images, engine(**changes))
    assert kinds(reasons) == ([("compression", names)] if names else [])
    for reason in reasons:
        assert reason["problem"].startswith(
            f"Image {ZSTD.name} is compressed with zstd, which Docker 20.10.24 (API 1.41)"
        )
        assert "compression=gzip" in reason["next_step"]


### Disk


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"staging_free": 1100 + MARGIN, "engine_free": 12100 + MARGIN}, "", id="just enough"),
        pytest.param({"staging_free": 1099 + MARGIN}, f"of staging is too small: /staging has {1099 + MARGIN} bytes free and {1100 + MARGIN} are", id="staging"),
        pytest.param({"engine_free": 12099 + MARGIN}, f"of the engine is too small: /engine has {12099 + MARGIN} bytes free and {12100 + MARGIN} are", id="engine"),
        pytest.param({"shared": True, "staging_free": 13200 + 2 * MARGIN, "engine_free": 0}, "", id="one disk, just enough"),
        pytest.param({"shared": True, "staging_free": 13199 + 2 * MARGIN}, "of staging and the engine is too small: /staging has", id="one disk for both"),
        pytest.param({"engine_inodes": 1100 + INODES}, "", id="inodes, just enough"),
        pytest.param({"engine_inodes": 1099 + INODES}, f"/engine has {1099 + INODES} inodes free and {1100 + INODES} are", id="inodes"),
        pytest.param({"engine_inodes": 0}, "has 0 inodes free", id="no inode left"),
        pytest.param({"engine_inodes": None}, "", id="inodes are made as they are needed"),
    ],
)  # fmt: skip
def test_disks(changes: dict[str, t.Any], problem: str) -> None:
    reasons = _preflight.disk_reasons(make_plan([V1], host()), disk(**changes), FOOTPRINTS)
    assert kinds(reasons) == ([("disk", [])] if problem else [])
    assert all(problem in reason["problem"] and "nothing was changed" in reason["next_step"] for reason in reasons)


@pytest.mark.parametrize(
    ("there", "staging", "room"),
    [
        pytest.param(host(V1), 0, 0, id="nothing to load"),
        pytest.param(host(image("x", "base")), 100 + MARGIN, 1100 + MARGIN, id="a layer that is there needs none"),
        pytest.param(host(staged={"base": 600}), 500 + MARGIN, 12100 + MARGIN, id="what is staged needs none there"),
        pytest.param(host(staged={"base": 1000}), 100 + MARGIN, 12100 + MARGIN, id="but is still to be loaded"),
    ],
)
def test_room_is_for_what_is_missing(there: dict[str, t.Any], staging: int, room: int) -> None:
    plan = make_plan([V1], there)
    assert _preflight.disk_reasons(plan, disk(staging_free=staging, engine_free=room), FOOTPRINTS) == []
    for short in ({"staging_free": staging - 1}, {"engine_free": room - 1}):
        assert len(_preflight.disk_reasons(plan, disk(**short), FOOTPRINTS)) == (1 if room else 0)


@pytest.mark.parametrize(
    ("restore", "staging", "engine"),
    [
        pytest.param("", 7 + 900 + 800 + MARGIN, 12100 + MARGIN, id="the delta, the base and what is made of it"),
        pytest.param("gzip", 7 + 900 + 2 * 800 + MARGIN, 12100 + MARGIN, id="and the blob that is made of that"),
        pytest.param("", 7 + 900 + 800 + MARGIN, 50_000 + MARGIN, id="the engine, the image that it saves"),
    ],
)
def test_a_delta_takes_room(restore: str, staging: int, engine: int) -> None:
    plan = make_plan([V1], host())
    task = {"base_size": 900, "content_size": 800, "restore": restore, "image_size": engine - MARGIN}
    plan["images"][0]["layers"][1].update(action="delta", delta=task)
    plan["blobs"] = [{"digest": "sha256:delta", "size": 7, "offset": 0}]
    assert _preflight.disk_reasons(plan, disk(staging_free=staging, engine_free=engine), FOOTPRINTS) == []
    for short in ({"staging_free": staging - 1}, {"engine_free": engine - 1}):
        assert len(_preflight.disk_reasons(plan, disk(**short), FOOTPRINTS)) == 1


def test_every_disk_that_is_too_small_is_named() -> None:
    none = disk(staging_free=0, engine_free=0, engine_inodes=0)
    assert len(_preflight.disk_reasons(make_plan([V1], host()), none, FOOTPRINTS)) == 3


@pytest.mark.parametrize(
    ("changes", "problem", "next_step"),
    [
        pytest.param({}, "", "", id="writable"),
        pytest.param({"staging_writable": False}, "/staging cannot be written or made by this user", "staging_path", id="somebody else's"),
        pytest.param({"read_only": ["/s"], "staging_writable": False}, "The file system of /s is mounted read-only", "dmesg", id="read-only"),
        pytest.param({"read_only": ["/s", "/e"]}, "of /s and of /e is mounted read-only", "dmesg", id="both read-only"),
    ],
)  # fmt: skip
def test_where_nothing_can_be_written(changes: dict[str, t.Any], problem: str, next_step: str) -> None:
    reasons = _preflight.writing_reasons(disk(**changes))
    assert kinds(reasons) == ([("disk", [])] if problem else [])
    assert all(problem in reason["problem"] and next_step in reason["next_step"] for reason in reasons)


### The age of a bundle

OLD = Origin("2026-10.tar", digest_of(b"old"), "2026-10-01T00:00:00Z")
NEW = Origin("2026-11.tar", digest_of(b"new"), "2026-11-01T00:00:00Z")
MOVED = image("app:v1", "base", "zstd")  # what app:v1 means in another bundle


def noted(found: Image, origin: Origin) -> dict[str, dict[str, str]]:
    """The record after this image came from this bundle."""
    plan = make_plan([found], host())
    return _preflight.record_changes(plan, {found.name: origin}, {})


@pytest.mark.parametrize(
    ("recorded", "found", "origin", "older", "changes"),
    [
        pytest.param({}, V1, OLD, False, True, id="for the first time"),
        pytest.param(noted(V1, OLD), V1, OLD, False, False, id="the same again"),
        pytest.param(noted(V1, OLD), MOVED, NEW, False, True, id="an update"),
        pytest.param(noted(V1, NEW), MOVED, OLD, True, True, id="an older bundle with another image"),
        pytest.param(noted(V1, NEW), V1, OLD, False, False, id="an older bundle with the same image"),
        pytest.param(noted(V1, OLD), V1, NEW, False, True, id="a newer bundle with the same image"),
        pytest.param(noted(V1, OLD), MOVED, Origin("x", digest_of(b"x"), OLD.created), False, True, id="another bundle of the same time"),
        pytest.param(noted(V1, NEW), ZSTD, OLD, False, True, id="an image of another name"),
    ],
)  # fmt: skip
def test_older_bundles(
    recorded: dict[str, dict[str, str]], found: Image, origin: Origin, older: bool, changes: bool
) -> None:
    plan = make_plan([found], host())
    origins = {found.name: origin}
    assert kinds(_preflight.downgrades(plan, origins, recorded)) == ([("downgrade", ["app:v1"])] if older else [])
    record = _preflight.record_changes(plan, origins, recorded)
    assert record == (noted(found, origin) if changes else {})
    # Once it is noted, the same bundle is no news and no downgrade.
    after = {**recorded, **record}
    assert _preflight.record_changes(plan, origins, after) == {}
    assert _preflight.downgrades(plan, origins, after) == []


def test_a_downgrade_names_both_bundles_and_their_times() -> None:
    plan = make_plan([MOVED], host())
    (reason,) = _preflight.downgrades(plan, {MOVED.name: OLD}, noted(V1, NEW))
    for text in (MOVED.name, *(part for origin in (OLD, NEW) for part in (origin.name, origin.id, origin.created))):
        assert text in reason["problem"]
    assert "downgrade=allow" in reason["next_step"]


def test_an_update_by_way_of_a_bundle_that_changed_nothing_is_remembered() -> None:
    """What was withdrawn in a newer bundle does not come back by the bundle in between."""
    between = Origin("between.tar", digest_of(b"between"), "2026-10-15T00:00:00Z")
    recorded = noted(V1, OLD)
    recorded.update(_preflight.record_changes(make_plan([V1], host(V1)), {V1.name: NEW}, recorded))
    assert kinds(_preflight.downgrades(make_plan([MOVED], host(V1)), {MOVED.name: between}, recorded)) == [
        ("downgrade", ["app:v1"])
    ]


### All of them


@pytest.mark.parametrize(("writable", "expected"), [(True, []), (False, [("record", [])])])
def test_the_record_must_be_writable(writable: bool, expected: list[t.Any]) -> None:
    assert kinds(_preflight.record_reasons({"path": "/r", "writable": writable})) == expected


def test_a_refusal_says_all_of_it() -> None:
    reasons = [
        *_preflight.engine_reasons(engine(api_version="1.40")),
        *_preflight.disk_reasons(make_plan([V1], host()), disk(staging_free=0, engine_free=0), FOOTPRINTS),
    ]
    error = _preflight.Refused(reasons)
    assert _preflight.reasons_of(error) == reasons
    assert all(reason["problem"] in error.problem for reason in reasons)
    assert error.next_step.count("Make room") == 1
    assert "Upgrade the engine" in error.next_step


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (_preflight.reasons_of(EngineError("p", "n")), "engine"),
        (_preflight.reasons_of(BundleError("p", "n")), "bundle"),
        (_preflight.layer_reasons(BundleError("p", "n"), {"images": []}), "layers"),
        (_preflight.failure_reasons({"error": "EngineError", "problem": "p", "next_step": "n"}), "engine"),
    ],
)
def test_other_errors_are_reasons_too(reasons: list[_preflight.Reason], kind: str) -> None:
    assert reasons == [{"kind": kind, "images": [], "problem": "p", "next_step": "n"}]


def test_a_module_that_broke_is_a_reason() -> None:
    (reason,) = _preflight.failure_reasons({"msg": "MODULE FAILURE"})
    assert (reason["kind"], reason["problem"], reason["next_step"]) == ("host", "MODULE FAILURE", "")
