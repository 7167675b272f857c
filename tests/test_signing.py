"""A signed copy is read as valid by the library that the standard's authors write."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from merzmory import provenance, signing
from merzmory.errors import ConfigError

c2pa = pytest.importorskip("c2pa", reason="needs the extra c2pa")
x509 = pytest.importorskip("cryptography.x509", reason="makes the test's certificates")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """chain.pem and key.pem, self-made, as a photographer without an agency would have."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("keys")
    now = datetime.datetime.now(datetime.UTC)
    above, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def certificate(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        name = x509.oid.NameOID.COMMON_NAME
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(name, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(name, "Above")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
        )

    def usage(*, signs: bool) -> x509.KeyUsage:
        return x509.KeyUsage(signs, False, False, False, False, not signs, not signs, False, False)

    identifier = x509.SubjectKeyIdentifier.from_public_key(above.public_key())
    root = (
        certificate("Above", above)
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(identifier, False)
        .add_extension(usage(signs=False), True)
        .sign(above, hashes.SHA256())
    )
    mail = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    leaf = (
        certificate("Photographer", own)
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(usage(signs=True), True)
        .add_extension(mail, False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), False)
        .add_extension(issuer, False)
        .sign(above, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "chain.pem").write_bytes(leaf.public_bytes(pem) + root.public_bytes(pem))
    plain = serialization.NoEncryption()
    key = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(key)
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    provenance.save_png(Image.linear_gradient("L").convert("RGB"), path, {"seed": 3})
    return path


def judged(path: Path) -> dict[str, Any]:
    with path.open("rb") as data, c2pa.Reader("image/png", data) as reader:
        return dict(json.loads(reader.json()))


def test_a_signed_copy_is_valid_until_a_byte_changes(picture: Path, keys: Path) -> None:
    out, before = picture.with_name("b.png"), picture.read_bytes()
    state = signing.sign(picture, out, chain=keys / "chain.pem", key=keys / "key.pem")
    assert state == "Valid"
    assert picture.read_bytes() == before
    assert provenance.read(out) == {"seed": 3}
    found = judged(out)
    said = json.dumps(found["manifests"][found["active_manifest"]]["assertions"])
    assert provenance.SOURCE_TYPE in said
    assert '"seed": 3' in said
    changed = bytearray(out.read_bytes())
    changed[-30] ^= 1  # in the pixels' last chunk
    picture.with_name("c.png").write_bytes(changed)
    assert judged(picture.with_name("c.png"))["validation_state"] == "Invalid"


def test_what_does_not_fit_is_a_sentence(picture: Path, keys: Path, tmp_path: Path) -> None:
    fits = {"chain": keys / "chain.pem", "key": keys / "key.pem"}
    out = tmp_path / "b.png"
    with pytest.raises(ConfigError, match=r"a\.png was not signed"):
        signing.sign(picture, out, chain=keys / "key.pem", key=keys / "key.pem")
    with pytest.raises(ConfigError, match="cannot be read as PEM"):
        signing.sign(picture, out, chain=tmp_path / "none.pem", key=keys / "key.pem")
    with pytest.raises(ConfigError, match="of the same kind"):
        signing.sign(picture, tmp_path / "b.jpg", **fits)
    with pytest.raises(ConfigError, match="is there already"):
        signing.sign(picture, picture, force=True, **fits)
    Image.new("RGB", (8, 8)).save(tmp_path / "foreign.png")
    with pytest.raises(ConfigError, match="does not say how it was made"):
        signing.sign(tmp_path / "foreign.png", out, **fits)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "foreign.png"]
