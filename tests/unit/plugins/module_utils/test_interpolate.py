# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables in Compose files."""

from __future__ import annotations

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._interpolate import interpolate

VARIABLES = {"TAG": "1.0", "EMPTY": "", "DOLLAR": "${TAG}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("app:1", "app:1", id="none"),
        pytest.param("app:$TAG", "app:1.0", id="plain"),
        pytest.param("app:${TAG}-slim", "app:1.0-slim", id="in braces"),
        pytest.param("app:${TAG:-2}", "app:1.0", id="default that is not needed"),
        pytest.param("app:${NONE:-2}", "app:2", id="default"),
        pytest.param("app:${NONE-2}", "app:2", id="default without a colon"),
        pytest.param("app:${EMPTY:-2}", "app:2", id="default for an empty value"),
        pytest.param("app${EMPTY-2}", "app", id="an empty value is a value"),
        pytest.param("app:${NONE:-${TAG:-3}}", "app:1.0", id="default with a variable"),
        pytest.param("${HOST:-reg.example:5000}/app:${NONE:-}x", "reg.example:5000/app:x", id="default with a colon"),
        pytest.param("app${TAG:+:alt}", "app:alt", id="alternative"),
        pytest.param("app${NONE+:alt}", "app", id="no alternative"),
        pytest.param("app:${TAG:?is needed}", "app:1.0", id="error that does not happen"),
        pytest.param("app:$$TAG", "app:$TAG", id="a dollar"),
        pytest.param("app:$DOLLAR", "app:${TAG}", id="a value is not looked into"),
    ],
)
def test_interpolates(text: str, expected: str) -> None:
    assert interpolate(text, VARIABLES, "It") == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("app:$NONE", "uses the variable NONE, which is not set", id="not set"),
        pytest.param("app:${NONE}", "uses the variable NONE, which is not set", id="not set, in braces"),
        pytest.param("app:${NONE:?is needed}", "needs the variable NONE: is needed", id="an error"),
        pytest.param("app:${EMPTY:?}", "needs the variable EMPTY: it is not set", id="an error for an empty value"),
        pytest.param("app:${TAG", "lacks a }", id="cut short"),
        pytest.param("app:${TAG!x}", "has '!x' after the variable TAG", id="no operator"),
        pytest.param("app:$1", "has a dollar before what is no variable", id="no name"),
        pytest.param("app:" + "${X:-" * 30 + "}" * 30, "nests variables more than 20 deep", id="too deep"),
    ],
)
def test_refuses(text: str, problem: str) -> None:
    with pytest.raises(InputError) as error:
        interpolate(text, VARIABLES, "The image of service web in compose.yml")
    assert error.value.problem.startswith(f"The image of service web in compose.yml {problem}")
    assert "compose_variables" in error.value.next_step
