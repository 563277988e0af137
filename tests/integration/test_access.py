# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may do what at the balancer, and every trick to do more: a real HAProxy as the role configures it, with a real registry behind it."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import socket
import subprocess
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.airlift.registry.tests.integration.support import http2
from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.access import (
    ANYBODY,
    DIGEST,
    GUESSES,
    LOGIN,
    MANIFEST,
    MINE,
    RULES,
    SECRET,
    THEIRS,
    USERS,
    Load,
    connect_h2,
    push,
    smuggle,
    user,
)
from ansible_collections.airlift.registry.tests.integration.support.access_cases import (
    FORGED,
    GAMES,
    HEADERS,
    INNER,
    MOUNTS,
    RIGHTS,
    SMUGGLED,
    TRICKS,
    h2,
)
from ansible_collections.airlift.registry.tests.integration.support.balancer import Answer, Balancer, balanced, basic
from ansible_collections.airlift.registry.tests.integration.support.lab import eventually, free_port

# Of one address: more than the tests need that are not about it.
AT_ONCE, RATE = 60, 3000


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Balancer]:
    labs.lab("image", "registry", "haproxy")
    rules = {"load_balancer_users": USERS, "load_balancer_rules": RULES + ANYBODY}
    limits = {
        "load_balancer_guesses_per_minute": GUESSES,
        "load_balancer_client_requests": AT_ONCE,
        "load_balancer_client_rate": RATE,
    }
    statistics = {"load_balancer_stats_address": "127.0.0.1", "load_balancer_stats_port": free_port()}
    with balanced(tmp_path_factory.mktemp("access"), "access", **rules, **limits, **statistics) as found:
        for repository in ("team-a/app", "team-b/app", "public/app", "shelf/app", "top"):
            push(found, repository)
        yield found


@pytest.fixture(autouse=True)
def forgiven(balancer: Balancer) -> None:
    """What one test guesses is not held against the next."""
    forgive(balancer)


def forgive(balancer: Balancer) -> None:
    """An entry cannot go while a request that has counted in it comes to its end."""
    eventually(lambda: "used:0" in balancer.command("clear table clients; show table clients"), "a clean slate")


@pytest.mark.parametrize(("name", "method", "path", "status"), RIGHTS)
def test_rights(balancer: Balancer, name: str, method: str, path: str, status: int) -> None:
    answer = balancer.ask(method, path, name)
    assert answer.status == status, answer
    assert SECRET not in answer.body


@pytest.mark.parametrize(("path", "status"), TRICKS)
def test_a_path_finds_no_way_around_a_right(balancer: Balancer, path: str, status: int) -> None:
    answer = balancer.ask("GET", path, "alice")
    assert answer.status == status, answer
    assert b"team-b" not in answer.body


@pytest.mark.parametrize("headers", HEADERS)
def test_a_header_changes_nothing(balancer: Balancer, headers: dict[str, str]) -> None:
    answer = balancer.ask("GET", "/v2/team-a/app/manifests/v1", "alice", b"", **headers)
    assert (answer.status, json.loads(answer.body)["annotations"]) == (200, {"of": "team-a/app"})


def test_a_client_may_come_by_ipv6(balancer: Balancer) -> None:
    plain = socket.create_connection(("::1", balancer.port), timeout=30)
    with balancer.tls().wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(f"GET {MINE} HTTP/1.1\r\nHost: localhost\r\n{LOGIN}\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_where_to_go_on_is_not_for_the_client_to_say(balancer: Balancer) -> None:
    lies = {"X_Forwarded_Host": "evil.example.com", "X_Forwarded_Proto": "http", "Forwarded": "host=evil.example.com"}
    begun = balancer.ask("POST", "/v2/team-a/app/blobs/uploads/", "alice", b"", **lies)
    assert begun.headers["location"].startswith(f"https://localhost:{balancer.port}/v2/team-a/app/blobs/uploads/")


@pytest.mark.parametrize(("name", "query", "headers", "body", "status"), MOUNTS)
def test_a_mount(balancer: Balancer, name: str, query: str, headers: dict[str, str], body: str, status: int) -> None:
    """201 is a mount, 202 the beginning of an upload."""
    target = f"/v2/team-a/mounted/{hashlib.sha256(f'{name}{query}{body}'.encode()).hexdigest()[:8]}"
    answer = balancer.ask("POST", f"{target}/blobs/uploads/?{query}", name, body.encode(), **headers)
    assert answer.status == status, answer
    assert balancer.ask("HEAD", f"{target}/blobs/{DIGEST}", "admin").status == (200 if status == 201 else 404)


@pytest.mark.parametrize("method", ["PATCH", "PUT", "GET", "DELETE"])
def test_an_upload_is_finished_where_it_was_begun(balancer: Balancer, method: str) -> None:
    begun = balancer.ask("POST", "/v2/team-b/app/blobs/uploads/", "bob").location
    moved = begun.replace("/team-b/app/", "/team-a/app/")
    query = f"&digest={DIGEST}" if method == "PUT" else ""
    assert balancer.ask(method, begun + query, "alice", SECRET).status == 403
    assert balancer.ask(method, moved + query, "alice", SECRET).status in (400, 404)
    assert balancer.ask(method, moved.partition("?")[0] + "?x" + query, "alice", SECRET).status in (400, 404)


def test_a_manifest_cannot_take_a_blob_from_elsewhere(balancer: Balancer) -> None:
    descriptor = {"mediaType": "application/octet-stream", "digest": DIGEST, "size": len(SECRET)}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": [descriptor]}
    path = "/v2/team-a/taken/manifests/v1"
    answer = balancer.ask("PUT", path, "alice", json.dumps(manifest).encode(), Content_Type=MANIFEST)
    assert (answer.status, json.loads(answer.body)["errors"][0]["code"]) == (400, "MANIFEST_BLOB_UNKNOWN")


@pytest.fixture(scope="module")
def received(balancer: Balancer) -> dict[str, bytes]:
    """What came back for each of them, followed by a request that ends the connection. They are sent at the same time: some leave HAProxy waiting."""
    sent = [str(case.values[0]) for case in SMUGGLED]
    with ThreadPoolExecutor(len(sent)) as pool:
        return dict(zip(sent, pool.map(lambda each: smuggle(balancer, each), sent), strict=True))


@pytest.mark.parametrize("sent", SMUGGLED)
def test_nothing_is_smuggled(received: dict[str, bytes], sent: str) -> None:
    assert received[sent].startswith(b"HTTP/1.1 ") or not received[sent]
    assert b'"of": "team-b/app"' not in received[sent]


@pytest.mark.parametrize("fields", GAMES)
def test_http_2_finds_no_way_either(balancer: Balancer, fields: http2.Fields) -> None:
    answer = http2.ask(connect_h2(balancer), fields)
    assert answer.status == 0 or 400 <= answer.status < 500, answer
    assert b'"of": "team-b/app"' not in answer.received


def test_http_2_serves_who_may(balancer: Balancer) -> None:
    answer = http2.ask(connect_h2(balancer), h2(THEIRS, name="bob"))
    assert answer.status == 200
    assert b'"of": "team-b/app"' in answer.received


def test_a_body_that_is_longer_than_it_says_is_no_request(balancer: Balancer) -> None:
    fields = h2("/v2/team-a/app/blobs/uploads/", (b"content-length", b"0"), method=b"POST")
    answer = http2.ask(connect_h2(balancer), fields, f"{INNER}\r\n\r\n".encode())
    assert answer.status == 0 or 400 <= answer.status < 500, answer


def token(balancer: Balancer, name: str = "") -> str:
    """What a client gets for a login, or without one."""
    path = "/token?service=localhost&scope=repository:team-b/app:pull,push"
    return str(json.loads(balancer.ask("GET", path, name).body)["token"])


def with_token(balancer: Balancer, text: str, path: str = THEIRS) -> Answer:
    return balancer.ask("GET", path, Authorization=f"Bearer {text}")


def test_a_client_is_told_where_tokens_are(balancer: Balancer) -> None:
    asked = balancer.ask("GET", "/v2/")
    assert (
        asked.headers["www-authenticate"]
        == f'Bearer realm="https://localhost:{balancer.port}/token",service="localhost"'
    )
    assert balancer.ask("POST", "/token", body=b"grant_type=password").status == 405


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [("bob", THEIRS, 200), ("alice", THEIRS, 403), ("", THEIRS, 401), ("", "/v2/", 200), ("", "/v2/public/app/manifests/v1", 200)],
)  # fmt: skip
def test_a_token_is_as_good_as_the_login_that_it_stands_for(
    balancer: Balancer, name: str, path: str, status: int
) -> None:
    assert with_token(balancer, token(balancer, name), path).status == status


@pytest.mark.parametrize("forge", FORGED)
def test_a_forged_token_is_refused(balancer: Balancer, forge: t.Callable[[str, str, str], str]) -> None:
    until, signature, name = token(balancer, "alice").split(".", 2)
    assert with_token(balancer, forge(until, signature, name), MINE).status == 401


def test_a_token_does_not_renew_itself(balancer: Balancer) -> None:
    assert with_token(balancer, token(balancer, "alice"), "/token").status == 401


def test_a_token_that_has_run_out_is_no_guess(balancer: Balancer) -> None:
    answers = [with_token(balancer, f"1.{'0' * 64}.alice", MINE).status for _again in range(GUESSES + 3)]
    assert set(answers) == {401}
    assert balancer.ask("GET", "/v2/", Authorization=basic("bob", "a guess")).status == 401


def test_guessing_is_slowed_and_disturbs_no_login_that_was_right(balancer: Balancer) -> None:
    assert balancer.ask("GET", "/v2/", "bob").status == 200
    wrong = [
        balancer.ask("GET", "/v2/", Authorization=basic("bob", f"guess {number}")) for number in range(GUESSES + 3)
    ]
    assert [answer.status for answer in wrong] == [401] * (GUESSES + 1) + [429] * 2
    assert wrong[-1].headers["retry-after"] == "60"
    # Not even the right one is looked at now.
    assert balancer.ask("GET", "/v2/", "auditor2").status == 429
    assert balancer.ask("GET", "/v2/", "bob").status == 200
    assert balancer.ask("GET", "/v2/public/app/manifests/v1").status == 200
    forgive(balancer)
    assert balancer.ask("GET", "/v2/", "auditor2").status == 401


def test_requests_at_the_same_time_are_limited(balancer: Balancer) -> None:
    """Uploads that are begun and say nothing more."""
    slow = f"POST /v2/team-a/slow/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n{LOGIN}Content-Length: 9\r\n\r\n"
    with contextlib.ExitStack() as opened:
        for _each in range(AT_ONCE):
            opened.enter_context(connection := balancer.connect())
            connection.sendall(slow.encode())
        eventually(lambda: balancer.ask("GET", MINE, "alice").status == 429, "the limit")
    eventually(lambda: balancer.ask("GET", MINE, "alice").status == 200, "the end of the limit")


def test_requests_lately_are_limited(balancer: Balancer) -> None:
    balancer.command(f"set table clients key ::ffff:127.0.0.1 data.http_req_rate {RATE + 1000}")
    answer = balancer.ask("GET", MINE, "alice")
    assert (answer.status, answer.headers["retry-after"]) == (429, "10")
    forgive(balancer)
    assert balancer.ask("GET", MINE, "alice").status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 200), ("GET", "/metrics", 200), ("POST", "/", 405), ("GET", "/x", 404)]
)
def test_statistics_are_to_be_read(balancer: Balancer, method: str, path: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", balancer.variables["load_balancer_stats_port"], timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        assert (answer.status, b"haproxy" in answer.read().lower()) == (status, status == 200)


def test_secrets_are_for_root_only_and_no_password_is_among_them(balancer: Balancer) -> None:
    files = [path for path in (balancer.directory / "balancer").iterdir() if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    text = b"".join(path.read_bytes() for path in files)
    assert [each["name"] for each in USERS if each["password"].encode() in text] == []


def test_a_password_changes_with_no_lost_request(balancer: Balancer) -> None:
    """And the certificate with it; who is no more is out, also with a token."""
    with balancer.connect() as connection:
        before = (connection.getpeercert() or {})["serialNumber"]
    old, gone = token(balancer, "alice"), token(balancer, "stranger")
    assert with_token(balancer, gone, "/v2/").status == 200
    crypt = subprocess.run(
        ["openssl", "passwd", "-6", "new"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    users = [user("bob", groups=["b"]), {"name": "alice", "groups": ["a"], "password_hash": crypt}]
    (balancer.certificates / "server.crt").unlink()
    load = Load(balancer)
    load.start()
    try:
        balancer.apply(load_balancer_users=users, load_balancer_rules=RULES[:2] + ANYBODY)
        eventually(lambda: with_token(balancer, gone, "/v2/").status == 401, "the end of a user")
        assert with_token(balancer, old, MINE).status == 200
        assert balancer.ask("GET", MINE, "alice").status == 401
        assert balancer.ask("GET", MINE, Authorization=basic("alice", "new")).status == 200
    finally:
        load.over.set()
        load.join()
    with balancer.connect() as connection:
        assert (connection.getpeercert() or {})["serialNumber"] != before
    assert set(load.statuses) == {200}
    assert len(load.statuses) > 100


def test_the_key_of_the_authority_is_encrypted_and_not_replaced(balancer: Balancer) -> None:
    key, certificate = (balancer.certificates / name for name in ("ca.key", "server.crt"))
    before, kept = key.read_bytes(), certificate.read_bytes()
    assert b"ENCRYPTED" in before
    certificate.unlink()
    right = balancer.variables["certificates_passphrase"]
    with pytest.raises(AssertionError, match="ca.key cannot be used with certificates_passphrase"):
        balancer.write(certificates_passphrase="another one")
    balancer.variables["certificates_passphrase"] = right
    certificate.write_bytes(kept)
    assert key.read_bytes() == before


def test_preflight_says_what_is_wrong_with_users_and_rules(balancer: Balancer) -> None:
    before = (balancer.directory / "balancer/haproxy.cfg").read_bytes()
    rules = [{"groups": ["c"], "repositories": ["team-*/x"], "allow": ["pull"]}]
    with pytest.raises(AssertionError) as failed:
        balancer.write(load_balancer_users=[user("alice"), user("alice")], load_balancer_rules=rules)
    said = " ".join(str(failed.value).split())
    for problem in (
        "user alice is there 2 times",
        "rule 1 names the group c, in which nobody is",
        "rule 1 has the pattern 'team-*/x'",
    ):
        assert problem in said
    assert (balancer.directory / "balancer/haproxy.cfg").read_bytes() == before


def test_it_is_said_what_haproxy_has_against_a_configuration(balancer: Balancer) -> None:
    """Here a port that does not exist. What is there stays, and no secret is told."""
    before = (balancer.directory / "balancer/haproxy.cfg").read_bytes()
    with pytest.raises(AssertionError) as failed:
        balancer.write(load_balancer_users=USERS, load_balancer_rules=RULES + ANYBODY, load_balancer_port=99999)
    said = " ".join(str(failed.value).split())
    assert "What was to be written is refused" in said
    assert "99999" in said
    assert "$6$" not in said
    assert (balancer.directory / "balancer/haproxy.cfg").read_bytes() == before
