# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: what each command does, in a few lines each."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from . import labs, topology
from .engine import Engine
from .errors import LabError
from .images import Images
from .lock import locked
from .paths import cache_root, state_root
from .recipes import RECIPES, host_recipe
from .shell import say
from .tools import TOOLS, ensure_tools


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        COMMANDS[options.command](options)
    except LabError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; `lab down` removes what was begun")
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="lab", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("engine", help="make sure that a Docker engine answers")
    image = commands.add_parser("image", help="make images; prints NAME REFERENCE")
    image.add_argument("names", nargs="+", metavar="NAME", help=", ".join(RECIPES))
    tool = commands.add_parser("tool", help="build programs of others that tests use; prints NAME PATH")
    tool.add_argument("names", nargs="+", metavar="NAME", help=", ".join(TOOLS))
    up = commands.add_parser("up", help="bring a lab up; prints its state directory")
    up.add_argument("lab")
    up.add_argument("--spec", required=True, type=Path, metavar="FILE.json")
    down = commands.add_parser("down", help="remove a lab, or all and the engine that was started for them")
    which = down.add_mutually_exclusive_group(required=True)
    which.add_argument("lab", nargs="?")
    which.add_argument("--all", action="store_true")
    commands.add_parser("list", help="the hosts of all labs: LAB HOST ADDRESS STATE")
    return top


def _engine() -> Engine:
    return Engine(state_root())


def run_engine(options: argparse.Namespace) -> None:
    print(_engine().ensure())


def run_image(options: argparse.Namespace) -> None:
    with _engine().in_use():
        for name, reference in Images(cache_root()).ensure(options.names).items():
            print(name, reference)


def run_tool(options: argparse.Namespace) -> None:
    for name, path in ensure_tools(options.names, cache_root()).items():
        print(name, path)


def run_up(options: argparse.Namespace) -> None:
    name = topology.check_lab_name(options.lab)
    hosts = topology.read_spec(options.spec)
    with _engine().in_use(), locked(_lock(name)):
        recipes = {host.name: host_recipe(host.engine) for host in hosts}
        made = Images(cache_root()).ensure(dict.fromkeys(recipes.values()))
        images = {host: made[recipe] for host, recipe in recipes.items()}
        lab = labs.up(name, hosts, images, state_root() / name)
    print(lab.state)


def run_down(options: argparse.Namespace) -> None:
    engine = _engine()
    if not options.all:
        _down(engine, topology.check_lab_name(options.lab))
        return
    for name in sorted({*_names_with_state(), *(labs.names_of_labs() if engine.answers() else [])}):
        _down(engine, name)
    if engine.stop_if_ours():
        say("the engine is stopped; its images stay for the next time")


def _down(engine: Engine, name: str) -> None:
    state = state_root() / name
    if not engine.answers() and not state.exists():
        return
    with engine.in_use(), locked(_lock(name)):
        labs.down(name, state)
        _lock(name).unlink(missing_ok=True)


def run_list(options: argparse.Namespace) -> None:
    if _engine().answers():
        for name in labs.names_of_labs():
            print(*(labs.describe(name) or [name]), sep="\n")


def _names_with_state() -> list[str]:
    return [path.name for path in state_root().glob("*/")]


def _lock(name: str) -> Path:
    return state_root() / f"{name}.lock"


COMMANDS = {
    "engine": run_engine,
    "image": run_image,
    "tool": run_tool,
    "up": run_up,
    "down": run_down,
    "list": run_list,
}
