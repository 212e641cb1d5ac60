"""Verifies the C2PA manifest that an image file holds, by the library c2pa-python.

A manifest that fits its file says who signed what it states; whether that is true, and whether the
signer can be trusted, it does not say. Nothing is fetched: no manifest from elsewhere, no list of
certificates, no state of one.
"""

import contextlib
import functools
import io
import json
from typing import Any

_SETTINGS = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": False},
}
_LONGEST = 80  # letters of a name


def verify_manifest(content: bytes, kind: str) -> str:
    """Returns a sentence on the manifest of a file that holds one.

    Args:
      content: of the file.
      kind: its media type.
    """
    state, program, signer = _read(content, kind)
    if state in ("Valid", "Trusted"):
        return (
            f"it holds a C2PA manifest by {program}, signed by {signer}, whose signature fits the "
            "file; who that is was not checked"
        )
    if state == "Invalid":
        return "it holds a C2PA manifest that does not fit the file, which was altered since"
    return "it holds a C2PA manifest, which was not verified"


def _read(content: bytes, kind: str) -> tuple[str, str, str]:
    """Returns the library's verdict, "" where it has none, and who made and signed the manifest."""
    # Without the library, and of damaged manifests, nothing is known.
    with contextlib.suppress(Exception):
        library, context = _library()
        with library.Reader(kind, io.BytesIO(content), context=context) as reader:
            told = json.loads(reader.json())
        manifest = told.get("manifests", {}).get(told.get("active_manifest"), {})
        signer = (manifest.get("signature_info") or {}).get("issuer")
        program = (manifest.get("claim_generator_info") or [{}])[0].get("name")
        return str(told.get("validation_state", "")), _name(program), _name(signer)
    return "", "", ""


@functools.cache
def _library() -> tuple[Any, Any]:
    import c2pa

    return c2pa, c2pa.Context(c2pa.Settings.from_dict(_SETTINGS))


def _name(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return " ".join("".join(filter(str.isprintable, text)).split())[:_LONGEST] or "nobody named"
