"""Compares files of weights with the catalogue and with the hashes that `fetch` wrote."""

from pathlib import Path

from jaxdet.datasets.verify.inspect import examine_nothing, inspect_files
from jaxdet.datasets.verify.report import Finding, Kind, Report
from jaxdet.fetch.catalog import DATASETS, Address, Container
from jaxdet.fetch.record import Record


def has_weights(root: Path) -> bool:
    """Returns whether files of the catalogue's weights lie in a folder, or were fetched into it."""
    record = Record(root)
    return bool(_there(root)) or any(record.known_hash(one.name) for one in _weights())


def verify_weights(root: Path) -> Report:
    """Reports which of the catalogue's weights in a folder are damaged, or fetched and gone."""
    there = _there(root)
    record = Record(root)
    digests = {one.name: one.sha256 or record.known_hash(one.name) or "" for one in there}
    findings = [
        Finding(Kind.DAMAGED, one.name, f"is not of {one.size:,} bytes")
        for one in there
        if one.size not in (None, (root / one.name).stat().st_size)
    ]
    short = {finding.path for finding in findings}
    findings += [
        Finding(Kind.MISSING, one.name, "was fetched and is gone")
        for one in _weights()
        if one not in there and record.known_hash(one.name)
    ]
    names = [one.name for one in there if one.name not in short]
    findings += inspect_files(root, names, digests=digests, examine=examine_nothing)
    hashed = sum(bool(digest) for digest in digests.values())
    return Report(checked=len(there), hashed=hashed, findings=tuple(findings))


def _there(root: Path) -> list[Address]:
    return [file for file in _weights() if (root / file.name).is_file()]


def _weights() -> list[Address]:
    plain = [one for one in DATASETS.values() if one.container is Container.PLAIN]
    return [file for one in plain for file in one.files]
