import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxdet.config import Runtime
from jaxdet.data.loaders import TrainLoader
from jaxdet.data.pipeline import open_batches
from jaxdet.data.readers import Reader
from jaxdet.data.sources import open_root
from jaxdet.datasets.pack.listing import list_files
from jaxdet.errors import UserError
from tests.conftest import killed_while_writing
from tests.data.test_loaders import AUGMENT, same
from tests.datasets.pack.test_store import assert_same

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def written(dataset, tmp_path):
    from jaxdet.datasets.pack.arrayrecord_writer import write_tfds

    return write_tfds(list_files(dataset), tmp_path / "tfds", name="forensynths")


def test_a_tfds_dataset_is_the_folder_in_pixels_order_labels_and_sizes(dataset, written):
    assert_same(open_root(str(dataset)), open_root(f"tfds:{written}"))


def test_it_is_found_by_its_name(written, monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    done = subprocess.run(
        [sys.executable, "-c", "from jaxdet.data.sources import open_root;"
         "print(open_root('tfds:forensynths').categories('test'));"
         "import sys; assert 'tensorflow' not in sys.modules"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.strip() == "['alpha', 'beta', 'gamma']", done.stderr


def test_worker_processes_open_it_for_themselves(dataset, written):
    loads = []
    for root in (str(dataset), f"tfds:{written}"):
        images = open_root(root).load("train", name="train")
        images.read(0, max_pixels=10**6)
        assert "_source" not in images.__reduce_ex__(2)[2]
        read = Reader(images=images, max_pixels=10**6, skip_bad=False)
        loads.append(TrainLoader(read=read, augment=AUGMENT, seed=3, batch_size=8))
    runtime = Runtime(workers=1, worker_kind="processes")
    with open_batches(loads[1], start=0, stop=3, runtime=runtime) as batches:
        for step, batch in enumerate(batches):
            assert same(batch, loads[0](step))


def test_writing_again_changes_nothing_and_other_images_are_refused(dataset, written, tmp_path):
    from jaxdet.datasets.pack.arrayrecord_writer import write_tfds

    before = sorted((p, p.stat().st_mtime_ns) for p in written.iterdir())
    (written.parent / "incomplete.AB12CD_1.0.0" / "below").mkdir(parents=True)
    killed_while_writing(written.parent / "ids-1.0.0.json")
    assert write_tfds(list_files(dataset), tmp_path / "tfds", name="forensynths") == written
    assert sorted((p, p.stat().st_mtime_ns) for p in written.iterdir()) == before
    names = sorted(p.name for p in written.parent.iterdir())
    assert names == ["1.0.0", "ids-1.0.0.json"]  # and nothing that a kill left
    (dataset / "train" / "cat" / "0_real" / "000.png").unlink()
    with pytest.raises(UserError, match="exists and holds other files"):
        write_tfds(list_files(dataset), tmp_path / "tfds", name="forensynths")


@pytest.mark.parametrize("name", ["../escaped", "a/b", "", "Upper"])
def test_a_name_that_is_none_for_tfds_is_refused(dataset, tmp_path, name):
    from jaxdet.datasets.pack.arrayrecord_writer import write_tfds

    with pytest.raises(UserError, match="--name="):
        write_tfds(list_files(dataset), tmp_path / "tfds", name=name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data root"]


def test_a_place_that_cannot_be_written_is_told(dataset, tmp_path):
    from jaxdet.datasets.pack.arrayrecord_writer import write_tfds

    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="cannot be written"):
        write_tfds(list_files(dataset), tmp_path / "file", name="x")
    assert (tmp_path / "file").read_text() == "mine"


def test_names_that_tfds_cannot_keep_are_refused(tmp_path):
    from jaxdet.datasets.pack.arrayrecord_writer import write_tfds

    for label in ("0_real", "1_fake"):
        (tmp_path / "root/train" / label).mkdir(parents=True)
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(
            tmp_path / "root/train" / label / "a.png"
        )
    (tmp_path / "root/train/0_real/a.png").rename(tmp_path / "root/train/0_real/a\nb.png")
    with pytest.raises(UserError, match="rename the file"):
        write_tfds(list_files(tmp_path / "root"), tmp_path / "tfds", name="x")
    assert not (tmp_path / "tfds").exists()


def test_a_dataset_that_is_not_there_or_not_ours_is_told(written):
    with pytest.raises(UserError, match="no such dataset in"):
        open_root("tfds:nowhere_to_be_found")
    written.with_name("ids-1.0.0.json").unlink()
    with pytest.raises(UserError, match="write the dataset with"):
        open_root(f"tfds:{written}")
