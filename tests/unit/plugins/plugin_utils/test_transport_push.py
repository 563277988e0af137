# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Push over a real shell, through everything that a connection can do to it."""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _layout
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, HostError, TransportError
from ansible_collections.airlift.registry.plugins.module_utils._oci import digest_of
from ansible_collections.airlift.registry.plugins.plugin_utils import _push_parts, _transport_push
from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Progress
from ansible_collections.airlift.registry.plugins.plugin_utils._push_parts import Part, Parts
from ansible_collections.airlift.registry.plugins.plugin_utils._transport import Arrivals, Blob, Cargo
from ansible_collections.airlift.registry.plugins.plugin_utils._transport_push import Push, _Lane

PART = 1000
CONTENT = bytes(range(256)) * 20  # 5,120 bytes: five parts and a bit
DIGEST = digest_of(CONTENT)

Answer = tuple[int, str, str]


def sh(command: str, data: bytes | None = None) -> Answer:
    """The host: a real shell."""
    done = subprocess.run(["/bin/sh", "-c", command], input=data or b"", capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Host:
    """A real shell behind a connection that misbehaves while I(faults) last; each takes a command and its data."""

    def __init__(self, *faults: t.Callable[[str, bytes], Answer | None]) -> None:
        self.faults = list(faults)
        self.commands: list[str] = []
        self.received = 0

    def __call__(self, command: str, data: bytes | None = None) -> Answer:
        self.commands.append(command)
        self.received += len(data or b"")
        if data and self.faults:
            answer = self.faults.pop(0)(command, data)
            if answer:
                return answer
        return sh(command, data)


def cut_in_the_middle(command: str, data: bytes) -> Answer:
    sh(command, data[: len(data) // 2])
    raise ConnectionError("Connection reset by peer")


def answer_lost(command: str, data: bytes) -> Answer:
    sh(command, data)
    raise ConnectionError("Broken pipe")


def unreachable(_command: str, _data: bytes) -> Answer:
    raise ConnectionError("Connection timed out")


def command_killed(command: str, data: bytes) -> Answer:
    sh(command, data[:7])
    return 137, "", "Killed"


def nothing_wrong(_command: str, _data: bytes) -> Answer | None:
    return None


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_push_parts, "LEAST", PART)
    monkeypatch.setattr(_push_parts, "MOST", PART)
    monkeypatch.setattr(_transport_push, "_PAUSE", 0.001)
    monkeypatch.setattr(_transport_push, "_TURN", 3)


@pytest.fixture
def bundle(tmp_path: Path) -> _layout.Files:
    (tmp_path / "bundle/blobs/sha256").mkdir(parents=True)
    (tmp_path / "bundle" / _layout.blob_name(DIGEST)).write_bytes(CONTENT)
    return _layout.open_files(str(tmp_path / "bundle"))


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    return tmp_path / "a place with 'quotes' and $HOME" / "staging"


def cargo(blobs: list[Blob], staging: Path) -> Cargo:
    return Cargo({}, blobs, str(staging))


def staged(staging: Path) -> Path:
    return staging / DIGEST[7:]


def send(host: Host, bundle: _layout.Files, staging: Path, offset: int = 0, limit: int = 0) -> Progress:
    progress = Progress("host1", len(CONTENT) - offset, lambda _line: None)
    Push(host, limit).bring(cargo([Blob(DIGEST, len(CONTENT), offset, bundle)], staging), progress)
    return progress


def test_sends_a_blob_in_parts(bundle: _layout.Files, staging: Path) -> None:
    host = Host()
    progress = send(host, bundle, staging)
    assert staged(staging).read_bytes() == CONTENT
    assert progress.sent == host.received == len(CONTENT)
    assert len(host.commands) == 1 + 6
    assert staging.stat().st_mode & 0o777 == 0o700
    assert staged(staging).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("offset", [1, 999, 1000, 5119])
def test_goes_on_where_it_stopped(bundle: _layout.Files, staging: Path, offset: int) -> None:
    staging.mkdir(parents=True)
    staged(staging).write_bytes(CONTENT[:offset])
    host = Host()
    progress = send(host, bundle, staging, offset)
    assert staged(staging).read_bytes() == CONTENT
    assert progress.sent == host.received == len(CONTENT) - offset


def test_begins_anew_when_nothing_of_it_counts(bundle: _layout.Files, staging: Path) -> None:
    staging.mkdir(parents=True)
    staged(staging).write_bytes(b"x" * 9000)
    send(Host(), bundle, staging)
    assert staged(staging).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("faults", "most"),
    [
        pytest.param([cut_in_the_middle], PART // 2, id="cut in the middle of a part"),
        pytest.param([nothing_wrong, cut_in_the_middle], PART // 2, id="cut in the middle of a later part"),
        pytest.param([answer_lost], 0, id="the answer is lost, the data arrived"),
        pytest.param([unreachable], PART, id="nothing arrived"),
        pytest.param([command_killed], PART - 7, id="the command is killed"),
        pytest.param([unreachable] * 4, 4 * PART, id="nothing arrived four times"),
        pytest.param([unreachable, unreachable, cut_in_the_middle] * 3, 8 * PART, id="a bad line all the way"),
    ],
)
def test_recovers(bundle: _layout.Files, staging: Path, faults: list[t.Any], most: int) -> None:
    host = Host(*faults)
    progress = send(host, bundle, staging)
    assert staged(staging).read_bytes() == CONTENT
    assert progress.sent == len(CONTENT)
    assert host.faults == []
    assert host.received <= len(CONTENT) + most
    assert host.received - len(CONTENT) == progress.wasted <= most


def test_a_part_that_comes_twice_does_no_harm(bundle: _layout.Files, staging: Path) -> None:
    """Another run sends the same part, before, or at the same time in smaller pieces."""

    def overtaken(command: str, data: bytes) -> Answer | None:
        sh(command, data)
        return None

    def interleaved(command: str, data: bytes) -> Answer:
        process = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.PIPE)
        assert process.stdin
        process.stdin.write(data[:300])
        process.stdin.flush()
        answer = sh(command, data)
        process.communicate(data[300:])
        return answer

    send(Host(overtaken, interleaved, nothing_wrong, overtaken, interleaved), bundle, staging)
    assert staged(staging).read_bytes() == CONTENT


def killed(_command: str, _data: bytes) -> Answer:
    raise KeyboardInterrupt


def test_a_run_that_begins_leaves_another_what_it_has_sent(bundle: _layout.Files, staging: Path) -> None:
    """It begins at the same blob while the other is half-way, and is killed after one part."""

    def begin_another(_command: str, _data: bytes) -> Answer | None:
        with pytest.raises(KeyboardInterrupt):
            send(Host(nothing_wrong, killed), bundle, staging)
        return None

    progress = send(Host(nothing_wrong, nothing_wrong, begin_another), bundle, staging)
    assert staged(staging).read_bytes() == CONTENT
    assert progress.sent == len(CONTENT)


def test_gives_up_after_five_attempts_and_keeps_what_arrived(bundle: _layout.Files, staging: Path) -> None:
    host = Host(nothing_wrong, *[unreachable] * 9)
    with pytest.raises(TransportError, match="got no more bytes in 5 attempts") as error:
        send(host, bundle, staging)
    assert str(staged(staging)) in error.value.problem
    assert "what has arrived is kept" in error.value.next_step
    assert len(host.faults) == 4
    assert staged(staging).read_bytes() == CONTENT[:PART]
    send(Host(), bundle, staging, PART)
    assert staged(staging).read_bytes() == CONTENT


def test_waits_longer_each_time(bundle: _layout.Files, staging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(TransportError):
        send(Host(*[unreachable] * 5), bundle, staging)
    assert pauses == [0.001, 0.002, 0.004, 0.008]


@pytest.mark.parametrize(
    ("said", "problem", "next_step"),
    [
        ("cat: write error: No space left on device", "disk of staging is full", "Make room"),
        ("cat: write error: Disk quota exceeded", "is full for this user", "quota"),
        ("sh: 1: cannot create /staging/x: Read-only file system", "is mounted read-only", "dmesg"),
        ("cat: write error: Input/output error", "is broken", "staging_path"),
    ],
)
def test_what_another_attempt_does_not_mend(
    bundle: _layout.Files, staging: Path, said: str, problem: str, next_step: str
) -> None:
    host = Host(nothing_wrong, lambda _command, _data: (1, "", said))
    with pytest.raises(HostError, match=problem) as error:
        send(host, bundle, staging)
    assert next_step in error.value.next_step
    assert len(host.commands) == 1 + 2


def test_a_full_disk_is_known_in_every_language(bundle: _layout.Files, staging: Path) -> None:
    host = Host()
    send(host, bundle, staging)
    assert all(command.startswith("LC_ALL=C; export LC_ALL; ") for command in host.commands)


def test_says_that_staging_cannot_be_made(bundle: _layout.Files, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(TransportError, match=r"Writing to staging failed: .*file"):
        send(Host(), bundle, tmp_path / "file" / "staging")


def test_a_bundle_that_lost_its_end_stops_the_transfer(bundle: _layout.Files, staging: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle" / _layout.blob_name(DIGEST)).write_bytes(CONTENT[:1500])
    with pytest.raises(BundleError, match="ends in the middle of"):
        send(Host(), bundle, staging)


def test_keeps_to_the_bandwidth_limit(bundle: _layout.Files, staging: Path) -> None:
    started = time.monotonic()
    send(Host(), bundle, staging, limit=len(CONTENT) * 4)
    assert time.monotonic() - started > 0.24


def test_a_limit_holds_within_a_part(bundle: _layout.Files, staging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never more at once than the limit allows for a second, however large parts are."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    largest: list[int] = []

    def host(command: str, data: bytes | None = None) -> Answer:
        largest.append(len(data or b""))
        return sh(command, data)

    blobs = [Blob(DIGEST, len(CONTENT), 0, bundle)]
    Push(host, 300).bring(cargo(blobs, staging), Progress("host1", 1, lambda _line: None))
    assert staged(staging).read_bytes() == CONTENT
    assert max(largest) == 300


def test_several_blobs_one_after_the_other(bundle: _layout.Files, staging: Path, tmp_path: Path) -> None:
    other = b"other"
    (tmp_path / "bundle" / _layout.blob_name(digest_of(other))).write_bytes(other)
    files = _layout.open_files(str(tmp_path / "bundle"))
    blobs = [Blob(digest_of(content), len(content), 0, files) for content in (CONTENT, other)]
    Push(Host(cut_in_the_middle), 0).bring(cargo(blobs, staging), Progress("host1", 1, lambda _line: None))
    assert staged(staging).read_bytes() == CONTENT
    assert (staging / digest_of(other)[7:]).read_bytes() == other


def both(host: Host, beside: Host, files: _layout.Files, staging: Path, arrivals: Arrivals | None = None) -> Progress:
    """Send over two lanes."""
    progress = Progress("host1", len(CONTENT), lambda _reading: None)
    blobs = [Blob(DIGEST, len(CONTENT), 0, files)]
    Push(host, 0, beside).bring(Cargo({}, blobs, str(staging), arrivals or Arrivals()), progress)
    return progress


def test_the_next_part_is_under_way_while_one_is_written(bundle: _layout.Files, staging: Path) -> None:
    meeting = threading.Barrier(2)

    def meet(_command: str, _data: bytes) -> None:
        meeting.wait(30)

    # It only gets on when both lanes have begun to send.
    lanes = [Host(meet), Host(meet)]
    progress = both(lanes[0], lanes[1], bundle, staging)
    assert staged(staging).read_bytes() == CONTENT
    assert progress.sent == sum(lane.received for lane in lanes) == len(CONTENT)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param([cut_in_the_middle], [], id="one is cut"),
        pytest.param([], [answer_lost], id="an answer is lost"),
        pytest.param([cut_in_the_middle] * 2, [cut_in_the_middle] * 2, id="both are cut"),
        pytest.param([unreachable] * 3, [unreachable] * 3, id="nobody gets through for a while"),
    ],
)
def test_two_lanes_recover(bundle: _layout.Files, staging: Path, first: list[t.Any], second: list[t.Any]) -> None:
    lanes = Host(*first), Host(*second)
    progress = both(*lanes, bundle, staging)
    assert staged(staging).read_bytes() == CONTENT
    assert progress.sent == len(CONTENT)
    assert sum(lane.received for lane in lanes) - len(CONTENT) == progress.wasted


def test_a_lane_waits_as_long_as_the_other_gets_on(
    bundle: _layout.Files, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first part comes so slowly that the command for the second gives up again and again."""
    monkeypatch.setattr(_transport_push, "_TURN", 0)
    blob = Blob(DIGEST, len(CONTENT), 0, bundle)
    staging.mkdir(parents=True)
    staged(staging).write_bytes(b"")
    sizes = iter(range(100, PART + 1, 100))

    def beside(command: str, data: bytes | None = None) -> Answer:
        if command.endswith(shlex.quote(str(staged(staging)))) and not data:
            staged(staging).write_bytes(CONTENT[: next(sizes)])
        return sh(command, data)

    lane = _Lane(beside, Parts([blob], 0), str(staging), Progress("host1", 1, lambda _reading: None), is_alone=False)
    lane.send(Part(blob, PART, PART))
    assert staged(staging).read_bytes() == CONTENT[: 2 * PART]


@pytest.mark.parametrize("is_first", [True, False])
def test_what_one_lane_fails_with_ends_both(bundle: _layout.Files, staging: Path, is_first: bool) -> None:
    full: list[t.Any] = [lambda _command, _data: (1, "", "No space left on device")]
    lanes = Host(*full * is_first), Host(*full * (not is_first))
    # What the other one waits for does not come.
    with pytest.raises(HostError, match="disk of staging is full"):
        both(*lanes, bundle, staging)


def test_a_blob_has_arrived_when_all_its_parts_have(bundle: _layout.Files, staging: Path) -> None:
    class Watching(Arrivals):
        told: t.ClassVar[list[tuple[str, int]]] = []

        def arrived(self, digest: str, size: int) -> None:
            assert staged(staging).read_bytes() == CONTENT
            self.told.append((digest, size))

    both(Host(), Host(), bundle, staging, Watching())
    assert Watching.told == [(DIGEST, len(CONTENT))]


def test_a_limit_is_kept_by_one_lane(bundle: _layout.Files, staging: Path) -> None:
    beside = Host()
    Push(Host(), 10**9, beside).bring(
        cargo([Blob(DIGEST, len(CONTENT), 0, bundle)], staging), Progress("host1", 1, lambda _reading: None)
    )
    assert (staged(staging).read_bytes(), beside.commands) == (CONTENT, [])
