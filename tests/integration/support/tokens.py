# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site's server of tokens, less the server: what it would sign (Distribution, "Token Authentication Implementation")."""

from __future__ import annotations

import base64
import datetime
import json
import time
import typing as t
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

ISSUER, SERVICE = "auth.example.com", "registry.example.com"
SIZE = 32  # bytes of each of the two numbers of a P-256 signature


class Server:
    """A key, and the certificate that a registry has to know."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        begins = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        builder = x509.CertificateBuilder(
            name, name, self._key.public_key(), x509.random_serial_number(), begins, begins + datetime.timedelta(days=9)
        )
        self._certificate = builder.sign(self._key, hashes.SHA256())

    def write(self, path: Path) -> None:
        path.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def token(self, actions: t.Mapping[str, t.Sequence[str]]) -> str:
        """For actions, such as pull, by repository."""
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        access = [{"type": "repository", "name": name, "actions": each} for name, each in actions.items()]
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
        r, s = utils.decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encode(r.to_bytes(SIZE, 'big') + s.to_bytes(SIZE, 'big'))}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
