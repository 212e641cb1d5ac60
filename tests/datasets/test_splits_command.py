"""`data splits`: what belongs together stays together, and the draw follows from seed and group."""

import functools
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxdet.data.sources import open_root
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.load import read_table
from jaxdet.datasets.commands import main
from jaxdet.datasets.splits.draw import Shares
from tests.conftest import draw_image, exit_status
from tests.data.table_files import content, structs, write_csv, write_parquet, write_tree

run = functools.partial(exit_status, main)


def split_of(path):
    """Returns the split of each row by its file, with its number where there are several."""
    table = read_table(path, Reading())
    return {table.reference(row): table.split[row] for row in range(len(table))}


def picture(seed, size=64):
    return Image.fromarray(draw_image(np.random.default_rng(seed), size, fake=False))


@pytest.fixture
def grouped(tmp_path):
    """80 images in 20 groups, of both labels each, as a table."""
    names = [f"{n:03}.png" for n in range(80)]
    write_tree(tmp_path / "images", names, size=8)
    rows = [[f"images/{name}", n % 2, f"g{n // 4}"] for n, name in enumerate(names)]
    return write_csv(tmp_path / "t.csv", ["image", "label", "source_id"], rows)


def test_groups_stay_whole_and_the_draw_is_of_seed_and_group(grouped, tmp_path, capsys):
    out = tmp_path / "a.parquet"
    options = ("--val=.2", "--test=.2", "--copies=none")
    assert run("splits", grouped, f"--out={out}", *options) == 0
    said = capsys.readouterr().out.splitlines()
    drawn = split_of(out)
    parts = [{drawn[f"images/{n:03}.png"] for n in range(first, first + 4)}
             for first in range(0, 80, 4)]  # fmt: skip
    assert all(len(part) == 1 for part in parts)
    counts = {split: list(drawn.values()).count(split) for split in ("train", "val", "test")}
    assert [line.split() for line in said[:3]] == [
        [name, str(n // 2), "real", str(n // 2), "fake", f"{n / 80:.1%}"]
        for name, n in counts.items()
    ]
    assert said[3] == f"{out}: 80 images in 20 bundles that stay whole"
    # Another image, another order and another place of the table move none of the others.
    lines = grouped.read_text().splitlines()
    write_tree(tmp_path / "images", ["new.png"], size=8)
    (tmp_path / "u.csv").write_text("\n".join([lines[0], "images/new.png,1,new", *lines[:0:-1]]))
    assert run("splits", tmp_path / "u.csv", f"--out={tmp_path / 'b.parquet'}", *options) == 0
    assert split_of(tmp_path / "b.parquet").items() > drawn.items()
    assert run("splits", grouped, f"--out={tmp_path / 'c.parquet'}", *options, "--seed=7") == 0
    assert split_of(tmp_path / "c.parquet") != drawn
    root = open_root(str(out))
    assert len(root.load("train", name="train")) == counts["train"]


def test_shares_are_those_that_are_asked_for():
    keys = [f"k{n}" for n in range(20_000)]
    drawn = np.bincount(Shares(val=0.1, test=0.25).draw(keys, seed=3), minlength=3) / len(keys)
    assert drawn == pytest.approx([0.65, 0.1, 0.25], abs=0.01)


def test_pairs_by_name_stay_together(tmp_path):
    names = [f"{n:02}.png" for n in range(30)]
    for label in ("0_real", "1_fake"):
        write_tree(tmp_path / "r", [f"train/cat/{label}/{name}" for name in names], size=8)
    fakes = {f"train/cat/1_fake/{name}": n for n, name in enumerate(names)}
    for name, seed in fakes.items():
        (tmp_path / "r" / name).write_bytes(content(seed, size=8))
    assert run("splits", tmp_path / "r", f"--out={tmp_path / 'o.parquet'}", "--copies=exact") == 0
    drawn = split_of(tmp_path / "o.parquet")
    assert all(
        drawn[f"train/cat/0_real/{one}"] == drawn[f"train/cat/1_fake/{one}"] for one in names
    )
    assert len(set(drawn.values())) == 3


def test_pairs_stay_together_though_another_split_has_fakes_of_no_generator(tmp_path):
    names = [f"{n:02}.png" for n in range(30)]
    rows = [
        [f"{split}{label}/{name}", label, split, generator if label else ""]
        for split, generator in (("train", ""), ("test", "a"))
        for label in (0, 1)
        for name in names
    ]
    table = write_csv(tmp_path / "t.csv", ["image", "label", "split", "generator"], rows)
    out = tmp_path / "o.parquet"
    assert run("splits", table, f"--out={out}", "--copies=none", "--val=.3", "--test=.3") == 0
    drawn = split_of(out)
    for split in ("train", "test"):
        assert all(drawn[f"{split}0/{one}"] == drawn[f"{split}1/{one}"] for one in names)


def test_copies_exact_and_near_stay_together(tmp_path, capsys):
    """Each picture as PNG and once more as a JPEG that is a little smaller, under other names."""
    root = tmp_path / "r"
    for label, first in (("real", 0), ("fake", 100)):
        (root / label).mkdir(parents=True)
        for n in range(12):
            one = picture(first + n)
            one.save(root / label / f"{label}{n:02}.png")
            one.resize((60, 60)).save(root / label / f"z{label}{n:02}.jpg", quality=80)
    shutil.copy(root / "real" / "real00.png", root / "real" / "copy.png")
    (root / "fake" / "broken.png").write_bytes(b"no image")
    options = ("--val=.25", "--test=.25", "--seed=1")
    assert run("splits", root, f"--out={tmp_path / 'near.parquet'}", *options) == 0
    said = capsys.readouterr().out
    assert "1 images cannot be read, such as" in said
    assert "50 images in 25 bundles" in said
    drawn = split_of(tmp_path / "near.parquet")
    for label in ("real", "fake"):
        for n in range(12):
            copies = (f"{label}/{label}{n:02}.png", f"{label}/z{label}{n:02}.jpg")
            assert len({drawn[one] for one in copies}) == 1
    assert drawn["real/copy.png"] == drawn["real/real00.png"]
    assert run("audit", tmp_path / "near.parquet", f"--json={tmp_path / 'a.json'}") in (0, 1)
    assert '"exact_across_splits": {\n      "total": 0' in (tmp_path / "a.json").read_text()
    exact = tmp_path / "exact.parquet"
    assert run("splits", root, f"--out={exact}", *options, "--copies=exact") == 0
    assert "50 images in 49 bundles" in capsys.readouterr().out


def test_generators_lie_in_one_split_each_and_words_for_labels_are_none(tmp_path):
    rows = [[f"{n}.png", n % 2, f"g{n % 10}" if n % 2 else "real"] for n in range(200)]
    table = write_csv(tmp_path / "t.csv", ["image", "label", "generator"], rows)
    out = tmp_path / "o.parquet"
    options = (f"--out={out}", "--by=generator", "--copies=none", "--val=.3", "--test=.3")
    status = run("splits", table, *options)
    seed = 0
    while status:  # of five generators none may be drawn for a split
        seed += 1
        status = run("splits", table, *options, f"--seed={seed}")
    drawn = split_of(out)
    for generator in range(1, 10, 2):
        assert len({drawn[f"{n}.png"] for n in range(generator, 200, 10)}) == 1
    assert len({drawn[f"{n}.png"] for n in range(0, 200, 2)}) == 3


@pytest.mark.parametrize("column", ["category", "generator"])
def test_groups_stay_whole_beside_another_column(tmp_path, capsys, column):
    """Each group holds two words of the column; real images are of no generator."""
    rows = [
        [f"{n}.png", n % 2, f"w{n // 10}" if n % 2 or column == "category" else "", f"g{n // 20}"]
        for n in range(400)
    ]
    table = write_csv(tmp_path / "t.csv", ["image", "label", column, "group"], rows)
    out = tmp_path / "o.parquet"
    options = ("--copies=none", "--val=.3", "--test=.3", f"--by={column}")
    assert run("splits", table, f"--out={out}", *options) == 0
    assert "400 images in 20 bundles" in capsys.readouterr().out
    drawn = split_of(out)
    for first in range(0, 400, 20):
        assert len({drawn[f"{n}.png"] for n in range(first, first + 20)}) == 1


def test_rows_of_shards_are_drawn_too(tmp_path):
    columns = {"image": structs(60, lacking={3}), "label": [0, 1] * 30}
    write_parquet(tmp_path / "s" / "a.parquet", columns)
    out = tmp_path / "o.parquet"
    assert run("splits", tmp_path / "s", f"--out={out}", "--val=0", "--test=.4") == 0
    assert set(split_of(out).values()) == {"train", "test"}
    assert len(open_root(str(out)).load("train", name="train")) > 20


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--val=.6", "--test=.4"), "leave a share to train on"),
        (("--val=0", "--test=0"), "give one of them a share"),
        (("--val=1",), "--val"),
        (("--by=color",), "--by"),
        (("--by=category",), "no image has a category"),
        (("--val=.01", "--test=.01"), "would have no "),
        (("--by=generator",), "give larger shares or another --by; the largest of 1 bundles"),
        (("--out=a.csv",), "give it the ending .parquet"),
        (("--out=there.parquet",), "exists already"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(tmp_path, monkeypatch, capsys, options, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.parquet").write_text("mine")
    rows = [[f"{n}.png", n % 2, "x"] for n in range(60)]
    write_csv(tmp_path / "t.csv", ["image", "label", "generator"], rows)
    assert run("splits", "t.csv", "--out=o.parquet", "--copies=none", *options) == 2
    *_, error = capsys.readouterr().err.splitlines()
    assert says in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "there.parquet"]


def test_a_seed_that_an_error_names_is_one_that_works(tmp_path, capsys):
    rows = [[f"{n}.png", n % 2, f"g{n // 6}"] for n in range(60)]
    table = write_csv(tmp_path / "t.csv", ["image", "label", "group"], rows)
    line = ("splits", table, "--copies=none", f"--out={tmp_path / 'o.parquet'}")
    seed = 0
    while run(*line, f"--seed={seed}") == 0:
        (tmp_path / "o.parquet").unlink()
        seed += 1
    named = capsys.readouterr().err.rpartition("--seed=")[2].split()[0]
    assert run(*line, f"--seed={named}") == 0


def test_images_of_one_label_alone_are_refused(tmp_path, capsys):
    out = tmp_path / "o.parquet"
    table = write_csv(tmp_path / "t.csv", ["image", "label"], [[f"{n}.png", 1] for n in range(50)])
    assert run("splits", table, f"--out={out}", "--copies=none") == 2
    assert "t.csv: holds no real images; both are needed" in capsys.readouterr().err
