# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site whose own server gives out tokens: the balancer passes them, and lets nothing else through than before."""

from __future__ import annotations

import hashlib
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.access_cases import FORM
from ansible_collections.airlift.registry.tests.integration.support.balancer import (
    Answer,
    Balancer,
    balanced,
    basic,
    password_of,
)
from ansible_collections.airlift.registry.tests.integration.support.tokens import (
    ES256,
    ISSUER,
    RS256,
    SERVICE,
    Rights,
    Signer,
    token_server,
)
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import make_certificate

BOTH = ("pull", "push")
BLOB = b"what only team b may read"
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
THEIRS = f"/v2/team-b/app/blobs/{DIGEST}"
MOUNT = f"mount={DIGEST}&from=team-b/app"


PEOPLE: dict[str, Rights] = {
    "publisher": {"team-c/app": BOTH},
    "fleet": {"team-c/app": ["pull"]},
    "stranger": {"team-d/app": BOTH},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokens")


@pytest.fixture(scope="module")
def signers(place: Path) -> dict[str, Signer]:
    """One for each algorithm; the registry believes both."""
    made = {algorithm: Signer(algorithm) for algorithm in (ES256, RS256)}
    (place / "token.crt").write_bytes(b"".join(signer.certificate for signer in made.values()))
    return made


@pytest.fixture(scope="module")
def signer(signers: dict[str, Signer]) -> Signer:
    return signers[ES256]


@pytest.fixture(scope="module")
def realm(place: Path, signers: dict[str, Signer]) -> t.Iterator[str]:
    """The site's server of tokens, which signs one token so and the next one otherwise."""
    with token_server("127.0.0.1", make_certificate(place), list(signers.values()), PEOPLE) as url:
        yield url


@pytest.fixture(scope="module")
def balancer(place: Path, realm: str, signer: Signer) -> t.Iterator[Balancer]:
    labs.lab("image", "registry", "haproxy")
    token = {"realm": realm, "service": SERVICE, "issuer": ISSUER, "certificates": str(place / "token.crt")}
    with balanced(place, "tokens", registry_token=token, load_balancer_token_server=True) as found:
        begun = ask(found, signer.token({"team-b/app": BOTH}), "POST", "/v2/team-b/app/blobs/uploads/")
        done = ask(found, signer.token({"team-b/app": BOTH}), "PUT", f"{begun.location}&digest={DIGEST}", BLOB)
        assert (begun.status, done.status) == (202, 201)
        yield found


def ask(balancer: Balancer, token: str, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    return balancer.ask(method, path, "", body, Authorization=f"Bearer {token}", **headers)


def test_a_client_is_told_where_tokens_are(balancer: Balancer, realm: str) -> None:
    answer = balancer.ask("GET", THEIRS)
    assert answer.status == 401
    assert (
        answer.headers["www-authenticate"]
        == f'Bearer realm="{realm}",service="{SERVICE}",scope="repository:team-b/app:pull"'
    )


CASES = [
    pytest.param({"team-b/app": ["pull"]}, "GET", THEIRS, 200, id="what it is for"),
    pytest.param({"team-a/app": BOTH}, "GET", THEIRS, 401, id="another repository"),
    pytest.param({"team-b/app": ["pull"]}, "POST", "/v2/team-b/app/blobs/uploads/", 401, id="another action"),
    pytest.param({"team-a/app": BOTH}, "GET", f"/v2/team-a/../team-b/app/blobs/{DIGEST}", 404, id="dot segments"),
    pytest.param({"team-a/app": BOTH}, "GET", "/v2/team-a/app%2f..%2f..%2fteam-b/app/tags/list", 404, id="encoded slashes"),
    pytest.param({"team-a/app": BOTH}, "GET", "/", 404, id="no route"),
    pytest.param({"team-a/app": BOTH}, "GET", "/token", 404, id="the balancer gives out none"),
    pytest.param({"team-a/app": BOTH}, "GET", "/v2/_catalog", 401, id="catalogue"),
]  # fmt: skip


@pytest.mark.parametrize(("access", "method", "path", "status"), CASES)
def test_a_token(
    balancer: Balancer, signer: Signer, access: dict[str, t.Sequence[str]], method: str, path: str, status: int
) -> None:
    assert ask(balancer, signer.token(access), method, path).status == status


def test_a_token_of_somebody_else_is_worth_nothing(balancer: Balancer) -> None:
    assert ask(balancer, Signer().token({"team-b/app": ["pull"]}), "GET", THEIRS).status == 401
    assert balancer.ask("GET", THEIRS, Authorization=basic("admin")).status == 401


@pytest.mark.parametrize(
    ("query", "headers", "body"),
    [(f"?{MOUNT}", {}, b""), ("", {"Content_Type": FORM}, MOUNT.encode())],
    ids=["in the query", "in a form"],
)
def test_a_mount_wants_a_token_for_both(
    balancer: Balancer, signer: Signer, query: str, headers: dict[str, str], body: bytes
) -> None:
    for access, status in (({"team-a/app": BOTH}, 401), ({"team-a/app": BOTH, "team-b/app": ["pull"]}, 201)):
        path = f"/v2/team-a/app/blobs/uploads/{query}"
        assert ask(balancer, signer.token(access), "POST", path, body, **headers).status == status


class Client:
    """Docker's, as somebody; the machine's engine takes what is on loopback without an authority."""

    def __init__(self, place: Path, name: str, image: str) -> None:
        self._config, self._name, self.image = place / name, name, image
        self._config.mkdir(exist_ok=True)

    def run(self, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
        command = ["docker", "--config", str(self._config), *arguments]
        return subprocess.run(command, input=said, capture_output=True, text=True, check=False)

    def log_in(self, password: str) -> subprocess.CompletedProcess[str]:
        return self.run(
            "login", "--username", self._name, "--password-stdin", self.image.partition("/")[0], said=password
        )


@pytest.fixture
def clients(balancer: Balancer, tmp_path: Path) -> t.Iterator[dict[str, Client]]:
    """Of each one, logged in; and the engine has the image that they are about."""
    image = f"localhost:{balancer.port}/team-c/app:v1"
    archive = images.tar([images.Member("file", b"what the site has made")])
    subprocess.run(["docker", "import", "-", image], input=archive, check=True, stdout=subprocess.DEVNULL)
    found = {name: Client(tmp_path, name, image) for name in PEOPLE}
    try:
        for name, client in found.items():
            assert "Login Succeeded" in client.log_in(password_of(name)).stdout
        yield found
    finally:
        subprocess.run(["docker", "rmi", "--force", image], check=False, capture_output=True)


def test_docker_logs_in_pushes_and_pulls(clients: dict[str, Client]) -> None:
    """Each token for several requests, so both algorithms have their turn."""
    image = clients["fleet"].image
    assert "denied" in clients["fleet"].run("push", image).stderr
    assert "digest: sha256:" in clients["publisher"].run("push", image).stdout
    clients["fleet"].run("rmi", image)
    assert "denied" in clients["stranger"].run("pull", image).stderr
    assert "Downloaded newer image" in clients["fleet"].run("pull", image).stdout


def test_a_wrong_password_is_no_login(clients: dict[str, Client]) -> None:
    assert "unauthorized" in clients["fleet"].log_in("a guess").stderr.lower()


@pytest.mark.parametrize("algorithm", [ES256, RS256])
def test_both_algorithms_are_believed(balancer: Balancer, signers: dict[str, Signer], algorithm: str) -> None:
    assert ask(balancer, signers[algorithm].token({"team-b/app": ["pull"]}), "GET", THEIRS).status == 200
