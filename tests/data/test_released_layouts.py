"""Twelve layouts of one set of images: the same images, labels, generators and groups."""

import json

import numpy as np
import pytest

from jaxdet.config import Config, Data
from jaxdet.config.data import LAYOUTS as NAMED
from jaxdet.data.sources import open_root
from jaxdet.data.splits import load_test_sets
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.layouts import LAYOUTS
from jaxdet.data.words import REAL, is_real_folder
from jaxdet.errors import UserError
from tests.data.table_files import write_csv, write_jsonl, write_parquet, write_tree

GENERATORS = ("ADM", "BigGAN")
COUNT = 4


def reading(layout="auto", labels=None):
    return Reading.of(columns="", labels=json.dumps(labels) if labels else "", layout=layout)


def names(generator, label):
    return [f"{generator[0]}{label}{number}.png" for number in range(COUNT)]


def tree(root, place):
    """Writes the images of each generator and label where `place` puts them."""
    return write_tree(
        root,
        [
            f"{place(generator, label)}/{name}"
            for generator in GENERATORS
            for label in (0, 1)
            for name in names(generator, label)
        ],
    )


def rows():
    return [
        {"image": f"all/{name}", "label": label, "generator": generator, "group": name[:2]}
        for generator in GENERATORS
        for label in (0, 1)
        for name in names(generator, label)
    ]


def forensynths(root):
    return tree(root, lambda generator, label: f"test/{generator}/{('0_real', '1_fake')[label]}")


def genimage(root):
    return tree(
        root,
        lambda generator, label: (
            f"{generator}/imagenet_{generator.lower()}/val/{('nature', 'ai')[label]}"
        ),
    )


def real_fake(root):
    return tree(root, lambda generator, label: f"{('Real', 'FAKE')[label]}/{generator}")


def below_generators(root):
    return tree(root, lambda generator, label: f"{generator}/{('real', 'fake')[label]}")


def without_split(root):
    return tree(root, lambda generator, label: f"{generator}/{('0_real', '1_fake')[label]}")


def table(write):
    def made(root):
        tree(root, lambda generator, label: "all")
        return write(root)

    return made


def by_csv(root):
    return write_csv(root / "a.csv", list(rows()[0]), [list(row.values()) for row in rows()])


def by_tsv(root):
    cells = [list(row.values()) for row in rows()]
    return write_csv(root / "a.tsv", list(rows()[0]), cells, delimiter="\t")


def by_jsonl(root):
    return write_jsonl(root / "a.jsonl", rows())


def by_parquet(root, *, of=rows, name="a.parquet"):
    columns = {key: [row[key] for row in of()] for key in rows()[0]}
    return write_parquet(root / name, columns)


def by_bytes(root):
    columns = {key: [row[key] for row in rows()] for key in rows()[0]}
    columns["image"] = [(root / row["image"]).read_bytes() for row in rows()]
    return write_parquet(root / "a.parquet", columns)


def by_words(root):
    """As OpenFake: words, and the generator in a column `model`."""
    columns = {
        "image": [row["image"] for row in rows()],
        "label": [("real", "fake")[row["label"]] for row in rows()],
        "model": [row["generator"] for row in rows()],
        "prompt": [None] * len(rows()),
        "source_id": [row["group"] for row in rows()],
    }
    return write_parquet(root / "a.parquet", columns)


def by_shards(root):
    (root / "s").mkdir()
    for number in range(4):
        columns = {key: [row[key] for row in rows()[number::4]] for key in rows()[0]}
        columns["image"] = [
            {"bytes": (root / one).read_bytes(), "path": one} for one in columns["image"]
        ]
        write_parquet(root / "s" / f"test-{number:05}-of-00004.parquet", columns)
    return root / "s"


FORMS = {
    "forensynths": forensynths,
    "genimage": genimage,
    "real_fake": real_fake,
    "below generators": below_generators,
    "without split": without_split,
    "csv": table(by_csv),
    "tsv": table(by_tsv),
    "jsonl": table(by_jsonl),
    "parquet of paths": table(by_parquet),
    "parquet of bytes": table(by_bytes),
    "parquet of words": table(by_words),
    "shards": table(by_shards),
}


def listed(path, how=None):
    """Returns set, label and bytes of every image."""
    root = open_root(str(path), reading=how)
    found = set()
    for name in root.categories("test"):
        images = root.load(f"test/{name}", name=name)
        for index, label in enumerate(images.labels.tolist()):
            found.add((name, label, images.content(index, max_pixels=10**6)))
    return found


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_same_images(tmp_path, form):
    plain = listed(forensynths(tmp_path / "plain"))
    assert len(plain) == 16
    assert listed(FORMS[form](tmp_path / "other")) == plain


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet of words", "shards"])
def test_groups_are_kept(tmp_path, form):
    root = open_root(str(FORMS[form](tmp_path / "other")))
    images = root.load("test/ADM", name="ADM")
    assert set(images.group_names()) == {"A0", "A1"}


def test_the_schema_names_the_layouts():
    assert tuple(LAYOUTS) == NAMED


def test_univfd_holds_fakes_against_their_own_reals(tmp_path):
    write_tree(tmp_path, ["imagenet/0_real/i.png", "laion/0_real/l0.png", "laion/0_real/l1.png"])
    write_tree(tmp_path, ["guided/1_fake/g.png", "ldm_200/1_fake/m.png", "dalle/1_fake/d.png"])
    root = open_root(str(tmp_path))
    assert root.categories("test") == ["dalle", "guided", "ldm_200"]
    counts = {n: len(root.load(f"test/{n}", name=n)) for n in root.categories("test")}
    assert counts == {"dalle": 3, "guided": 2, "ldm_200": 3}
    assert "read as data.layout=univfd: 3 real and 3 fake images, test" in root.left_aside(["test"])


def test_fakes_of_many_generators_share_the_real_images(tmp_path):
    write_tree(tmp_path, [f"real_RAISE_1k/{number}.png" for number in range(3)])
    write_tree(
        tmp_path, [f"{name}/{number}.png" for name in ("dalle2", "glide") for number in "ab"]
    )
    root = open_root(str(tmp_path))
    assert root.categories("test") == ["dalle2", "glide"]
    images = root.load("test/glide", name="glide")
    assert images.labels.tolist() == [0, 0, 0, 1, 1]
    assert [part.name for part in images.parts] == ["real", "glide (fake)"]
    assert len(set(images.ids)) == 5


def test_drct_has_splits_of_other_names(tmp_path):
    write_tree(
        tmp_path, [f"ldm/{split}/{n}.png" for split in ("train2017", "val2017") for n in "ab"]
    )
    write_tree(
        tmp_path, [f"coco/{split}/{n}.png" for split in ("train2017", "val2017") for n in "cd"]
    )
    root = open_root(str(tmp_path), reading=reading("drct", {"coco": "real"}))
    assert root.categories("test") == ["ldm"]
    assert root.load("test/ldm", name="ldm").labels.tolist() == [0, 0, 1, 1]
    assert root.load("train", name="train").labels.tolist() == [0, 0, 1, 1]
    with pytest.raises(UserError, match="coco is called as if it were real; say which"):
        open_root(str(tmp_path))


@pytest.mark.parametrize("name", ["real_coco_valid", "Real", "MSCOCO", "coco2017", "nature",
    "natural-images", "Authentic", "human", "photos", "raise", "RAISE_1k", "0_real"])  # fmt: skip
def test_folders_called_real_are_not_taken_for_fakes(tmp_path, name):
    write_tree(tmp_path, ["real_RAISE_1k/a.png", f"{name}/b.png", "sdxl/c.png"])
    for layout in ("synthbuster", "drct"):
        with pytest.raises(UserError, match=f"{name} is called as if it were real; say which with"):
            open_root(str(tmp_path), reading=reading(layout, {"real_RAISE_1k": "real"}))
    root = open_root(str(tmp_path), reading=reading("synthbuster", {name: "real"}))
    assert root.categories("test") == ["sdxl"]
    assert root.load("test/sdxl", name="sdxl").labels.tolist() == [0, 0, 1]
    root = open_root(str(tmp_path), reading=reading("synthbuster", {name: "fake"}))
    assert root.sets()[0].labels.sum() >= 1


def test_words_for_real_have_one_list():
    assert all(is_real_folder(word.upper()) for word in REAL)
    assert not any(map(is_real_folder, ("RealVisXL", "photorealistic", "humanoid", "cocoa")))


def test_layouts_known_by_their_folders_may_lie_deeper(tmp_path):
    """As their archives unpack: below a folder of their name, the real images beside it or not."""
    write_tree(tmp_path / "sb", ["real_RAISE_1k/a.png", "synthbuster/dalle2/b.png"])
    write_tree(tmp_path / "sb", ["synthbuster/glide/c.png"])
    assert open_root(str(tmp_path / "sb")).categories("test") == ["dalle2", "glide"]
    sets = tmp_path / "u" / "diffusion_datasets"
    write_tree(sets, ["imagenet/0_real/i.png", "laion/0_real/l.png", "laion/0_real/m.png"])
    write_tree(sets, ["guided/1_fake/g.png", "dalle/1_fake/d.png"])
    root = open_root(str(tmp_path / "u"))
    assert {one.name: len(one) for one in root.sets()} == {"test/dalle": 3, "test/guided": 2}


def test_a_set_whose_name_is_a_word_for_fakes_stays_one(tmp_path):
    write_tree(tmp_path, [f"test/{name}/{label}/{name}{label}.png" for name in ("gan", "sd")
                          for label in ("real", "fake")])  # fmt: skip
    assert open_root(str(tmp_path)).categories("test") == ["gan", "sd"]
    # Where the word says no more than the label, it names no generator.
    rows = [["a.png", 0, "real"], ["b.png", 1, "gan"], ["c.png", 1, "sd"]]
    table = write_csv(tmp_path / "t.csv", ["path", "label", "generator"], rows)
    assert open_root(str(table)).categories("test") == ["fake", "sd"]


def test_genimage_trains_on_train_and_tests_on_val(tmp_path):
    for split in ("train", "val"):
        write_tree(tmp_path, [f"ADM/x/{split}/{label}/{split}.png" for label in ("ai", "nature")])
        write_tree(tmp_path, [f"glide/y/{split}/{label}/{split}.png" for label in ("ai", "nature")])
    root = open_root(str(tmp_path))
    assert root.categories("train") == ["ADM", "glide"]
    assert root.categories("test") == ["ADM", "glide"]
    assert not root.has("val")


def test_one_set_in_test_itself(tmp_path):
    """Chameleon's layout, which the plain one refuses."""
    write_tree(tmp_path / "Chameleon", ["test/0_real/a.png", "test/1_fake/b.png"])
    path = str(tmp_path / "Chameleon")
    with pytest.raises(UserError, match=r"data.layout=forensynths"):
        load_test_sets(Config(data=Data(root=path)))
    assert open_root(path, reading=reading("forensynths")).categories("test") == ["Chameleon"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (
            ["ai/real/a.png", "ai/fake/b.png"],
            "two layouts fit: by data.layout=genimage ai/real is fake; by data.layout=real_fake "
            "ai/real is real",
        ),
        (
            ["x/nature/a.png", "x/0_real/b.png"],
            "two layouts fit: by data.layout=forensynths x/0_real is real; by data.layout=genimage "
            "x/0_real is left aside",
        ),
        (["real/fake/a.png"], "real/fake: real says real and fake says fake"),
        (["cats/a.png", "dogs/b.png"], "no folder says which images are real: cats, dogs"),
    ],
)
def test_what_may_be_read_in_two_ways_is_asked(tmp_path, paths, message):
    write_tree(tmp_path, paths)
    with pytest.raises(UserError) as raised:
        open_root(str(tmp_path))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "data.l" in str(raised.value)


def test_what_the_user_says_of_folders_counts_alone(tmp_path):
    write_tree(tmp_path, ["ai/real/a.png", "ai/fake/b.png", "cats/c.png"])
    root = open_root(str(tmp_path), reading=reading(labels={"cats": "fake", "real": "real"}))
    found = listed(tmp_path, reading(labels={"cats": "fake", "real": "real"}))
    assert sorted(label for _, label, _ in found) == [0, 1]
    assert "1 image file in folders that are not looked into: ai/fake (1)" in root.left_aside([])
    swapped = listed(tmp_path, reading(labels={"real": "fake", "fake": "real"}))
    assert {label for _, label, _ in swapped} == {0, 1}


def test_hidden_and_other_files_are_left_aside(tmp_path):
    write_tree(tmp_path, ["real/a.png", "fake/b.png", ".git/real/c.png", "__MACOSX/fake/d.png"])
    (tmp_path / "README.md").write_text("read me")
    root = open_root(str(tmp_path))
    assert len(listed(tmp_path)) == 2
    assert "1 .md" in root.left_aside([])


def test_labels_hold_for_millions_of_rows(tmp_path):
    """A row more is a few bytes more: ids are made as they are asked for."""
    count = 200_000
    paths = [f"{number}.png" for number in range(count)]
    columns = {"image": paths, "label": np.arange(count) % 2}
    root = open_root(str(write_parquet(tmp_path / "a.parquet", columns, group=count)))
    images = root.load("test/a", name="a")
    assert len(images) == count
    assert images.ids[0] == "0_real/00000000-0.png"
    assert images.ids[-1] == "1_fake/00199999-199999.png"
