"""A throw-away certificate authority, and a server that speaks TLS.

What belongs here: certificates and the TLS lines of the configuration. What does not: the server's
life (`single`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from devservers import binaries
from devservers.binaries import Binary
from devservers.folders import Folder
from devservers.single import Server

Clients = Literal["no", "optional", "yes"]
_DAY = timedelta(days=1)


class Authority:
    """Files for one day: a CA, what it signed for a server and a client, and a CA that signed nothing."""

    def __init__(self) -> None:
        self._folder = Folder()
        folder = self._folder.path
        self.ca = folder / "ca.crt"
        self.server_cert, self.server_key = folder / "server.crt", folder / "server.key"
        self.client_cert, self.client_key = folder / "client.crt", folder / "client.key"
        self.wrong_ca = folder / "wrong-ca.crt"
        key, name = _key(), _name("devservers CA")
        _write(self.ca, _certificate(name, key, name, key, ca=True))
        for certificate, path, title in (
            (self.server_cert, self.server_key, "localhost"),
            (self.client_cert, self.client_key, "client"),
        ):
            own = _key()
            _write(certificate, _certificate(_name(title), own, name, key, ca=False))
            _write(path, own)
        key, name = _key(), _name("another CA")
        _write(self.wrong_ca, _certificate(name, key, name, key, ca=True))

    def close(self) -> None:
        """The files are gone."""
        self._folder.close()


class TlsServer(Server):
    """A server whose port speaks TLS only; its unix socket does not.

    Args:
        config: as of `Server`.
        clients: whether clients may, or must, show a certificate of the authority.
        binary: a server built with TLS; the preferred one of this machine if none is named.
        files: as of `Server`.
        patience: as of `Server`.
    """

    scheme = "rediss"

    def __init__(
        self,
        *config: str,
        clients: Clients = "no",
        binary: Binary | None = None,
        files: Mapping[str, str] | None = None,
        patience: float = 5.0,
    ) -> None:
        chosen = binary or binaries.with_tls()
        if not chosen.supports_tls:
            raise binaries.Missing(f"{chosen} was built without TLS. Remedy: binaries.with_tls().")
        super().__init__(*config, binary=chosen, files=files, patience=patience)
        self.authority = Authority()
        self.clients = clients

    def close(self) -> None:
        """It is gone, its folder and its authority too."""
        super().close()
        self.authority.close()

    def _listening(self, port: int) -> list[str]:
        return [
            "port 0",
            f"tls-port {port}",
            f"tls-cert-file {self.authority.server_cert}",
            f"tls-key-file {self.authority.server_key}",
            f"tls-ca-cert-file {self.authority.ca}",
            f"tls-auth-clients {self.clients}",
        ]


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(title: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    local = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    # Key identifiers and key usage: Python 3.13 verifies strictly and asks for them.
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(_usage(ca=ca), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName(local), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, what: x509.Certificate | ec.EllipticCurvePrivateKey) -> None:
    pem = serialization.Encoding.PEM
    if isinstance(what, x509.Certificate):
        path.write_bytes(what.public_bytes(pem))
        return
    form, bare = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.touch(0o600)
    path.write_bytes(what.private_bytes(pem, form, bare))
