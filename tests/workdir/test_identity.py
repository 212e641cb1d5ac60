"""Digests of earlier versions, which lie in the files of runs, scores and stores."""

import os
from pathlib import Path

import pytest

from jaxdet.config.forms import saved_hash
from jaxdet.data.folder import FolderSet
from jaxdet.datasets.pack.listing import Listing
from jaxdet.predict.inputs import ImageFiles
from jaxdet.scoring.protocol import Protocol
from jaxdet.workdir.identity import differences, fingerprint_of, identity_of, json_sha256

NAMES = ("a.png", os.fsdecode(b"\xe9.png"))  # the second is no UTF-8


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "0_real").mkdir()
    for name in NAMES:
        (tmp_path / "0_real" / name).write_bytes(b"12345")
        os.utime(tmp_path / "0_real" / name, ns=(10**18, 10**18))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_images_are_known_by_the_digests_of_earlier_versions(folder):
    images = FolderSet(name="x", folder=folder, files=tuple(f"0_real/{name}" for name in NAMES))
    assert images.fingerprint == "1f57db7d0010170e"
    assert images.content_fingerprint == "dd335a3ab927edb3"
    assert images.sampled_fingerprint() == "9d19fad38f6abe57"
    assert images.identity("bytes") == "dad253f960e3cc22"


def test_inputs_of_pack_and_predict_are_known_by_the_digests_of_earlier_versions(folder):
    listing = Listing(folder, ("0_real",), tuple((0, name) for name in NAMES))
    assert listing.fingerprint == "a7eca03f37b07c3d"
    assert ImageFiles([Path("0_real")], compare="bytes").digest == "6c72e03ba33df523"


def test_configs_and_records_are_known_by_the_digests_of_earlier_versions():
    assert saved_hash({"seed": 3, "model": {"name": "resnet18"}}) == "a4b36501b52c18a4"
    assert json_sha256({"b": [1, "é"], "a": 0.5}) == (
        "07de4e43d5fbb896fc1e42a31ebac69f5a8009e3427c823a236ec84efde083f5"
    )


def test_a_text_its_bytes_and_their_parts_have_one_digest():
    assert fingerprint_of("abc") == fingerprint_of(b"abc") == fingerprint_of([b"a", b"bc"])


def test_an_identity_is_of_all_facts_and_of_each_field_of_them():
    assert identity_of(crop=Protocol(), seed=1) == identity_of(seed=1, crop=Protocol())
    others = [
        identity_of(**facts)
        for facts in (
            {"crop": Protocol(), "seed": 1},
            {"crop": Protocol(), "seed": 2},
            {"crop": Protocol(resize=256), "seed": 1},
            {"crop": None, "seed": 1},
            {"crop": Protocol()},
        )
    ]
    assert len(set(others)) == 5


def test_differences_name_what_is_not_as_it_was_and_what_was_not_there():
    assert differences({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3, "d": 4}) == [
        "b: 2 -> 3", "c: 3 -> None", "d: None -> 4",
    ]  # fmt: skip
