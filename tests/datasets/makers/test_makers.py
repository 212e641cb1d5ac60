import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jaxdet.datasets.makers.autogan import AutoganSettings
from jaxdet.datasets.makers.dcgan import DcganSettings
from jaxdet.datasets.makers.dip import DipSettings
from jaxdet.datasets.makers.methods import make_dataset
from jaxdet.datasets.makers.photos import find_photographs
from jaxdet.datasets.makers.place import making, write_record
from jaxdet.datasets.makers.sets import cut_splits
from jaxdet.datasets.makers.synth import describe
from jaxdet.datasets.makers.wgan_gp import WganGpSettings
from jaxdet.errors import UserError
from tests.datasets.makers.test_photos import save_photographs

COUNTS = {"train_images": 6, "val_images": 2, "test_images": 3}
SMALL = {"size": 32, "width": 4, **COUNTS}
TINY = {
    "dip": DipSettings(iterations=12, at_once=4, **SMALL),
    "autogan": AutoganSettings(blocks=1, epochs=2, batch_size=2, **SMALL),
    "dcgan": DcganSettings(steps=4, batch_size=4, **SMALL),
    "wgan_gp": WganGpSettings(steps=4, batch_size=4, critic_steps=2, **SMALL),
}
KINDS = {"dip": [f"iteration_{i:04d}" for i in (2, 4, 6, 8, 10, 12)]}
LABELS = ("0_real", "1_fake")


def quiet(line):
    """Says nothing."""


def killed_after(lines):
    """Says nothing either, and is interrupted when it is told one line more."""
    told = []

    def say(line):
        told.append(line)
        if len(told) > lines:
            raise KeyboardInterrupt

    return say


def contents(root):
    return {f.relative_to(root): f.read_bytes() for f in root.rglob("*") if f.is_file()}


def pixels(folder):
    return np.stack([np.asarray(Image.open(f)) for f in sorted(folder.iterdir())])


def sorted_by_name(crops):
    return crops.images[np.argsort(crops.names)]


# One test a method, since each takes long to compile. All share what is written, and the parts of
# each have tests of their own.
@pytest.mark.slow
@pytest.mark.parametrize("method", TINY)
def test_a_method_from_photographs_to_its_record(method, tmp_path):
    root, told = tmp_path / "set", []
    make_dataset(root, settings=TINY[method], say=told.append)
    check_layout_and_counts(method, root)
    check_reals_and_fakes_differ_in_pixels_only(root)
    check_reals_are_the_crops_of_the_settings(method, root)
    check_record_tells_what_was_measured(method, root)
    check_killed_it_goes_on_to_the_same_bytes(method, root, told, again=tmp_path / "again")
    check_killed_before_it_has_its_name_it_is_only_renamed(method, root, late=tmp_path / "late")
    check_finished_it_is_left_alone(method, root)
    if method == "dcgan":
        check_a_damaged_snapshot_is_named(method, tmp_path / "damaged")
        check_other_settings_on_a_beginning_are_refused(method, tmp_path / "begun")


def check_layout_and_counts(method, root):
    kinds = KINDS.get(method)
    sets = {f"{s}/{kind}": s for s in ("train", "val") for kind in kinds or ["photo"]}
    sets |= {f"test/{method}/{kind}".rstrip("/"): "test" for kind in kinds or [""]}
    assert {f.name for f in root.iterdir()} == {"train", "val", "test", "samples", "synth.json"}
    found = {str(f.parent.relative_to(root)) for f in root.glob("t*/**/*.png")}
    assert found | {str(f.parent.relative_to(root)) for f in root.glob("val/**/*.png")} == {
        f"{where}/{label}" for where in sets for label in LABELS
    }
    for where, split in sets.items():
        names = [sorted(f.name for f in (root / where / label).iterdir()) for label in LABELS]
        assert names[0] == names[1]
        assert len(names[0]) == COUNTS[f"{split}_images"]


def check_reals_and_fakes_differ_in_pixels_only(root):
    for real in root.rglob("0_real/*"):
        fake = real.parent.parent / "1_fake" / real.name
        for file in (real, fake):
            with Image.open(file) as image:
                assert (image.format, image.mode, image.size) == ("PNG", "RGB", (32, 32))
        pair = [np.asarray(Image.open(file)) for file in (real, fake)]
        assert (pair[0] != pair[1]).any()
        gray = [(image == image[..., :1]).all() for image in pair]
        assert gray[1] or not gray[0]  # a gray photograph's fake is gray


def check_reals_are_the_crops_of_the_settings(method, root):
    photographs = find_photographs(None, seed=0, size=32)
    crops = cut_splits(TINY[method], photographs=photographs)
    for split, place in (("val", KINDS.get(method, ["photo"])[0]), ("test", method)):
        for folder in (root / split / place).rglob("0_real"):
            assert (pixels(folder) == sorted_by_name(crops[split])).all()


def check_killed_it_goes_on_to_the_same_bytes(method, root, lines_of_one_go, *, again):
    for lines in (0, 2):  # the second time it goes on from the second line's snapshot
        with pytest.raises(KeyboardInterrupt):
            make_dataset(again, settings=TINY[method], say=killed_after(lines))
        assert not again.exists()
    told = []
    make_dataset(again, settings=TINY[method], say=told.append)
    assert contents(again) == contents(root)
    assert len(told) <= len(lines_of_one_go) - 2


def check_killed_before_it_has_its_name_it_is_only_renamed(method, root, *, late):
    # What a kill leaves between the record and the rename: all, and perhaps the snapshots.
    shutil.copytree(root, late.parent / f".{late.name}.making")
    (late.parent / f".{late.name}.making" / "snapshots").mkdir()
    told = []
    make_dataset(late, settings=TINY[method], say=told.append)
    assert contents(late) == contents(root)
    assert len(told) == 1
    assert not (late / "snapshots").exists()


def check_other_settings_on_a_beginning_are_refused(method, folder):
    root, settings = folder / "set", TINY[method]
    with pytest.raises(KeyboardInterrupt):
        make_dataset(root, settings=settings, say=killed_after(0))
    before = contents(folder)
    with pytest.raises(
        UserError, match=r"beginning of .* other settings or photographs \(steps: \d+ -> 3\)"
    ):
        make_dataset(root, settings=replace(settings, steps=3), say=quiet)
    assert contents(folder) == before


def test_photographs_replaced_under_their_names_are_other_ones(tmp_path):
    save_photographs(tmp_path, count=8)
    settings = replace(TINY["dcgan"], photos=str(tmp_path))

    def asked():
        return describe(settings, photographs=find_photographs(tmp_path, seed=0, size=32))

    before = asked()
    with making(tmp_path / "set", asked=before) as partial:
        shutil.copyfile(tmp_path / "photo 0.png", tmp_path / "photo 1.png")
        write_record(partial, record={"status": "making", **before})
    (tmp_path / "set").rename(partial)
    with (
        pytest.raises(UserError, match=r"beginning of a dataset with other .* photographs"),
        making(tmp_path / "set", asked=asked()),
    ):
        pass


def check_a_damaged_snapshot_is_named(method, folder):
    root, settings = folder / "set", TINY[method]
    with pytest.raises(KeyboardInterrupt):
        make_dataset(root, settings=settings, say=killed_after(0))
    (snapshot,) = folder.rglob("training.msgpack")
    snapshot.write_bytes(snapshot.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"training.msgpack.*remove it"):
        make_dataset(root, settings=settings, say=quiet)


def check_finished_it_is_left_alone(method, root):
    told, before = [], contents(root)
    make_dataset(root, settings=TINY[method], say=told.append)
    assert told == [f"{root}: already there"]
    with pytest.raises(UserError, match=r"other settings.*width: 4 -> 5"):
        make_dataset(root, settings=replace(TINY[method], width=5), say=quiet)
    assert contents(root) == before


def check_record_tells_what_was_measured(method, root):
    record = json.loads((root / "synth.json").read_text())
    assert record["status"] == "finished"
    assert record["settings"]["method"] == method
    assert record["images_per_label"] == {"train": 6, "val": 2, "test": 3}
    if method == "dip":
        told = record["dip"]["snapshots"]["train"]
        assert list(told) == ["2", "4", "6", "8", "10", "12"]
        assert told["12"]["psnr_db"] > told["2"]["psnr_db"]
        assert told["12"]["psnr_db_min"] <= told["12"]["psnr_db"] <= told["12"]["psnr_db_max"]
    else:
        rows = record[method]["history"]
        assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
        assert all(np.isfinite(list(row.values())).all() for row in rows)
    assert len(list((root / "samples").glob("*.png"))) == (4 if method == "dip" else len(rows))


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (DipSettings, {"size": 96}),
        (DipSettings, {"size": 4}),
        (DipSettings, {"levels": 4}),
        (DipSettings, {"width": 0}),
        (DipSettings, {"levels": -1, "network": "hourglass"}),
        (DipSettings, {"upsampling": "nearest"}),
        (DipSettings, {"network": "stylegan"}),
        (DipSettings, {"size": 96, "levels": 6, "network": "hourglass"}),
        (DipSettings, {"size": 32, "network": "hourglass"}),
        (DipSettings, {"upsampling": "transposed", "network": "hourglass"}),
        (DipSettings, {"iterations": 5}),
        (DipSettings, {"at_once": 0}),
        (AutoganSettings, {"size": 33}),
        (AutoganSettings, {"blocks": -1}),
        (AutoganSettings, {"identity_weight": -1.0}),
        (AutoganSettings, {"upsampling": "bilinear"}),
        (DcganSettings, {"size": 72}),
        (DcganSettings, {"batch_size": 1}),
        (DcganSettings, {"seed": -1}),
        (WganGpSettings, {"critic_steps": 0}),
        (WganGpSettings, {"train_images": 0}),
    ],
)
def test_settings_that_cannot_be(kind, wrong):
    flag = next(iter(wrong)).replace("_", "-")
    with pytest.raises(UserError, match=f"--{flag}="):
        kind(**wrong)
