"""Identifies what a work follows from: digests of facts, and the differences between settings.

Digests lie in the files of earlier runs and stores: the same facts give the same digits for ever.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any


def fingerprint_of(facts: str | bytes | Iterable[bytes]) -> str:
    """Returns 16 hex digits over a text, bytes, or parts of them one after the other."""
    if isinstance(facts, str):
        facts = facts.encode("utf8", "surrogateescape")
    hashed = hashlib.sha256()
    for part in [facts] if isinstance(facts, bytes) else facts:
        hashed.update(part)
    return hashed.hexdigest()[:16]


def identity_of(**facts: Any) -> str:
    """Returns 16 hex digits over named values, each of JSON or a dataclass of such."""
    return json_sha256(facts)[:16]


def json_sha256(value: Any) -> str:
    """Returns 64 hex digits over a value of JSON, whatever the order of its keys.

    A dataclass counts as an object of its fields.
    """
    text = json.dumps(value, sort_keys=True, default=dataclasses.asdict)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns lines `name: old -> new` of settings that are not those a work was begun with."""
    return [
        f"{name}: {then.get(name)} -> {now.get(name)}"
        for name in {**then, **now}
        if then.get(name) != now.get(name)
    ]
