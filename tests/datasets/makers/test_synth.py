import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jaxdet.datasets.makers.synth import ROUNDS, SynthSettings, fidelity, synthesise
from jaxdet.errors import UserError

TINY = SynthSettings(size=32, train_images=12, val_images=4, test_images=5, steps=2)


def quiet(line):
    """Says nothing."""


def contents(root):
    return {f.relative_to(root): f.read_bytes() for f in root.rglob("*.png")}


def pixels(folder):
    return np.stack([np.asarray(Image.open(f)) for f in sorted(folder.iterdir())])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("synth") / "set"
    synthesise(root, settings=TINY, say=quiet)
    return root


def test_layout_and_counts(made):
    counts = {}
    for path in contents(made):
        counts[str(path.parent)] = counts.get(str(path.parent), 0) + 1
    sets = {"train/photo": 12, "val/photo": 4, **{f"test/{name}": 5 for name in ROUNDS}}
    labels = ("0_real", "1_fake")
    assert counts == {f"{s}/{label}": n for s, n in sets.items() for label in labels}


def test_reals_and_fakes_differ_in_pixels_only(made):
    for path in contents(made):
        with Image.open(made / path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (32, 32))
    for folder in [*made.glob("*/photo"), *made.glob("test/*")]:
        real, fake = pixels(folder / "0_real"), pixels(folder / "1_fake")
        assert (real != fake).any(axis=(1, 2, 3)).all()
        names = [[f.name for f in sorted((folder / lb).iterdir())] for lb in ("0_real", "1_fake")]
        assert names[0] == names[1]


def test_no_photograph_is_in_two_splits(made):
    seen = {}
    for path in contents(made):
        seen.setdefault(path.name.rsplit("_", 1)[0], set()).add(path.parts[0])
    assert len(seen) > 10
    assert all(len(splits) == 1 for splits in seen.values())


def test_record_tells_how_it_was_made(made):
    record = json.loads((made / "synth.json").read_text())
    assert record["status"] == "finished"
    assert record["images_per_label"] == {"train": 12, "val": 4, "test": 5}
    assert set(record["generators"]) == set(ROUNDS)
    assert all(0 < g["psnr_db"] < 60 and g["l1"] > 0 for g in record["generators"].values())
    assert "jax" in record["versions"]


@pytest.mark.slow
def test_same_seed_gives_the_same_bytes_and_another_seed_others(made, tmp_path):
    synthesise(tmp_path / "again", settings=TINY, say=quiet)
    assert contents(tmp_path / "again") == contents(made)
    synthesise(tmp_path / "other", settings=replace(TINY, seed=1), say=quiet)
    other = contents(tmp_path / "other")
    assert other.keys() == contents(made).keys()
    assert all(other[name] != old for name, old in contents(made).items())


def test_started_again_it_does_nothing(made):
    before = {f: f.stat().st_mtime_ns for f in made.rglob("*")}
    said, lock = [], made.with_name(f".{made.name}.lock")
    lock.touch()  # as a kill at the very end leaves it
    synthesise(made, settings=TINY, say=said.append)
    assert said == [f"{made}: already there"]
    assert not lock.exists()
    assert {f: f.stat().st_mtime_ns for f in made.rglob("*")} == before


def test_other_settings_on_the_same_folder_are_refused(made):
    before = contents(made)
    with pytest.raises(UserError, match=r"other settings.*seed: 0 -> 7"):
        synthesise(made, settings=replace(TINY, seed=7), say=quiet)
    assert contents(made) == before


def test_a_foreign_folder_is_left_untouched(tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(UserError, match="something else"):
        synthesise(tmp_path, settings=TINY, say=quiet)
    assert [f.name for f in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_own_photographs(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(6):
        image = Image.fromarray(rng.integers(0, 256, (70, 90, 3), dtype=np.uint8))
        image.save(tmp_path / "photos" / f"p{i}.jpg")
    settings = replace(TINY, photos=str(tmp_path / "photos"), steps=1)
    synthesise(tmp_path / "set", settings=settings, say=quiet)
    record = json.loads((tmp_path / "set" / "synth.json").read_text())
    assert [len(record["photographs"][s]) for s in ("train", "val", "test")] == [3, 1, 2]
    assert len(contents(tmp_path / "set")) == 2 * (12 + 4 + 5 * len(ROUNDS))


@pytest.mark.parametrize(
    "wrong", [{"size": 28}, {"size": 70}, {"seed": -1}, {"train_images": 0}, {"steps": 0}]
)
def test_settings_that_cannot_be(wrong):
    flag = next(iter(wrong)).replace("_", "-")
    with pytest.raises(UserError, match=f"--{flag}="):
        SynthSettings(**wrong)


def test_a_folder_that_cannot_be_written_is_the_users_mistake(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        synthesise(tmp_path / "file" / "set", settings=TINY, say=quiet)


def test_fidelity_of_one_level_everywhere():
    real = np.full((2, 4, 4, 3), 100, np.uint8)
    got = fidelity(real, real + np.uint8(1))
    assert got == {"l1": 1.0, "psnr_db": 48.13}  # 20 log10 255
