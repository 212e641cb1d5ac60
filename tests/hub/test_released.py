"""Detectors that others released, by name: from a server on localhost, made small."""

import concurrent.futures
import dataclasses
import shutil

import numpy as np
import pytest

import jaxdet
from jaxdet.config import Model
from jaxdet.convert.load import with_collections
from jaxdet.convert.rules import to_torch
from jaxdet.convert.spellings import PROBE_TABLES
from jaxdet.convert.torch_write import write_torch
from jaxdet.errors import RunFailedError, UserError
from jaxdet.fetch.catalog import Address
from jaxdet.hub import find
from jaxdet.hub.__main__ import main
from jaxdet.hub.find import find_weights
from jaxdet.hub.released import bring
from jaxdet.hub.releases import RELEASES
from jaxdet.models.towers import read_tower
from jaxdet.scoring.protocol import Protocol
from jaxdet.train.weights import digest
from jaxdet.workdir.lock import claimed
from tests.convert.small_towers import SMALL, arrays_of, spelled
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


def of_resnet18(server, tmp_path):
    """A released detector of one small file, w.safetensors in the folder."""
    release = offered(server, "commfor/vit-s16-384", write_weights(tmp_path / "w.safetensors"))
    return dataclasses.replace(release, arch="resnet18", crop=224)


def files_below(folder):
    return [str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()]


def test_a_detector_by_name_once_its_licence_is_accepted(server, tmp_path, monkeypatch):
    file, name = write_weights(tmp_path / "w.safetensors"), "cnndetection/blur_jpg_prob0.5"
    small = dataclasses.replace(offered(server, name, file), arch="resnet18")
    monkeypatch.setattr(find, "RELEASES", {name: small})
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
    folder = tmp_path / "cache/jaxdet/released" / name
    assert {path.name for path in folder.iterdir()} == {"detector", "downloads"}
    assert files_below(folder / "downloads") == ["fetched/hashes.json"]
    (folder / "downloads/w.safetensors").touch()  # as a kill leaves it once all is converted
    assert jaxdet.load_detector(name).digest == plain.digest
    assert files_below(folder / "downloads") == ["fetched/hashes.json"]


def test_of_two_that_use_a_name_for_the_first_time_one_fetches(server, tmp_path, capsys):
    release = of_resnet18(server, tmp_path)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with claimed(tmp_path / "kept", instead="name"):
            other = pool.submit(bring, release, tmp_path / "kept", accepted="mit")
            with pytest.raises(concurrent.futures.TimeoutError):
                other.result(timeout=0.3)
            assert server.asked == []
        assert other.result() == tmp_path / "kept/detector"
    assert "another process works on it" in capsys.readouterr().err
    asked = len(server.asked)
    assert bring(release, tmp_path / "kept", accepted=None) == tmp_path / "kept/detector"
    assert len(server.asked) == asked


def test_a_file_that_the_user_put_there_is_taken_and_stays(server, tmp_path):
    release, kept = of_resnet18(server, tmp_path), tmp_path / "kept"
    kept.mkdir()
    shutil.copy(tmp_path / "w.safetensors", kept)
    bring(release, kept, accepted="mit")
    assert server.asked == []
    assert (kept / "w.safetensors").read_bytes() == (tmp_path / "w.safetensors").read_bytes()


def test_a_file_that_is_no_longer_there_is_one_line(server, tmp_path):
    release = of_resnet18(server, tmp_path)
    server.files.clear()
    with pytest.raises(RunFailedError) as failure:
        bring(release, tmp_path / "kept", accepted="mit")
    assert f"HTTP 404 Not Found; see {release.home} for the file" in str(failure.value)
    assert "--base-url" not in str(failure.value)


def test_a_small_community_forensics_is_scored_as_published(server, tmp_path):
    tower = f"augreg_s16_384:{SMALL},normalisation=imagenet,resize=bilinear"
    arrays = arrays_of(Model(name="linear_probe", tower=tower))
    write_torch(tmp_path / "w.pth", to_torch(arrays, table=PROBE_TABLES["community_forensics"]))
    release = offered(server, "commfor/vit-s16-384", tmp_path / "w.pth")
    small = dataclasses.replace(release, facts=(("heads", 2),))
    detector = jaxdet.load_detector(bring(small, tmp_path / "kept", accepted="mit"))
    assert detector.protocol == Protocol(crop=384, resize=440)
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
    assert files_below(tmp_path / "kept") == []


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
