"""`data index`: a table of any root, complete or not there; `audit` finds the same in all."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from jaxdet.data.sources import open_root
from jaxdet.datasets.commands import main
from jaxdet.errors import UserError
from tests.conftest import exit_status, write_images
from tests.data.table_files import structs, write_csv, write_parquet, write_tree

run = functools.partial(exit_status, main)


def listed(root):
    """Returns set, category, label and bytes of every image, in order."""
    opened = open_root(str(root))
    sets = [one for one in ("train", "val") if opened.has(one)]
    sets += [f"test/{one}" for one in opened.categories("test")] if opened.has("test") else []
    found = []
    for name in sets:
        images = opened.load(name, name=name)
        for index, label in enumerate(images.labels.tolist()):
            category = images.ids[index].split("/")[:-2]
            found.append((name, category, label, images.content(index, max_pixels=10**6)))
    return found


def test_the_index_of_a_folder_is_the_folder(dataset, tmp_path, capsys):
    out = tmp_path / "index.parquet"
    assert run("index", dataset, f"--out={out}") == 0
    assert "images, " in capsys.readouterr().out
    assert listed(out) == listed(dataset)


def test_the_index_of_an_index_and_of_shards(tmp_path):
    for number in range(2):
        write_parquet(
            tmp_path / "s" / f"test-{number:05}-of-00002.parquet",
            {"image": structs(6, start=6 * number), "label": [0, 1] * 3, "model": ["x"] * 6},
        )
    first, second = tmp_path / "1.parquet", tmp_path / "sub" / "2.parquet"
    assert run("index", tmp_path / "s", f"--out={first}") == 0
    assert run("index", first, f"--out={second}") == 0
    assert listed(first) == listed(second) == listed(tmp_path / "s")
    os.truncate(tmp_path / "s" / "test-00001-of-00002.parquet", 100)
    with pytest.raises(UserError, match=r"test-00001-of-00002.parquet has 100 bytes in place of"):
        open_root(str(second))


def test_nothing_is_replaced_and_mistakes_are_one_line(dataset, tmp_path, capsys):
    out = tmp_path / "index.parquet"
    out.write_text("mine")
    assert run("index", dataset, f"--out={out}") == 2
    assert out.read_text() == "mine"
    assert "exists already" in capsys.readouterr().err
    assert run("index", dataset, f"--out={tmp_path / 'a.csv'}") == 2
    assert "give it the ending .parquet" in capsys.readouterr().err
    assert run("index", tmp_path / "none", f"--out={tmp_path / 'b.parquet'}") == 2
    assert "no such folder" in capsys.readouterr().err
    assert not (tmp_path / "b.parquet").exists()


def test_files_that_are_gone_are_said(tmp_path, capsys):
    write_tree(tmp_path, ["a.png"])
    table = write_csv(tmp_path / "a.csv", ["image", "label"], [["a.png", 0], ["gone.png", 1]])
    assert run("index", table, f"--out={tmp_path / 'i.parquet'}") == 0
    assert "1 files that it names are not there, such as gone.png" in capsys.readouterr().out


def test_a_kill_leaves_no_half_an_index(tmp_path):
    """Killed while it writes, as its draft shows; started again, it is complete."""
    rows = [[f"{n}.png", n % 2, f"generator {n % 7}"] for n in range(70_000)]
    table = write_csv(tmp_path / "a.csv", ["image", "label", "generator"], rows)
    out = tmp_path / "out" / "index.parquet"
    command = [sys.executable, "-m", "jaxdet.data", "index", str(table), f"--out={out}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not any(file.stat().st_size for file in out.parent.glob(".*.tmp")):
        assert process.poll() is None, process.stderr.read().decode()
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert not out.exists()
    assert list(out.parent.glob(".*.tmp"))
    assert run("index", table, f"--out={out}") == 0
    assert [file.name for file in out.parent.iterdir()] == ["index.parquet"]
    root = open_root(str(out))
    assert sum(len(root.load(f"test/{n}", name=n)) for n in root.categories("test")) == 70_000


def test_audit_finds_the_same_in_any_form(tmp_path):
    """Folders, other folders, a CSV, an index and a Parquet file with the bytes inside."""
    plain = write_images(tmp_path / "plain" / "test" / "set", count=12, seed=3)
    write_images(tmp_path / "more", count=12, seed=4, suffix="jpg", size=(24, 30))
    shutil.copytree(tmp_path / "more" / "1_fake", plain / "1_fake", dirs_exist_ok=True)
    (plain / "0_real" / "zz.png").write_bytes(b"no image")
    messy = tmp_path / "set"
    shutil.copytree(plain / "0_real", messy / "Real")
    shutil.copytree(plain / "1_fake", messy / "FAKE")
    files = [(f"{folder}/{file.name}", file, label)
             for folder, label in (("Real", "REAL"), ("FAKE", "FAKE"))
             for file in sorted((messy / folder).iterdir())]  # fmt: skip
    table = write_csv(messy / "set.csv", ["file", "label"], [[name, one] for name, _, one in files])
    cells = [{"bytes": file.read_bytes(), "path": name} for name, file, _ in files]
    columns = {"image": cells, "label": [one for *_, one in files]}
    shards = write_parquet(tmp_path / "p" / "set.parquet", columns)
    assert run("index", messy, f"--out={tmp_path / 'set.parquet'}", "--layout=real_fake") == 0
    found = {}
    for root in (tmp_path / "plain", messy, table, tmp_path / "set.parquet", shards):
        page = tmp_path / "page.json"
        assert run("audit", root, f"--json={page}") == 1
        told = json.loads(page.read_text())
        broken = [(one["kind"], one["text"]) for one in told["broken"]]
        found[root] = told["groups"], told["faults"], broken, told["duplicates"]["repeats"]
    first = found[tmp_path / "plain"]
    assert first[1]
    assert all(one == first for one in found.values())


def test_real_images_that_generators_share_are_no_repeats(tmp_path):
    write_tree(tmp_path / "sb", [f"real_RAISE_1k/{n}r.png" for n in range(6)])
    write_tree(tmp_path / "sb", [f"{g}/{n}{g}.png" for g in ("dalle2", "glide") for n in range(6)])
    page = tmp_path / "page.json"
    assert run("audit", tmp_path / "sb", f"--json={page}") == 0
    told = json.loads(page.read_text())
    assert told["duplicates"]["repeats"] == 0
    assert [one["real"]["read"] for one in told["groups"]] == [6, 6]
    # A broken one is one, and a misnamed one, however many generators share it.
    (tmp_path / "sb" / "real_RAISE_1k" / "0r.png").write_bytes(b"broken")
    (tmp_path / "sb" / "real_RAISE_1k" / "1r.png").rename(
        tmp_path / "sb" / "real_RAISE_1k" / "1r.jpg"
    )
    assert run("audit", tmp_path / "sb", f"--json={page}") == 1
    told = json.loads(page.read_text())
    assert (len(told["broken"]), len(told["misnamed"])) == (1, 1)
    assert [one["real"]["read"] for one in told["groups"]] == [5, 5]


def test_an_index_behind_links_finds_its_images(tmp_path):
    write_tree(tmp_path / "images", ["real/a.png", "fake/b.png"])
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    assert run("index", tmp_path / "images", f"--out={tmp_path / 'link' / 'i.parquet'}") == 0
    (tmp_path / "j.parquet").symlink_to(tmp_path / "deep" / "er" / "i.parquet")
    for place in ("link/i.parquet", "deep/er/i.parquet", "j.parquet"):
        assert [one[3] for one in listed(tmp_path / place)] == [
            one[3] for one in listed(tmp_path / "images")
        ]


def test_what_an_error_names_is_an_option_of_the_command(tmp_path, capsys):
    write_images(tmp_path / "i", count=1)
    rows = ["path,label", "i/0_real/000.png,odd", "i/1_fake/000.png,fake"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    arguments = ("index", tmp_path / "t.csv", f"--out={tmp_path / 'o.parquet'}")
    assert run(*arguments) == 2
    assert "--config.data.labels=" in capsys.readouterr().err
    assert run(*arguments, '--config.data.labels={"odd": "real", "fake": "fake"}') == 0


def reopened(root, path, change):
    """Returns what opening an index of a root says after a change; it opens before."""
    out = path / "index.parquet"
    assert run("index", root, f"--out={out}") == 0
    listed(out)
    change()
    with pytest.raises(UserError) as raised:
        open_root(str(out))
    assert "since the index was made; make it again with" in str(raised.value)
    out.unlink()
    return str(raised.value)


def test_an_index_notices_what_changed_in_its_table(tmp_path):
    write_tree(tmp_path, ["a.png", "b.png"])
    table = write_csv(tmp_path / "t.csv", ["image", "label"], [["a.png", 0], ["b.png", 1]])
    swapped = table.read_bytes().translate(bytes.maketrans(b"01", b"10"))
    message = reopened(table, tmp_path, lambda: table.write_bytes(swapped))
    assert "t.csv was written anew" in message
    shards = write_parquet(tmp_path / "s.parquet", {"image": structs(4), "label": [0, 1] * 2})
    content = shards.read_bytes()
    assert "s.parquet was written anew" in reopened(
        shards, tmp_path, lambda: shards.write_bytes(content)
    )
    paths = write_parquet(tmp_path / "p.parquet", {"image": ["a.png", "b.png"], "label": [0, 1]})
    assert "p.parquet is gone" in reopened(paths, tmp_path, paths.unlink)


def test_an_index_notices_what_changed_in_its_folders(tmp_path):
    root = tmp_path / "r"
    write_tree(root, [f"{label}/{n}.png" for label in ("real", "fake") for n in range(3)])
    for change in (
        lambda: write_tree(root, ["real/new.png"]),
        lambda: (root / "fake" / "2.png").unlink(),
        lambda: write_tree(root, ["fake/sdxl/0.png"]),
    ):
        assert "has other images or folders in it" in reopened(root, tmp_path, change)
    # Other files, and a copy of it all, change nothing that the rows are made of.
    assert run("index", root, f"--out={root / 'i.parquet'}") == 0
    (root / "fake" / ".DS_Store").write_text("x")
    found = listed(root / "i.parquet")
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copy)
    assert listed(tmp_path / "copy" / "i.parquet") == found
