# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes: their keys change when, and only when, what the image is made from changes."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from lab import golang
from lab.errors import LabError
from lab.images import check_names, with_parents
from lab.recipes import RECIPES, app, base, host_recipe
from lab.recipes.recipe import Recipe, key_of, leftover_prefix, reference_of, source_files

CONTRACT = {
    "registry": "airlift-lab/registry:3.1.2",
    "registry-2.8": "airlift-lab/registry:2.8.3",
    "haproxy": "airlift-lab/haproxy:3.0",
    "valkey": "airlift-lab/valkey:8.1",
    "garage": "airlift-lab/garage:2.4.1",
    "app1": "airlift-lab/app:v1",
    "app2": "airlift-lab/app:v2",
}


@pytest.fixture
def recipes(tmp_path: Path) -> dict[str, Recipe]:
    for name in ("parent", "child", "other"):
        (tmp_path / name / "files").mkdir(parents=True)
        (tmp_path / name / "Dockerfile").write_text(f"FROM {name}\n")
        (tmp_path / name / "files" / "conf").write_text("a\n")
    return {
        "parent": Recipe("parent", tmp_path / "parent", "lab/parent:{key}"),
        "child": Recipe("child", tmp_path / "child", "lab/child:{key}", parent="parent"),
        "other": Recipe("other", tmp_path / "other", "lab/other:1"),
    }


def test_key_is_stable(recipes: dict[str, Recipe]) -> None:
    assert key_of("child", recipes) == key_of("child", recipes)
    assert len(key_of("child", recipes)) == 12


def test_key_changes_with_a_file_and_reaches_the_children_only(recipes: dict[str, Recipe]) -> None:
    before = {name: key_of(name, recipes) for name in recipes}
    (recipes["parent"].directory / "files" / "conf").write_text("b\n")
    after = {name: key_of(name, recipes) for name in recipes}
    assert {name for name in recipes if before[name] != after[name]} == {"parent", "child"}


def test_key_changes_with_a_file_name(recipes: dict[str, Recipe]) -> None:
    before = key_of("other", recipes)
    conf = recipes["other"].directory / "files" / "conf"
    conf.rename(conf.with_name("conf2"))
    assert key_of("other", recipes) != before


def test_key_changes_with_the_arguments(recipes: dict[str, Recipe]) -> None:
    changed = {**recipes, "other": replace(recipes["other"], arguments={"VERSION": "v2"})}
    assert key_of("other", changed) != key_of("other", recipes)


def test_key_changes_with_the_upstream_image(recipes: dict[str, Recipe]) -> None:
    changed = {**recipes, "other": replace(recipes["other"], upstream="docker.io/library/other:1@sha256:00")}
    assert key_of("other", changed) != key_of("other", recipes)


def test_compiled_python_is_not_part_of_a_recipe(recipes: dict[str, Recipe]) -> None:
    before = key_of("other", recipes)
    compiled = recipes["other"].directory / "__pycache__" / "x.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"x")
    assert key_of("other", recipes) == before


def test_reference_carries_the_key_only_where_it_says_so(recipes: dict[str, Recipe]) -> None:
    assert reference_of("parent", recipes) == f"lab/parent:{key_of('parent', recipes)}"
    assert reference_of("other", recipes) == "lab/other:1"


def test_parents_come_first_and_once(recipes: dict[str, Recipe]) -> None:
    assert with_parents(["child", "other", "parent"], recipes) == ["parent", "child", "other"]


def test_unknown_names_are_refused_with_the_known_ones(recipes: dict[str, Recipe]) -> None:
    with pytest.raises(LabError, match=r"no recipe is called nginx\. There are: parent, child, other"):
        check_names(["child", "nginx"], recipes)


@pytest.mark.parametrize(("name", "reference"), CONTRACT.items())
def test_references_that_bundles_name(name: str, reference: str) -> None:
    assert reference_of(name, RECIPES) == reference


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_complete(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.directory / "Dockerfile" in source_files(recipe.directory)
    assert recipe.parent is None or recipe.parent in RECIPES
    root = with_parents([name], RECIPES)[0]
    assert root == "base" or (root.startswith("base-") and name.startswith(("base-", "host-")))


def test_all_images_of_the_stack_share_the_base_layer() -> None:
    for name in CONTRACT:
        assert with_parents([name], RECIPES)[0] == "base"


@pytest.mark.parametrize(
    ("engine", "recipe"), [(None, "host"), ("docker-20.10", "host-docker-20.10"), ("podman", "host-podman")]
)
def test_a_host_is_made_for_an_engine(engine: str | None, recipe: str) -> None:
    assert host_recipe(engine) == recipe
    assert recipe in RECIPES


def test_no_recipe_clears_away_the_work_of_another() -> None:
    """A build that begins removes what earlier ones of its own recipe left; another may be at work."""
    for name, other in itertools.permutations(RECIPES, 2):
        assert not leftover_prefix("build", other).startswith(leftover_prefix("build", name))


def test_application_versions_differ_in_few_modules_of_one_small_layer() -> None:
    v1 = [app.module_text(number, "v1") for number in range(app.MODULES)]
    v2 = [app.module_text(number, "v2") for number in range(app.MODULES)]
    assert [number for number in range(app.MODULES) if v1[number] != v2[number]] == list(app.CHANGED)
    assert 1_000_000 < sum(map(len, v1)) < 3_000_000


def test_application_is_the_same_on_every_machine() -> None:
    everything = "".join(app.module_text(number, "v2") for number in range(app.MODULES))
    assert hashlib.sha256(everything.encode()).hexdigest().startswith("c60fe01e583d8371")


def test_application_is_valid_python() -> None:
    for number in range(app.MODULES):
        compile(app.module_text(number, "v1"), f"module_{number}", "exec")


@pytest.mark.parametrize(
    ("listed", "mirror"),
    [
        pytest.param("Debian|Debian|http://mirror.example/debian/\n", "http://mirror.example/debian", id="own-mirror"),
        pytest.param(
            "Debian|Debian-Security|http://s.example/debian-security/\nDebian|Debian|http://m.example/debian/\n",
            "http://m.example/debian",
            id="security-is-not-the-archive",
        ),
        pytest.param("Node|Node|https://deb.example/\n", base.FALLBACK_MIRROR, id="other-vendor"),
        pytest.param("Debian|Debian|cdrom://disc/\n", base.FALLBACK_MIRROR, id="a-disc-cannot-be-debootstrapped-from"),
        pytest.param("", base.FALLBACK_MIRROR, id="no-lists"),
    ],
)
def test_mirror_is_the_machines_own(listed: str, mirror: str) -> None:
    assert base.choose_mirror(listed) == mirror


@pytest.mark.parametrize(
    ("text", "new_enough"),
    [("go1.26.8", True), ("go1.21", True), ("go1.19.8\n", False), ("devel +abc", False), ("", False)],
)
def test_go_that_can_fetch_its_own_toolchain(text: str, new_enough: bool) -> None:
    assert (golang.go_version(text) >= golang.OLDEST_GO) is new_enough
