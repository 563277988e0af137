# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site's server of tokens: it asks who somebody is, and signs what he may do (Distribution, "Token Authentication Specification")."""

from __future__ import annotations

import base64
import datetime
import itertools
import json
import ssl
import time
import typing as t
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import NameOID

from ansible_collections.airlift.registry.tests.integration.support.balancer import basic
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import Certificate
from ansible_collections.airlift.registry.tests.unit.plugins.support.servers import Handler, serving

ISSUER, SERVICE = "auth.example.com", "registry.example.com"
SIZE = 32  # bytes of each of the two numbers of a P-256 signature
ES256, RS256 = "ES256", "RS256"
# Actions that somebody may do, by repository.
Rights = t.Mapping[str, t.Sequence[str]]
_SHA256 = hashes.SHA256()


class Signer:
    """A key for an algorithm of RFC 7518, and the certificate that a registry has to know."""

    def __init__(self, algorithm: str = ES256) -> None:
        self.algorithm = algorithm
        self._key = (
            ec.generate_private_key(ec.SECP256R1()) if algorithm == ES256 else rsa.generate_private_key(65537, 2048)
        )
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        begins = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        builder = x509.CertificateBuilder(
            name, name, self._key.public_key(), x509.random_serial_number(), begins, begins + datetime.timedelta(days=9)
        )
        self._certificate = builder.sign(self._key, _SHA256)

    @property
    def certificate(self) -> bytes:
        """As PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def token(self, rights: Rights) -> str:
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": self.algorithm, "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        access = [{"type": "repository", "name": name, "actions": list(each)} for name, each in rights.items()]
        claims = {
            "iss": ISSUER,
            "aud": SERVICE,
            "sub": "somebody",
            "nbf": now - 60,
            "iat": now,
            "exp": now + 600,
            "jti": "1",
            "access": access,
        }
        signed = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
        return f"{signed}.{_encode(self._sign(signed.encode()))}"

    def _sign(self, data: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), _SHA256)
        r, s = utils.decode_dss_signature(self._key.sign(data, ec.ECDSA(_SHA256)))
        return r.to_bytes(SIZE, "big") + s.to_bytes(SIZE, "big")


class TokenHandler(Handler):
    """C(GET /token?service=NAME&scope=repository:NAME:ACTIONS), with a login: of what is asked for, a token grants what the user may."""

    signers: t.Iterator[Signer]
    people: t.Mapping[str, Rights]

    def do_GET(self) -> None:
        name = next((name for name in self.people if basic(name) == self.headers.get("Authorization")), None)
        asked = parse_qs(urlsplit(self.path).query)
        if name is None:
            self.answer(401, b"{}", WWW_Authenticate='Basic realm="token"')
        elif asked.get("service") != [SERVICE]:
            self.answer(400, b"{}")
        else:
            self.answer_json({"token": next(self.signers).token(granted(asked.get("scope", []), self.people[name]))})


def granted(scopes: t.Sequence[str], rights: Rights) -> Rights:
    """Of the scopes that are asked for, what I(rights) hold. A scope may name several, with spaces between."""
    asked = [scope.split(":") for each in scopes for scope in each.split()]
    return {
        name: [action for action in actions.split(",") if action in rights.get(name, ())]
        for kind, name, actions in asked
        if kind == "repository"
    }


@contextmanager
def token_server(
    address: str, certificate: Certificate, signers: t.Sequence[Signer], people: t.Mapping[str, Rights]
) -> t.Iterator[str]:
    """A server of tokens while it is up, which signers sign by turns; the URL that is a registry's realm."""
    handler = type("BoundTokenHandler", (TokenHandler,), {"signers": itertools.cycle(signers), "people": people})
    server = ThreadingHTTPServer((address, 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        yield f"https://{address}:{server.server_address[1]}/token"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
