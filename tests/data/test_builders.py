"""Datasets of tensorflow_datasets that jaxdet did not write."""

import io

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxdet.config import Config, Data
from jaxdet.data.sources import open_root
from jaxdet.data.splits import load_test_sets, load_train_and_val
from jaxdet.errors import UserError


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def png(seed):
    file = io.BytesIO()
    Image.fromarray(picture(seed)).save(file, "PNG")
    return file.getvalue()


class Cifake(tfds.core.GeneratorBasedBuilder):
    """As the data set of that name is: train and test, FAKE before REAL."""

    VERSION = tfds.core.Version("2.10.0")
    LABELS = ("FAKE", "REAL")

    def _info(self):
        image = tfds.features.Image(shape=(24, 24, 3))
        label = tfds.features.ClassLabel(names=self.LABELS)
        features = tfds.features.FeaturesDict({"image": image, "label": label})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(0, 12), "test": self._generate_examples(100, 8)}

    def _generate_examples(self, first, count):
        for number in range(first, first + count):
            yield number, {"image": png(number), "label": self.LABELS[number % 3 == 0]}


class Digits(Cifake):
    """Labels that are numbers alone."""

    LABELS = ("0", "1")


class Generators(tfds.core.GeneratorBasedBuilder):
    """A user's own: each generator has reals of its own; names in text; a split of another name."""

    VERSION = tfds.core.Version("0.1.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(), "generator": tfds.features.Text(),
            "label": tfds.features.Text(), "height": np.int32,
        }  # fmt: skip
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {
            "train": self._generate_examples(0, ("adm",)),
            "validation": self._generate_examples(50, ("adm",)),
            "test": self._generate_examples(100, ("adm", "sd/v1")),
            "wild": self._generate_examples(200, ("flux",)),
        }

    def _generate_examples(self, first, generators):
        for number in range(first, first + 8):
            yield number, {
                "image": png(number), "generator": generators[number % len(generators)],
                "label": "nature" if number % 4 < 2 else "ai", "height": number,
            }  # fmt: skip


class Unlabelled(Cifake):
    """Whose test images nobody labelled: tfds says -1."""

    def _generate_examples(self, first, count):
        for number in range(first, first + count):
            yield number, {"image": png(number), "label": number % 2 if first == 0 else -1}


class Fakes(Cifake):
    """A test split without real images."""

    def _generate_examples(self, first, count):
        for number in range(first, first + count):
            yield number, {"image": png(number), "label": number % 2 if first == 0 else 0}


class Twice(Generators):
    """Two splits that are both validation."""

    def _split_generators(self, dl_manager):
        names = ("train", "validation", "dev")
        return {name: self._generate_examples(0, ("adm",)) for name in names}


class Odd(Generators):
    """A generator whose name leads out of its folder."""

    def _split_generators(self, dl_manager):
        return {"test": self._generate_examples(0, ("..",))}


class Identified(Cifake):
    """Somebody's image, label and id."""

    def _info(self):
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(),
                "label": tfds.features.ClassLabel(names=self.LABELS),
                "id": tfds.features.Text(),
            }
        )
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _generate_examples(self, first, count):
        for number, record in super()._generate_examples(first, count):
            yield number, {**record, "id": b"\xff" + str(number).encode()}


class Alone(Generators):
    """No labels: what no generator made is real."""

    def _info(self):
        features = {"image": tfds.features.Image(), "generator": tfds.features.Text()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"test": self._generate_examples()}

    NAMES = ("real", "adm", "adm", "real", "flux")

    def _generate_examples(self):
        for number, name in enumerate(self.NAMES):
            yield number, {"image": png(number), "generator": name}


class Nobody(Alone):
    """No labels, and no generator for what may be real."""

    NAMES = ("none", "adm")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    def prepare(kind, file_format="array_record"):
        folder = tmp_path_factory.mktemp("tfds")
        builder = kind(data_dir=folder, file_format=file_format)
        tfds.disable_progress_bar()
        builder.download_and_prepare()
        return builder

    return prepare


def seeds_of(images):
    """Which pictures a set has, by their pixels; and their labels."""
    known = {picture(seed).tobytes(): seed for seed in range(300)}
    read = [images.read(i, max_pixels=10**6)[..., ::-1] for i in range(len(images))]
    return dict(zip((known[one.tobytes()] for one in read), images.labels.tolist(), strict=True))


def test_a_builder_with_named_labels_is_a_training_set_and_a_test_set(prepared, monkeypatch):
    builder = prepared(Cifake)
    monkeypatch.setenv("TFDS_DATA_DIR", str(builder.data_path.parents[1]))
    root = open_root("tfds:cifake")
    assert (root.has("train"), root.has("val"), root.categories("test")) == (
        True,
        False,
        ["cifake"],
    )
    images = root.load("train", name="train")
    assert seeds_of(images) == {seed: int(seed % 3 != 0) for seed in range(12)}
    assert images.labels.sum() == 8  # FAKE is the builder's label 0
    test = root.load("test/cifake", name="cifake")
    assert seeds_of(test) == {seed: int(seed % 3 != 0) for seed in range(100, 108)}
    config = Config(data=Data(root="tfds:cifake", val_fraction=0.3))
    train, val = load_train_and_val(config)
    assert sorted({*seeds_of(train), *seeds_of(val)}) == list(range(12))
    assert [one.name for one in load_test_sets(config)] == ["cifake"]


def test_generators_that_have_both_labels_are_sets(prepared):
    root = open_root(f"tfds:{prepared(Generators).data_path}")
    assert root.categories("test") == ["adm", "sd_v1", "wild"]
    assert root.categories("train") == ["adm"]
    assert seeds_of(root.load("val", name="val")) == {s: int(s % 4 > 1) for s in range(50, 58)}
    adm = seeds_of(root.load("test/adm", name="adm"))
    assert adm == {s: int(s % 4 > 1) for s in range(100, 108, 2)}
    wild = root.load("test/wild", name="wild", categories=["flux"])
    assert seeds_of(wild) == {s: int(s % 4 > 1) for s in range(200, 208)}
    taken = wild.take([3, 1])
    assert list(seeds_of(taken).values()) == wild.labels[[3, 1]].tolist()


def test_without_labels_what_no_generator_made_is_real(prepared):
    root = open_root(f"tfds:{prepared(Alone).data_path}")
    assert root.categories("test") == ["alone"]
    images = root.load("test/alone", name="alone")
    assert seeds_of(images) == {0: 0, 1: 1, 2: 1, 3: 0, 4: 1}


def test_an_id_of_others_is_not_our_path(prepared):
    images = open_root(f"tfds:{prepared(Identified).data_path}").load("train", name="train")
    assert seeds_of(images) == {seed: int(seed % 3 != 0) for seed in range(12)}


def test_records_are_read_once_for_their_labels(prepared, capfd):
    place = f"tfds:{prepared(Cifake).data_path}"
    for _ in range(3):
        assert len(open_root(place).load("test/cifake", name="a")) == 8
    assert capfd.readouterr().err.count("reading the labels of 20 records") == 1


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Unlabelled, "split test: a record's label is -1|: a record's label is -1"),
        (Twice, "two of its splits hold val"),
        (Odd, r"a generator is called '\.\.', which cannot be a folder"),
        (Nobody, "no label and its generator is 'none'"),
    ],
)
def test_what_no_name_decides_is_refused(prepared, kind, says):
    with pytest.raises(UserError, match=says):
        open_root(f"tfds:{prepared(kind).data_path}")


def test_a_set_of_one_label_is_refused(prepared):
    root = open_root(f"tfds:{prepared(Fakes).data_path}")
    root.load("train", name="train")
    with pytest.raises(UserError, match="test/fakes has no 0_real; both are needed"):
        root.load("test/fakes", name="fakes")


@pytest.mark.parametrize(
    ("file", "content"), [("dataset_info.json", '{"fileFormat": "array_record"}'),
                          ("features.json", "{}"), ("features.json", "[]")],
)  # fmt: skip
def test_a_dataset_that_says_nothing_of_itself_is_refused(prepared, file, content):
    folder = prepared(Cifake).data_path
    (folder / file).write_text(content)
    with pytest.raises(UserError, match=r"2\.10\.0: cannot be read"):
        open_root(f"tfds:{folder}")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (("train/REAL/a/b.png",), "not in <split>/<label>/"),
        (("train/a.png",), "not in <split>/<label>/"),
        (("val/REAL/a.png", "validation/REAL/a.png"), "would both be val/0_real"),
        (("train/REAL/a.png", "train/nature/a.png"), "would both be train/0_real"),
        ((), "no dataset of tfds, and no <split>/<label>/<image>"),
    ],
)
def test_a_tree_of_another_form_is_refused(tmp_path, files, says):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png(0))
    with pytest.raises(UserError, match=says):
        open_root(f"tfds:{tmp_path}")
    with pytest.raises(UserError, match="names no dataset"):
        open_root("tfds:")


def test_what_cannot_be_read_or_understood_is_one_line(prepared, tmp_path):
    digits = prepared(Digits).data_path
    with pytest.raises(
        UserError, match=r"a label is called '[01]', which says neither real nor fake"
    ):
        open_root(f"tfds:{digits}")
    info = digits / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    with pytest.raises(UserError, match="which needs TensorFlow; prepare it with file_format"):
        open_root(f"tfds:{digits}")
    damaged = prepared(Cifake).data_path
    (file,) = damaged.glob("*test*array_record*")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match="split test cannot be read"):
        open_root(f"tfds:{damaged}")
    (tmp_path / "train" / "cats").mkdir(parents=True)
    (tmp_path / "train" / "cats" / "a.png").write_bytes(png(0))
    with pytest.raises(UserError, match="a label is called 'cats'"):
        open_root(f"tfds:{tmp_path}")


def test_a_feature_is_never_a_module_of_anothers(prepared):
    folder = prepared(Cifake).data_path
    features = folder / "features.json"
    text = features.read_text()
    module = "tensorflow_datasets.core.features.image_feature.Image"
    features.write_text(text.replace(module, "antigravity.Image"))
    assert features.read_text() != text
    with pytest.raises(UserError, match="features that are not tfds's own"):
        open_root(f"tfds:{folder}")


def test_a_tree_of_imagefolder_is_the_plain_layout_of_the_same_images(tmp_path):
    tree, plain = tmp_path / "cifake", tmp_path / "plain"
    parts = (
        ("train", "train", range(5), range(5, 9)),
        ("validation", "val", range(9, 12), range(12, 14)),
        ("test", "test/cifake", range(14, 17), range(17, 20)),
        ("hard", "test/hard", range(20, 22), range(22, 25)),
    )
    files = [
        (split, name, label, seeds)
        for split, name, reals, fakes in parts
        for label, seeds in (("REAL", reals), ("FAKE", fakes))
    ]
    for split, name, label, seeds in files:
        for top in (
            tree / split / label,
            plain / name / {"REAL": "0_real", "FAKE": "1_fake"}[label],
        ):
            top.mkdir(parents=True, exist_ok=True)
            for seed in seeds:
                (top / f"{seed:02}.png").write_bytes(png(seed))
    root = open_root(f"tfds:{tree}")
    same = open_root(str(plain))
    assert root.categories("test") == same.categories("test") == ["cifake", "hard"]
    for place in ("train", "val", "test/cifake", "test/hard"):
        images, wanted = root.load(place, name="x"), same.load(place, name="x")
        assert list(images.ids) == list(wanted.ids)
        assert seeds_of(images) == seeds_of(wanted)
        assert images.take([1, 0]).ids == (images.ids[1], images.ids[0])
    assert images.path(0).exists()
