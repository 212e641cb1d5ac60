"""Detectors pushed and pulled: the same digest, logits and thresholds, and nothing damaged."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml

import jaxdet
from jaxdet import hub
from jaxdet.convert.card import Card
from jaxdet.convert.load import with_collections
from jaxdet.errors import RunFailedError, UserError
from jaxdet.hub.__main__ import main
from jaxdet.hub.find import cache, find_weights, pin_weights
from jaxdet.hub.huggingface import Address
from jaxdet.predict import LoadedDetector
from jaxdet.results import Calibration
from jaxdet.scoring.protocol import Protocol
from jaxdet.workdir import drafts
from tests.conftest import exit_status
from tests.convert.small_towers import spelled
from tests.web.hub import Hub

CALIBRATION = Calibration(
    source="validation", n_real=50, n_fake=50, temperature=1.5,
    thresholds={"fpr_1": 2.0, "fpr_5": 1.25, "fnr_1": -1.0, "fnr_5": 0.5},
)  # fmt: skip
FIGURES = {
    "ap": 0.9125, "ap_ci95": [0.88, 0.94], "accuracy": 0.75, "sharpness_ap": 0.5,
    "n_real": 200, "n_fake": 300,
}  # fmt: skip
# Absolute paths, with equals signs in them, too; what is none stays as it is.
LEAKS = [
    "wild=/home/me/secret/wild", "x=tfds:x", "/home/me/secret/lr=0.1/data", "a=/home/secret/b=c/d",
    "~/secret/x=~/y", "relative/x=y",
]  # fmt: skip
IMAGES = list(np.random.default_rng(0).integers(0, 256, (3, 60, 70, 3), np.uint8))


@pytest.fixture(scope="module")
def detector():
    """A detector with all that a run's card has, from folders that are nobody else's business."""
    training = {"root": "/home/me/secret/forensynths", "classes": ["cat"], "n_real": 9, "n_fake": 9}
    card = Card(
        source="/home/me/secret/run",
        protocol=Protocol(crop=32),
        calibration=CALIBRATION,
        training=training,
        measured={"progan: a|b": FIGURES},
        measured_by="centre crop of 224 pixels",
        config={"data": {"root": "/home/me/secret/forensynths"},
                "evaluation": {"benchmarks": LEAKS}},
    )  # fmt: skip
    model, arrays, _ = spelled("community_forensics")
    return LoadedDetector(model, with_collections(arrays), card=card)


@pytest.fixture(scope="module")
def pushed(detector, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared") / "detector"
    assert hub.push(detector, folder, licence="apache-2.0") == str(folder)
    return folder


def flipped(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def head_of(folder):
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


def same(first, second):
    return (
        first.digest == second.digest
        and first.score(IMAGES).tobytes() == second.score(IMAGES).tobytes()
        and first.card.calibration == second.card.calibration
    )


def test_a_folder_and_back(detector, pushed, tmp_path):
    assert hub.pull(pushed, tmp_path / "pulled", digest=detector.digest) == detector.digest
    again = jaxdet.load_detector(tmp_path / "pulled")
    assert same(detector, again)
    assert again.card.licence == "apache-2.0"
    assert again.card.config["evaluation"]["benchmarks"] == [
        "wild=wild", "x=tfds:x", "data", "a=d", "y", "relative/x=y",
    ]  # fmt: skip
    assert not any(b"secret" in file.read_bytes() for file in pushed.iterdir())


def test_the_card_has_figures_intervals_licence_and_limits(detector, pushed):
    head, text = head_of(pushed), (pushed / "README.md").read_text()
    assert head["license"] == "apache-2.0"
    (row,) = head["model-index"][0]["results"]
    assert row["dataset"]["name"] == "progan: a|b"
    precision = row["metrics"][0]
    assert (precision["value"], precision["args"]["interval_95"]) == (0.9125, [0.88, 0.94])
    for part in (detector.digest, "9 real and 9 fake images of forensynths", "0.8800 to 0.9400"):
        assert part in text
    assert "\n| progan: a\\|b | 0.9125 | 0.8800 to 0.9400 | 0.7500 | 0.5000 | 200 | 300 |\n" in text
    assert all(limit in text for limit in detector.card.limits())


def test_what_was_changed_is_refused_and_nothing_is_left(pushed, tmp_path):
    def damaged(name, change):
        folder = tmp_path / f"damaged {name} {len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for file in pushed.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        (folder / name).write_bytes(change((folder / name).read_bytes()))
        return folder

    about = json.loads((pushed / "detector.json").read_text())
    about["card"]["sha256"] = "0" * 64
    folders = {
        damaged("variables.safetensors", flipped): "SHA-256 differs",
        damaged("detector.json", lambda content: json.dumps(about).encode()): "of its card",
        damaged("detector.json", lambda content: content[:-9]): "cannot be read as JSON",
    }
    for folder, complaint in folders.items():
        with pytest.raises(UserError, match=f"{folder}.*{complaint}.*not taken"):
            hub.pull(folder, tmp_path / "pulled")
    for digest in ("0" * 16, "", "1"):
        with pytest.raises(UserError, match="its digest is"):
            hub.pull(pushed, tmp_path / "pulled", digest=digest)
    assert {*tmp_path.iterdir()} == {*folders}


def test_mistakes(detector, pushed, tmp_path, capsys):
    for licence, complaint in ((None, "--licence=ID is missing"), ("My own", "as apache-2.0")):
        with pytest.raises(UserError, match=complaint):
            hub.push(detector, tmp_path / "new", licence=licence)
    with pytest.raises(UserError, match=r"the weights come under apache-2\.0"):
        hub.push(pushed, tmp_path / "new", licence="mit")
    with pytest.raises(UserError, match="write hf://OWNER/NAME"):
        hub.push(pushed, "hf://me")
    with pytest.raises(UserError, match=r"no folder with a detector, which has detector\.json"):
        hub.pull(tmp_path, tmp_path / "new")
    for call in (hub.push, hub.pull):
        with pytest.raises(UserError, match="exists already, and is not overwritten"):
            call(pushed, pushed.parent)
    for within in (pushed / "x", pushed / "a/../b/x"):
        for call in (hub.push, hub.pull):
            with pytest.raises(UserError, match="which stays as it is"):
                call(pushed, within)
    for option in ("private", "update"):
        with pytest.raises(UserError, match=f"--{option}: is for repositories"):
            hub.push(pushed, tmp_path / "new", **{option: True})
    for call in (hub.push, hub.pull):
        with pytest.raises(UserError, match="an empty path names no detector"):
            call("", tmp_path / "new")
    for line in (("push", "", "x"), ("push", pushed, ""), ("pull", "", "x"), ("pull", pushed, "")):
        assert exit_status(main, *line) == 2
        assert "is empty; give a path" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert not [path for path in pushed.iterdir() if path.is_dir()]
    assert exit_status(main, "push", pushed, tmp_path / "new") == 0
    assert exit_status(main, "pull", tmp_path / "new", tmp_path / "new") == 2
    assert "exists already" in capsys.readouterr().err


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A hub on localhost, asked by this process and by those that it starts."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs the extra `hub`")
    with Hub() as server:
        # A new process reads HF_ENDPOINT; without Xet, whose servers cannot be run here.
        names = {"HF_ENDPOINT": server.url, "HF_HOME": tmp_path / "hf", "HF_TOKEN": "hf_test"}
        for name, value in {**names, "HF_HUB_DISABLE_XET": 1}.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        files = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "client"))
        yield server


def run(*arguments):
    command = [sys.executable, "-m", "jaxdet.hub", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow  # two processes that load JAX
def test_a_hub_and_back(detector, pushed, tmp_path, server):
    first = run("push", pushed, "hf://me/detector")
    assert (first.returncode, first.stderr) == (0, "")
    (_, files) = server.state("me/detector", "main")
    assert {*files} == {".gitattributes", *os.listdir(pushed)}
    with pytest.raises(UserError, match=r"has README\.md, coverage\.json, detector\.json"):
        hub.push(pushed, "hf://me/detector")
    server.commit("me/detector", {"model.pkl": b"cos\nsystem\n"})
    pulled = run("pull", "hf://me/detector", tmp_path / "pulled")
    assert (pulled.returncode, pulled.stderr) == (0, "")
    assert "model.pkl" not in server.read
    assert detector.digest in pulled.stdout
    assert same(detector, jaxdet.load_detector(tmp_path / "pulled"))
    assert list((tmp_path / "cache/jaxdet/hub").iterdir()) == []


def test_an_address_is_fetched_once_for_each_commit(pushed, server):
    commit = hub.push(pushed, "hf://me/detector").rpartition("@")[2]
    by_name = jaxdet.load_detector("hf://me/detector")
    assert by_name.card.licence == "apache-2.0"
    address = hub.push(pushed, "hf://me/detector", update=True)
    assert len(server.repos["me/detector"]) == 3
    server.read.clear()
    assert find_weights(address) == find_weights(address)
    assert server.read.count("variables.safetensors") <= 2  # its head and its bytes, once
    pinned = pin_weights("hf://me/detector")
    server.commit("me/detector", {"notes.txt": b""})
    assert find_weights(pinned) == find_weights(address)
    assert pin_weights(pushed) == pushed
    for branch in ("refs/pr/3", "feature/x"):
        server.branches[branch] = commit
        assert find_weights(f"hf://me/detector@{branch}").name == commit


def test_another_process_may_be_quicker(pushed, server):
    folder = cache() / "hub/me/detector" / hub.push(pushed, "hf://me/detector").rpartition("@")[2]
    server.meanwhile = lambda: folder.exists() or shutil.copytree(pushed, folder)
    assert find_weights("hf://me/detector") == folder
    server.meanwhile = lambda: None
    with pytest.raises(UserError, match="exists already"):
        hub.pull("hf://me/detector", folder)


def test_what_is_to_be_private_goes_to_no_open_repository(pushed, server):
    server.commit("me/open", {"notes.txt": b""})
    with pytest.raises(UserError, match="is there already and open to everybody"):
        hub.push(pushed, "hf://me/open", private=True)
    assert {*server.state("me/open", "main")[1]} == {"notes.txt"}
    for update in (False, True):
        hub.push(pushed, "hf://me/closed", private=True, update=update)
    assert server.private == {"me/closed"}


def test_answers_that_are_no_detector(pushed, tmp_path, server, monkeypatch):
    server.commit("me/other", {"pytorch_model.bin": b"cos\nsystem\n"})
    with pytest.raises(UserError, match=r"no detector of jaxdet, which has detector\.json"):
        hub.pull("hf://me/other", tmp_path / "new")
    with pytest.raises(UserError, match="is the name right"):
        hub.pull("hf://me/nothing", tmp_path / "new")
    files = {file.name: file.read_bytes() for file in pushed.iterdir()}
    bad = flipped(files["variables.safetensors"])
    server.commit("me/bad", {**files, "variables.safetensors": bad})
    with pytest.raises(UserError, match=r"hf://me/bad.*not taken"):
        hub.pull("hf://me/bad", tmp_path / "new")
    server.repos["me/elsewhere"] = [("../../../elsewhere", files)]
    for call in (find_weights, lambda address: hub.pull(address, tmp_path / "new")):
        with pytest.raises(RunFailedError, match="elsewhere' in place of a commit"):
            call("hf://me/elsewhere")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RunFailedError, match="hf://me/detector: "):
        hub.pull("hf://me/detector", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("text", ["hf://me/..", "hf://../me", "hf://me/x@../y", "hf://me/x@a//b"])
def test_no_address_leads_out_of_a_folder(text):
    with pytest.raises(UserError, match="write hf://OWNER/NAME"):
        Address.of(text)


def test_what_a_killed_push_left_goes_with_the_next(pushed, server):
    left = cache() / f"hub/.push.{drafts._HOST}.1.{'0' * 16}.tmp"
    left.mkdir(parents=True)
    (left / "variables.safetensors").touch()
    hub.push(pushed, "hf://me/detector")
    assert list(left.parent.iterdir()) == []


def test_the_hubs_own_reader_takes_the_card(pushed):
    library = pytest.importorskip("huggingface_hub", reason="needs the extra `hub`")
    card = library.ModelCard((pushed / "README.md").read_text())
    (first, second) = card.data.eval_results
    assert (first.metric_type, first.metric_value) == ("average_precision", 0.9125)
    assert (second.metric_type, second.metric_value) == ("accuracy", 0.75)
