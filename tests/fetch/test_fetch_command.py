import os
import subprocess
import sys

import pytest

from jaxdet.data.released import RELEASED_WEIGHTS
from jaxdet.data.table.layouts import LAYOUTS
from jaxdet.fetch.catalog import DATASETS, Container
from jaxdet.fetch.elsewhere import ELSEWHERE
from jaxdet.metrics import USUAL_NAMES
from tests.web.archives import make_images, make_zip, read_tree
from tests.web.server import Server

NAMES = ", ".join(DATASETS)
CLASSES = next(iter(DATASETS["progan-testset"].folders)).categories


def run(*arguments, cwd=None):
    line = [sys.executable, "-m", "jaxdet.data", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


def test_a_real_entry_from_a_mirror(tmp_path):
    images = make_images([f"progan/{name}" for name in CLASSES], count=1)
    with Server() as server:
        server.files["progan_testset.zip"] = make_zip(images)
        arguments = ("fetch", "progan-testset", "--root=data", f"--base-url={server.url}/")
        first, again = run(*arguments, cwd=tmp_path), run(*arguments, cwd=tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    assert "test/progan: 40 images, 8,000 were published" in first.stdout
    assert first.stdout.splitlines()[-1] == "data/test: progan-testset is there"
    assert (again.returncode, again.stdout) == (0, "data/test: progan-testset is already there\n")
    assert read_tree(tmp_path / "data/test") == images


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with Server() as server:
        server.files["progan_testset.zip"] = make_zip(make_images(["progan/cat"], count=1))
        line = [sys.executable, "-m", "jaxdet.data", "fetch", "progan-testset"]
        done = subprocess.run(
            [*line, f"--root={tmp_path}", f"--base-url={server.url}"],
            stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_weights_by_their_short_name_and_never_wrong_ones(tmp_path):
    with Server() as server:
        server.files["vgg11_bn-6002323d.pth"] = b"not the weights"
        mirror = ("--root=weights", f"--base-url={server.url}", "--tries=1")
        done = run("fetch", "imagenet-weights", "--only=vgg11_bn", *mirror, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: vgg11_bn-6002323d.pth: SHA-256 is")
    assert list(read_tree(tmp_path / "weights")) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), NAMES),
        (("forensynth", "--root=d"), NAMES),
        (("forensynths-val",), "--root=DIR is missing"),
        (("forensynths-val", "--root=file"), "is a file"),
        (("forensynths-val", "--root=file/below"), "cannot be written: "),
        (("forensynths-val", "--root=d", "--classes=horse,unicorn"), "no 'unicorn'; there are"),
        (("forensynths-test", "--root=d", "--classes=horse"), "stylegan2"),
        (("forensynths-val", "--root=d", "--classes=horse,"), "no list of names"),
        (("forensynths-val", "--root=d", "--only=horse"), "use --classes"),
        (("imagenet-weights", "--root=d", "--only=resnet51"), "resnet50"),
        (("imagenet-weights", "--root=d", "--classes=resnet50"), "use --only"),
        (("imagenet-weights", "--root=d", "--base-url=file:///etc"), "no http or https"),
        (("imagenet-weights", "--root=d", "--base-url=http://mirror:x"), "no http or https"),
        (("imagenet-weights", "--root=d", "--tries=0"), "at least 1"),
        (("imagenet-weights", "--root=d", "--timeout=0"), "above 0"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, word, tmp_path):
    (tmp_path / "file").touch()
    done = run("fetch", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert word in done.stderr
    assert os.listdir(tmp_path) == ["file"]


def test_the_list_has_every_name():
    done = run("fetch", "--list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [*DATASETS, *ELSEWHERE]


def test_the_catalogue_agrees_with_itself():
    counts = {name: sum(f.real + f.fake for f in one.folders) for name, one in DATASETS.items()}
    assert counts["forensynths-train"] == 720_119
    assert counts["forensynths-val"] == 8_000
    assert counts["forensynths-test"] == 90_329
    train = DATASETS["forensynths-train"]
    assert sum(one.size for one in train.files) == 32 + 74_924_002_746 + 98
    for dataset in DATASETS.values():
        assert bool(dataset.folders) == bool(dataset.split)
        assert bool(dataset.folders) == (dataset.container is not Container.PLAIN)
        assert all(one.url.startswith("https://") for one in dataset.files)
        names = [one.name for one in dataset.files]
        assert len(set(names)) == len(names)
    # `verify` knows a folder by its split and name.
    every = [(one.split, folder) for one in DATASETS.values() for folder in one.folders]
    by_place = {(split, folder.name): folder for split, folder in every}
    assert all(by_place[split, folder.name] == folder for split, folder in every)


def test_what_runs_know_of_the_catalogue_is_all_that_is_in_it():
    kept = {
        name: tuple(file.name for file in one.files)
        for name, one in DATASETS.items()
        if one.container is Container.PLAIN
    }
    assert kept == RELEASED_WEIGHTS
    assert {f.name for f in DATASETS["forensynths-test"].folders} == set(USUAL_NAMES)


def test_what_is_not_fetched_is_named_with_its_place_and_layout(tmp_path):
    done = run("fetch", "chameleon", f"--root={tmp_path}")
    assert done.returncode == 2
    assert "on request" in done.stderr
    assert "data.layout=forensynths" in done.stderr
    named = {one.layout.partition("data.layout=")[2].split(" ")[0] for one in ELSEWHERE.values()}
    assert named - {""} <= set(LAYOUTS)
