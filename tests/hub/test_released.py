"""Detectors that others released, by name: from a server on localhost, made small."""

import dataclasses

import numpy as np
import pytest

import jaxdet
from jaxdet.convert.load import with_collections
from jaxdet.convert.torch_write import write_torch
from jaxdet.datasets.catalog import Address
from jaxdet.errors import RunFailedError, UserError
from jaxdet.hub import released
from jaxdet.hub.__main__ import main
from jaxdet.hub.find import find_weights
from jaxdet.hub.released import RELEASES, bring
from jaxdet.models.towers import read_tower
from jaxdet.train.weights import digest
from tests.convert.small_towers import spelled
from tests.predict.samples import write_weights
from tests.web.server import Server


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server, with the folders of the cache in `tmp_path`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Server() as server:
        yield server


def offered(server, name, *paths, sha256=None):
    """A released detector whose files are others, on the server."""
    addresses = []
    for path in paths:
        server.files[path.name] = path.read_bytes()
        addresses.append(Address(name=path.name, url=f"{server.url}/{path.name}", sha256=sha256))
    return dataclasses.replace(RELEASES[name], files=tuple(addresses))


def test_a_detector_by_name_once_its_licence_is_accepted(server, tmp_path, monkeypatch):
    file, name = write_weights(tmp_path / "w.safetensors"), "cnndetection/blur_jpg_prob0.5"
    small = dataclasses.replace(offered(server, name, file), arch="resnet18")
    monkeypatch.setattr(released, "RELEASES", {name: small})
    for accepted in (None, "mit"):
        with pytest.raises(UserError, match=r"add --accept-licence=cc-by-nc-sa-4\.0"):
            jaxdet.load_detector(name, accept_licence=accepted)
    assert server.asked == []
    detector = jaxdet.load_detector(name, accept_licence="cc-by-nc-sa-4.0")
    plain = jaxdet.load_detector(file)
    assert detector.digest == plain.digest
    assert detector.card.licence == "cc-by-nc-sa-4.0"
    assert detector.card.source == f"{server.url}/w.safetensors"
    asked = len(server.asked)
    assert jaxdet.load_detector(name).digest == plain.digest  # from the cache
    assert len(server.asked) == asked
    kept = sorted(path.name for path in (tmp_path / "cache/jaxdet/released" / name).iterdir())
    assert kept == ["detector", "fetched"]


def test_a_small_community_forensics_is_scored_as_published(server, tmp_path):
    _, arrays, state_dict = spelled("community_forensics")
    write_torch(tmp_path / "w.pth", state_dict)
    release = offered(server, "commfor/vit-s16-384", tmp_path / "w.pth")
    small = dataclasses.replace(release, crop=32, resize=40, facts=(("heads", 2),))
    detector = jaxdet.load_detector(bring(small, tmp_path / "kept", accepted="mit"))
    assert (
        str(detector.protocol) == "centre crop of 32 pixels after resizing the shorter side to 40"
    )
    assert detector.digest == digest(with_collections(arrays))


def test_a_head_is_put_on_its_tower(server, tmp_path):
    _, _, tower = spelled("transformers_clip", head=False)
    rng = np.random.default_rng(1)
    head = {"weight": rng.normal(0, 1, (1, 6)).astype(np.float32), "bias": np.ones(1, np.float32)}
    for name, arrays in (("head.pth", head), ("tower.pth", tower)):
        write_torch(tmp_path / name, arrays)
    release = offered(server, "univfd/clip-vit-l14", tmp_path / "head.pth", tmp_path / "tower.pth")
    facts = (*release.facts, ("heads", 2))
    small = dataclasses.replace(release, crop=32, facts=facts)
    detector = jaxdet.load_detector(bring(small, tmp_path / "kept", accepted="mit"))
    assert detector.model.name == "linear_probe"
    assert read_tower(detector.model.tower).activation == "quick_gelu"
    kernel = detector.variables["params"]["head"]["kernel"]
    assert kernel.reshape(-1).tobytes() == head["weight"].reshape(-1).tobytes()


def test_another_file_than_the_published_one_is_not_kept(server, tmp_path):
    file = write_weights(tmp_path / "w.safetensors")
    release = offered(server, "commfor/vit-s16-384", file, sha256="0" * 64)
    with pytest.raises(RunFailedError, match=r"SHA-256 is .*, the catalogue says 0000"):
        bring(release, tmp_path / "kept", accepted="mit")
    assert not (tmp_path / "kept/detector").exists()
    assert not (tmp_path / "kept/w.safetensors").exists()


def test_without_a_network_it_is_one_line(tmp_path):
    file = Address(name="w.pth", url="http://127.0.0.1:9/w.pth")
    release = dataclasses.replace(RELEASES["commfor/vit-s16-384"], files=(file,))
    with pytest.raises(RunFailedError, match="with a network start the same command again"):
        bring(release, tmp_path / "kept", accepted="mit")


def test_a_folder_of_the_users_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "univfd/clip-vit-l14").mkdir(parents=True)
    assert str(find_weights("univfd/clip-vit-l14")) == "univfd/clip-vit-l14"


def test_the_list_has_each_with_its_licence(capsys):
    main(["list"])
    lines = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert lines == [[one.name, one.licence] for one in RELEASES.values()]
    assert {"cnndetection/blur_jpg_prob0.5", "univfd/clip-vit-l14", "commfor/vit-s16-384"} <= {
        *RELEASES
    }
