"""Content credentials (C2PA): a copy of a file, signed with its owner's own key.

The library is the extra `c2pa`. Nothing is sent anywhere: no time stamp is asked for. A signature
covers every byte, so it comes last; whoever opens the file sees who signed it, and trusts it as far
as the certificate reaches (one that a person made is read as valid, and as not trusted).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from merzmory import provenance
from merzmory.errors import ConfigError, storage_errors

_MIMES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp",
    ".tif": "image/tiff", ".tiff": "image/tiff", ".mp4": "video/mp4", ".mov": "video/quicktime",
}  # fmt: skip
_SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def sign(file: Path, out: Path, *, chain: Path, key: Path, force: bool = False) -> str:
    """Write a signed copy of `file` to `out`; how a reader judges it, such as "Valid".

    The manifest says that it was made (`c2pa.created`) by what IPTC source type, and holds the
    file's record. `chain` is the certificate and those above it, `key` the private key (ES256), PEM.

    Raises:
        ConfigError: the extra is missing, the kind of file cannot be signed, the key or the
            certificates do not fit, or `out` is there already.
        FormatError: `file` cannot be read, or says nothing of its making.
        StorageError: `out` cannot be written.
    """
    try:
        import c2pa
    except ImportError as error:
        raise ConfigError(
            'Signing needs the extra c2pa: pip install "merzmory[c2pa]", and run the command again.'
        ) from error
    mime = _MIMES.get(file.suffix.lower())
    if mime is None or out.suffix.lower() != file.suffix.lower():
        raise ConfigError(
            f"{out.name} cannot be a signed copy of {file.name}: sign a {', '.join(_MIMES)}, into a "
            "file of the same kind."
        )
    if out.exists() and (not force or out.samefile(file)):
        raise ConfigError(f"{out} is there already: choose another name for the signed copy.")
    record, source = provenance.told(file)
    if not source:
        raise ConfigError(f"{file} does not say how it was made, and is not vouched for here.")
    manifest = json.dumps(_manifest(file.name, record, source))
    aside = out.with_name(f"{out.stem}.aside{out.suffix}")
    try:
        with storage_errors(out.parent):
            info = c2pa.C2paSignerInfo(b"es256", _pem(chain), _pem(key), None)
            with (
                c2pa.Signer.from_info(info) as signer,
                c2pa.Builder(manifest) as builder,
                file.open("rb") as data,
                aside.open("w+b") as signed,
            ):
                builder.sign(signer, mime, data, signed)
            with aside.open("rb") as copy, c2pa.Reader(mime, copy) as reader:
                state = str(json.loads(reader.json()).get("validation_state", "Invalid"))
            aside.replace(out)
    except c2pa.C2paError as error:
        said = str(error).strip().splitlines()[0][:200].rstrip(".")
        raise ConfigError(
            f"{file.name} was not signed ({said}): give an ES256 key with --key, and its "
            "certificate followed by those above it with --chain."
        ) from error
    finally:
        aside.unlink(missing_ok=True)
    return state


def _manifest(title: str, record: dict[str, Any], source: str) -> dict[str, Any]:
    created = {"action": "c2pa.created", "digitalSourceType": _SOURCES + source}
    return {
        "claim_generator_info": [{"name": "MERZmory"}],
        "title": title,
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [created]}},
            {"label": "invalid.merzmory.record", "data": record},
        ],
    }


def _pem(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read as PEM: check the path.") from error
