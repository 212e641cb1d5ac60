import json
import shutil
import subprocess
import sys

import pytest

from jaxdet.datasets.verify.command import JSON
from jaxdet.fetch.catalog import DATASETS
from jaxdet.fetch.record import Record
from jaxdet.workdir.files import check_writable
from tests.data.table_files import write_csv
from tests.web.archives import make_images, make_png, make_zip, read_tree
from tests.web.server import Server


def verify(root, *options):
    line = [sys.executable, "-m", "jaxdet.data", "verify", str(root), *options]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def fetch(root, server, *arguments):
    mirror = (f"--root={root}", f"--base-url={server.url}", "--tries=1")
    line = [sys.executable, "-m", "jaxdet.data", "fetch", *arguments, *mirror]
    subprocess.run(line, capture_output=True, timeout=60, check=True)


def found(done):
    """The lines about what is wrong."""
    kinds = ("missing", "surplus", "damaged")
    return sorted(line for line in done.stdout.splitlines() if line.startswith(kinds))


@pytest.fixture(scope="session")
def fetched_once(tmp_path_factory):
    """A part of a published set, as fetch leaves it: 20 categories of ProGAN."""
    categories = DATASETS["progan-testset"].folders[0].categories
    root = tmp_path_factory.mktemp("fetched") / "data"
    with Server() as server:
        images = make_images([f"progan/{name}" for name in categories], count=2, size=8)
        server.files["progan_testset.zip"] = make_zip(images)
        fetch(root, server, "progan-testset")
    return root


@pytest.fixture
def fetched(fetched_once, tmp_path):
    for name, content in read_tree(fetched_once).items():
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "data"


def test_own_images_are_counted_and_read(dataset):
    done = verify(dataset)
    # `train` has classes of the published set only: of those, 18,003 would be there.
    assert done.returncode == 1
    assert "12 of 18,003 real" in done.stdout
    assert "--expect=nothing" in done.stderr
    done = verify(dataset, "--expect=nothing")
    assert (done.returncode, done.stderr) == (0, "")
    assert "test/beta" in done.stdout
    assert done.stdout.splitlines()[-1] == f"{dataset}: all is well"


def test_a_split_with_other_names_is_ones_own(dataset):
    for split in ("train", "val"):
        (dataset / split / "cat").rename(dataset / split / "lynx")
    assert verify(dataset).returncode == 0
    done = verify(dataset, "--expect=published")
    assert found(done) == [
        f"missing: train/horse/{label}: 12 images, the catalogue says 18,003"
        for label in ("0_real", "1_fake")
    ]


def test_damaged_files_of_every_kind_are_named(dataset, tmp_path):
    beta, alpha = dataset / "test/beta/x/1_fake", dataset / "test/alpha"
    cut(beta / "000.jpg", 0.9)
    cut(alpha / "0_real/000.png", 0.5)
    (alpha / "0_real/001.png").write_bytes(b"")
    (alpha / "0_real/002.png").write_bytes(b"no image at all, for certain")
    flip(alpha / "1_fake/000.png")
    (alpha / "1_fake/Thumbs.db").write_bytes(b"beside images, not one of them")
    done = verify(dataset, "--expect=nothing", f"--json={tmp_path}/report.json")
    assert done.returncode == 1
    assert done.stderr == f"error: {dataset}: 5 damaged\n"
    check_writable((tmp_path / "report.json", JSON))  # may be replaced
    assert [line.split(": ")[1] for line in found(done)] == [
        "test/alpha/0_real/000.png",
        "test/alpha/0_real/001.png",
        "test/alpha/0_real/002.png",
        "test/alpha/1_fake/000.png",
        "test/beta/x/1_fake/000.jpg",
    ]
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["ok"], len(report["findings"]), report["hashed"]) == (False, 5, 0)
    alpha = next(count for count in report["counts"] if count["path"] == "test/alpha")
    assert (alpha["real"], alpha["fake"], alpha["real_expected"]) == (7, 7, None)


def test_labels_that_lack_are_missing(dataset):
    for path in (dataset / "test/gamma/1_fake").iterdir():
        path.unlink()
    (dataset / "test/gamma/1_fake").rmdir()
    for path in (dataset / "test/beta/y/0_real").iterdir():
        path.unlink()
    shutil.rmtree(dataset / "val/cat")
    assert found(verify(dataset, "--expect=nothing")) == [
        "missing: test/beta/y/0_real: holds no images",
        "missing: test/gamma/1_fake: no such folder",
        "missing: val: holds no classes",
    ]


def test_what_was_fetched_is_held_to_its_hashes(fetched):
    assert "80 of them against a checksum" in verify(fetched).stdout
    assert verify(fetched, "--expect=nothing").returncode == 0
    place = fetched / "test/progan/cat/0_real"
    (place / "00000.png").write_bytes(make_png(seed=99, size=8))
    (place / "00001.png").unlink()
    (place / "mine.png").write_bytes(make_png(seed=98, size=8))
    done = verify(fetched, "--expect=nothing")
    assert done.returncode == 1
    assert found(done) == [
        "damaged: test/progan/cat/0_real/00000.png: SHA-256 is not the one it should have",
        "missing: test/progan/cat/0_real/00001.png: was fetched and is gone",
        "surplus: test/progan/cat/0_real/mine.png: did not come with the set",
    ]


def test_counts_are_the_catalogues_even_where_the_archive_held_others(fetched):
    done = verify(fetched)
    assert done.returncode == 1
    assert "missing: test/progan/cow/1_fake: 2 images, the catalogue says 200" in done.stdout
    assert "missing: and 20 more; --json=OUT has them all" in done.stdout


def test_categories_that_lack_or_are_too_many(tmp_path):
    for name in ("apple", "horse", "plum"):
        for label in ("0_real", "1_fake"):
            place = tmp_path / "test/cyclegan" / name / label
            place.mkdir(parents=True)
            (place / "a.png").write_bytes(make_png(seed=1, size=8))
    assert found(verify(tmp_path)) == [
        "missing: test/cyclegan/*/0_real: 2 images, the catalogue says 1,321",
        "missing: test/cyclegan/*/1_fake: 2 images, the catalogue says 1,321",
        "surplus: test/cyclegan/plum/0_real: the catalogue has no such folder",
        "surplus: test/cyclegan/plum/1_fake: the catalogue has no such folder",
    ]


def test_weights_are_held_to_the_catalogue(tmp_path):
    (tmp_path / "resnet50-19c8e357.pth").write_bytes(b"short")
    (tmp_path / "vgg11_bn-6002323d.pth").write_bytes(b"of unknown size")
    (tmp_path / "blur_jpg_prob0.5.pth").write_bytes(b"of unknown hash")
    done = verify(tmp_path)
    assert done.returncode == 1
    assert found(done) == [
        "damaged: resnet50-19c8e357.pth: is not of 102,502,400 bytes",
        "damaged: vgg11_bn-6002323d.pth: SHA-256 is not the one it should have",
    ]


def test_weights_that_were_fetched_and_are_gone_are_missed(tmp_path):
    record = Record(tmp_path)
    address = next(f for one in DATASETS.values() for f in one.files if f.name.startswith("blur"))
    with record.locked():
        record.keep_hash(address, digest="0" * 64, size=3)
    done = verify(tmp_path)
    assert done.returncode == 1
    assert found(done) == [f"missing: {address.name}: was fetched and is gone"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("missing",), "no such folder"),
        (("nothing.csv",), "nothing.csv: no such file"),
        (("empty",), "holds no train, val or test"),
        (("words.csv", "--expect=published"), "--expect=published is for folders"),
        (("words.csv", "--columns={"), "data.columns"),
        ((), "ROOT"),
        ((".", "--expect=much"), "--expect"),
        (("data root", "--expect=nothing", "--json=data root"), "cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, word, dataset):
    (dataset.parent / "empty").mkdir()
    write_csv(dataset.parent / "words.csv", ["image", "label"], [["a.png", 0]])
    line = [sys.executable, "-m", "jaxdet.data", "verify", *arguments]
    done = subprocess.run(
        line, capture_output=True, text=True, timeout=60, check=False, cwd=dataset.parent
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert word in done.stderr


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
