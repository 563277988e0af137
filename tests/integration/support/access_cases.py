# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of the balancer by whom, honestly and by every trick; each case with what has to come of it."""

from __future__ import annotations

import pytest

from ansible_collections.airlift.registry.tests.integration.support.access import DIGEST, LOGIN, MINE, THEIRS
from ansible_collections.airlift.registry.tests.integration.support.balancer import basic

# Who, what, where, and how it is answered. 404 of the registry itself is an answer to somebody who may ask.
RIGHTS = [
    pytest.param("alice", "GET", "/v2/", 200, id="anybody with a login may ask for the version"),
    pytest.param("alice", "GET", "/v2/team-a/app/manifests/v1", 200, id="pull a manifest"),
    pytest.param("alice", "HEAD", f"/v2/team-a/app/blobs/{DIGEST}", 200, id="look for a blob"),
    pytest.param("alice", "POST", "/v2/team-a/app/blobs/uploads/", 202, id="push"),
    pytest.param("alice", "POST", "/v2/team-a/new/deep/er/blobs/uploads/", 202, id="push below"),
    pytest.param("alice", "GET", "/v2/team-b/app/manifests/v1", 403, id="pull from another team"),
    pytest.param("alice", "HEAD", f"/v2/team-b/app/blobs/{DIGEST}", 403, id="look for another team's blob"),
    pytest.param("alice", "POST", "/v2/team-b/app/blobs/uploads/", 403, id="push to another team"),
    pytest.param("alice", "POST", "/v2/team-a/blobs/uploads/", 403, id="the name above ** itself"),
    pytest.param("alice", "GET", "/v2/team-a-too/app/manifests/v1", 403, id="a name that begins alike"),
    pytest.param("alice", "GET", "/v2/team-a/app/tags/list", 403, id="list tags without that right"),
    pytest.param(
        "alice", "DELETE", f"/v2/team-a/app/manifests/{DIGEST}", 403, id="delete a manifest without that right"
    ),
    pytest.param("alice", "DELETE", f"/v2/team-a/app/blobs/{DIGEST}", 403, id="delete a blob without that right"),
    pytest.param("alice", "GET", f"/v2/team-a/app/referrers/{DIGEST}", 404, id="referrers are read with pull"),
    pytest.param("alice", "GET", f"/v2/team-b/app/referrers/{DIGEST}", 403, id="referrers of another team"),
    pytest.param("alice", "GET", "/v2/shared/one/manifests/v1", 404, id="a rule for one user"),
    pytest.param("alice", "GET", "/v2/shared/one/more/manifests/v1", 403, id="a name that goes on"),
    pytest.param("alice", "GET", "/v2/_catalog", 403, id="catalogue"),
    pytest.param("bob", "GET", "/v2/_catalog", 403, id="catalogue with a list of one's own"),
    pytest.param("flat", "GET", "/v2/_catalog", 403, id="catalogue with a list of all without a slash"),
    pytest.param("auditor", "GET", "/v2/_catalog", 200, id="catalogue for who may list everything"),
    pytest.param("auditor", "GET", "/v2/team-b/app/tags/list", 200, id="list everything"),
    pytest.param("auditor", "GET", "/v2/team-b/app/manifests/v1", 403, id="who lists need not pull"),
    pytest.param("bob", "GET", "/v2/team-b/app/tags/list?n=1&last=a", 200, id="list tags in pages"),
    pytest.param("bob", "DELETE", f"/v2/team-b/none/manifests/{DIGEST}", 404, id="delete"),
    pytest.param("both", "GET", "/v2/team-a/app/manifests/v1", 200, id="two groups, the one"),
    pytest.param("both", "GET", "/v2/team-b/app/manifests/v1", 200, id="two groups, the other"),
    pytest.param("flat", "GET", "/v2/shelf/app/manifests/v1", 200, id="directly below"),
    pytest.param("flat", "GET", "/v2/shelf/app/more/manifests/v1", 403, id="not directly below"),
    pytest.param("flat", "GET", "/v2/top/manifests/v1", 200, id="without a slash"),
    pytest.param("flat", "GET", "/v2/team-a/app/manifests/v1", 403, id="with a slash"),
    pytest.param("stranger", "GET", "/v2/", 200, id="a login without rights"),
    pytest.param("stranger", "GET", "/v2/team-a/app/manifests/v1", 403, id="pull without rights"),
    pytest.param("stranger", "GET", "/v2/public/app/manifests/v1", 200, id="what anybody may, a login may"),
    pytest.param("", "GET", "/v2/public/app/manifests/v1", 200, id="anybody pulls"),
    pytest.param("", "GET", "/v2/public/app/tags/list", 401, id="anybody lists without that right"),
    pytest.param("", "POST", "/v2/public/app/blobs/uploads/", 401, id="anybody pushes"),
    pytest.param("", "GET", "/v2/team-a/app/manifests/v1", 401, id="anybody elsewhere"),
    pytest.param("", "GET", "/v2/", 401, id="a client without a login is asked for one"),
    pytest.param("was-a-robot", "GET", "/v2/", 401, id="an expired login"),
    pytest.param("is-a-robot", "GET", "/v2/team-b/app/manifests/v1", 200, id="a login that expires later"),
    pytest.param("admin", "PUT", "/v2/team-b/app/manifests/v2", 400, id="everything"),
    pytest.param("bob", "OPTIONS", "/v2/team-b/app/manifests/v1", 405, id="a method of no use"),
    pytest.param("bob", "get", "/v2/", 405, id="a method in lower case"),
    pytest.param("bob", "TRACE", "/v2/", 405, id="trace"),
    pytest.param("bob", "CONNECT", "/v2/", 400, id="connect"),
]

# All by alice, who may not read team-b.
TRICKS = [
    pytest.param("/v2/team-a/../team-b/app/manifests/v1", 404, id="dot segments"),
    pytest.param("/v2/team-a/./app/manifests/v1", 404, id="a dot"),
    pytest.param("/v2/team-a/%2e%2e/team-b/app/manifests/v1", 404, id="encoded dot segments"),
    pytest.param("/v2/team-a%2f..%2fteam-b/app/manifests/v1", 404, id="encoded slashes"),
    pytest.param("/v2/team-a%252f..%252fteam-b/app/manifests/v1", 404, id="slashes encoded twice"),
    pytest.param("/v2/%74eam-b/app/manifests/v1", 404, id="an encoded letter"),
    pytest.param("//v2/team-b/app/manifests/v1", 404, id="doubled slash before"),
    pytest.param("/v2//team-b/app/manifests/v1", 404, id="doubled slash"),
    pytest.param("/v2/team-b//app/manifests/v1", 404, id="doubled slash within"),
    pytest.param("/v2/team-b/app/manifests/v1/", 404, id="a slash at the end"),
    pytest.param("/V2/team-b/app/manifests/v1", 404, id="upper case of the version"),
    pytest.param("/v2/Team-B/app/manifests/v1", 404, id="upper case of the name"),
    pytest.param("/v2/team-b/app/Manifests/v1", 404, id="upper case of the route"),
    pytest.param("/v2/team-b/app/manifests/v1;x=/v2/team-a/app", 404, id="a parameter of the path"),
    pytest.param("/v2/team-b/app/manifests/v1?x=/v2/team-a/app/manifests/v1", 403, id="a path in the query"),
    pytest.param("/v2/team-b/app/manifests/v1?/team-a/app/manifests/v1", 403, id="a path as the query"),
    pytest.param("/v2/team-b/app/manifests/v1#/v2/team-a/app/manifests/v1", 400, id="a fragment"),
    pytest.param("https://localhost/v2/team-b/app/manifests/v1", 403, id="absolute form"),
    pytest.param("/v2/team-a/manifests/team-b/app/manifests/v1", 404, id="a route within the name is a name"),
    pytest.param("/v2/team-b/blobs/team-a/app/manifests/v1", 403, id="a route within another's name"),
    pytest.param("/v2/team-b/app/blobs/uploads/manifests", 403, id="a route as an upload"),
    pytest.param("/v2/team-b/app/manifests/..", 404, id="dots for a tag"),
    pytest.param("/v2/team-b/app/manifests/%00", 404, id="an encoded zero"),
    pytest.param("/metrics", 404, id="metrics"),
    pytest.param("/debug/vars", 404, id="debug"),
    pytest.param("/", 404, id="root"),
]

HEADERS = [
    pytest.param({"X_Original_URL": "/v2/team-b/app/manifests/v1"}, id="another path"),
    pytest.param({"X_Rewrite_URL": "/v2/team-b/app/manifests/v1"}, id="a rewritten path"),
    pytest.param({"X_HTTP_Method_Override": "DELETE"}, id="another method"),
    pytest.param({"X_Forwarded_Prefix": "/v2/team-b"}, id="a prefix"),
    pytest.param({"Connection": "Authorization, close"}, id="a login that ends at the first hop"),
]

FORM = "application/x-www-form-urlencoded"
FROM_B = f"mount={DIGEST}&from=team-b%2Fapp"
PARTS = f'--x\r\nContent-Disposition: form-data; name="mount"\r\n\r\n{DIGEST}\r\n--x\r\nContent-Disposition: form-data; name="from"\r\n\r\nteam-b/app\r\n--x--\r\n'
MOUNTS = [
    pytest.param("both", FROM_B, {}, "", 201, id="from a repository that one can read"),
    pytest.param("both", f"from=team-b/app&mount={DIGEST.replace(':', '%3A')}", {}, "", 201, id="in another spelling"),
    pytest.param("both", f"{FROM_B}&origin=elsewhere.example.com", {}, "", 201, id="with more that a client says"),
    pytest.param("alice", FROM_B, {}, "", 202, id="from one that one can't read"),
    pytest.param("alice", f"mount={DIGEST}&from=team-a%2Fapp&from=team-b%2Fapp", {}, "", 201, id="named twice, the first counts"),
    pytest.param("alice", f"mount={DIGEST}&from=team-b%2Fapp&from=team-a%2Fapp", {}, "", 202, id="named twice, the other way round"),
    pytest.param("alice", f"mount={DIGEST}&%66rom=team-b%2Fapp&from=team-a%2Fnone", {}, "", 202, id="an encoded name"),
    pytest.param("alice", f"mount={DIGEST}&from=team-a%2F..%2Fteam-b%2Fapp", {}, "", 202, id="dot segments"),
    pytest.param("alice", f"mount={DIGEST};from=team-b%2Fapp", {}, "", 202, id="semicolons"),
    pytest.param("alice", f"mount={DIGEST}&from=team-a%2Fx%26from=team-b%2Fapp", {}, "", 202, id="an encoded ampersand"),
    pytest.param("both", f"{FROM_B}%0a", {}, "", 202, id="a line feed at the end"),
    pytest.param("both", f"mount={DIGEST}%0A&from=team-b%2Fapp", {}, "", 202, id="a line feed within"),
    pytest.param("both", f"{FROM_B}%00", {}, "", 202, id="a zero at the end"),
    pytest.param("both", f"{FROM_B}%20HTTP/1.1%0d%0a", {}, "", 202, id="the rest of a request"),
    pytest.param("alice", "", {"Content_Type": FORM}, FROM_B, 202, id="in a form"),
    pytest.param("alice", f"mount={DIGEST}&from=team-a%2Fnone", {"Content_Type": FORM}, "from=team-b%2Fapp", 202, id="half in a form"),
    pytest.param("alice", "", {"Content_Type": "multipart/form-data; boundary=x"}, PARTS, 202, id="in a form of parts"),
]  # fmt: skip


INNER = f"GET {THEIRS} HTTP/1.1\r\nHost: localhost\r\nX: "


def post(headers: str, body: str) -> str:
    return f"POST /v2/team-a/app/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n{LOGIN}{headers}\r\n{body}"


def get(line: str, headers: str = "") -> str:
    return f"{line}\r\nHost: localhost\r\n{LOGIN}{headers}\r\n"


CHUNKED = "Transfer-Encoding: chunked\r\n"
SMUGGLED = [
    pytest.param(post(f"Content-Length: {len(INNER) + 5}\r\n{CHUNKED}", f"0\r\n\r\n{INNER}"), id="a length and chunks"),
    pytest.param(post(f"{CHUNKED}Content-Length: 4\r\n", f"{len(INNER):x}\r\n{INNER}\r\n0\r\n\r\n"), id="chunks and a length"),
    pytest.param(post("Content-Length: 5\r\nTransfer-Encoding : chunked\r\n", f"0\r\n\r\n{INNER}"), id="a blank before the colon"),
    pytest.param(post("Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n", f"0\r\n\r\n{INNER}"), id="an unknown coding"),
    pytest.param(post("Content-Length: 5\r\nTransfer-Encoding:\x0bchunked\r\n", f"0\r\n\r\n{INNER}"), id="a control character"),
    pytest.param(post(f"{CHUNKED}Transfer-Encoding: identity\r\nContent-Length: 5\r\n", f"0\r\n\r\n{INNER}"), id="two codings"),
    pytest.param(post(f"Content-Length: 0\r\nContent-Length: {len(INNER)}\r\n", INNER), id="two lengths"),
    pytest.param(post(f"Content-Length: 0, {len(INNER)}\r\n", INNER), id="two lengths in one"),
    pytest.param(post("Content-Length: +0\r\n", INNER), id="a length with a sign"),
    pytest.param(post("Content-Length: 0\r\n X: y\r\n", INNER), id="a folded line"),
    pytest.param(post("X: y\nContent-Length: 0\r\n", INNER), id="a bare line feed"),
    pytest.param(post(f"{CHUNKED}", f"0;x=\n\r\n{INNER}"), id="a line feed in an extension"),
    pytest.param(post(f"{CHUNKED}", f"100000000\r\n0\r\n\r\n{INNER}"), id="a chunk beyond 32 bits"),
    pytest.param(get(f"GET {MINE} HTTP/1.1", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: \r\n") + INNER, id="an upgrade"),
    pytest.param(get(f"GET {MINE} HTTP/1.1", f"Content-Length: {len(INNER)}\r\n") + INNER, id="a body of a GET"),
    pytest.param(get(f"GET {MINE} HTTP/1.1\r\nX: y\rGET {THEIRS} HTTP/1.1"), id="a bare carriage return"),
    pytest.param(get(f"GET {MINE} {THEIRS} HTTP/1.1"), id="two paths"),
    pytest.param(get(f"GET\t{THEIRS} HTTP/1.1"), id="a tab"),
    pytest.param(get(f"GET {THEIRS}"), id="HTTP 0.9"),
    pytest.param(get(f"GET {THEIRS} HTTP/1.1", f"Authorization: {basic('bob', 'wrong')}\r\n"), id="two logins"),
    pytest.param(f"GET {THEIRS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic('bob', 'x')}\r\n{LOGIN}\r\n", id="two logins, the other first"),
]  # fmt: skip


def h2(path: str, *more: tuple[bytes, bytes], method: bytes = b"GET", name: str = "alice") -> list[tuple[bytes, bytes]]:
    fields = [(b":method", method), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", path.encode())]
    return [*fields, (b"authorization", basic(name).encode()), *more]


GAMES = [
    pytest.param(h2(THEIRS), id="another team's manifest"),
    pytest.param(h2(MINE, (b":path", THEIRS.encode())), id="two paths"),
    pytest.param([(b":path", THEIRS.encode()), *h2(MINE)], id="two paths, the other first"),
    pytest.param(h2("/v2/team-a/../team-b/app/manifests/v1"), id="dot segments"),
    pytest.param(h2(f"https://localhost{THEIRS}"), id="absolute form"),
    pytest.param(h2(f"{MINE} HTTP/1.1\r\nHost: x\r\n\r\nGET {THEIRS}"), id="a request in the path"),
    pytest.param(h2("*"), id="a star"),
    pytest.param(h2(""), id="no path"),
    pytest.param(h2(MINE, method=f"GET {THEIRS} HTTP/1.1\r\nX:".encode()), id="a request in the method"),
    pytest.param(h2(MINE, (b"x", f"y\r\n\r\nGET {THEIRS} HTTP/1.1\r\nHost: x".encode())), id="a request in a value"),
    pytest.param(h2(MINE, (f"x: y\r\n\r\nGET {THEIRS} HTTP/1.1\r\nx".encode(), b"z")), id="a request in a name"),
    pytest.param(h2(MINE, (b"X-Upper", b"y")), id="a name in upper case"),
    pytest.param(h2(MINE, (b"transfer-encoding", b"chunked")), id="chunks"),
    pytest.param(h2(MINE, (b"connection", b"close")), id="a connection header"),
    pytest.param(h2(MINE, (b"content-length", b"0"), (b"content-length", b"9")), id="two lengths"),
    pytest.param(h2(THEIRS, (b"authorization", basic("bob", "wrong").encode())), id="two logins"),
    pytest.param(h2(THEIRS, method=b"CONNECT"), id="connect"),
    pytest.param(h2(THEIRS, (b":protocol", b"websocket"), method=b"CONNECT"), id="extended connect"),
]  # fmt: skip

FORGED = [
    pytest.param(lambda until, signature, name: f"{until}.{signature}.bob", id="of somebody else"),
    pytest.param(lambda until, signature, name: f"{int(until) + 1}.{signature}.{name}", id="for longer"),
    pytest.param(lambda until, signature, name: f"1.{signature}.{name}", id="expired"),
    pytest.param(lambda until, signature, name: f"{until}..bob", id="without a signature"),
    pytest.param(lambda until, signature, name: f"{until}.{signature[:-1]}.{name}", id="a short signature"),
    pytest.param(lambda until, signature, name: "", id="empty"),
]
