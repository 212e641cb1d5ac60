"""A user's mistake ends in one clear line and exit status 2."""

import pytest

from tests.conftest import write_images
from tests.e2e.conftest import main_arguments


@pytest.fixture
def mistake(finish):
    def check(*arguments, says):
        status, out, err = finish("jaxdet.main", *arguments)
        assert status == 2, err
        assert "Traceback" not in out + err
        last = err.splitlines()[-1]
        assert last.startswith("error: ")
        assert says in last

    return check


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--config=FILE is missing"),
        (["--config=configs/small.py", "--workdir="], "--workdir is empty"),
        (["--config=configs/small.py", "--config.name=a/b"], "'a/b' is no name of a folder"),
        (["--config=configs/none.py", "--workdir=w"], "configs/none.py"),
        (["--config=configs/small.py:huge", "--workdir=w"], "small.py:huge"),
        (["--config=configs/small.py", "--workdir=w", "--config.no_such_key=1"], "no_such_key"),
        (["--config=configs/small.py", "--workdir=w", "--config.optim.beta3=1"], "beta3"),
        (["--config=configs/small.py", "--workdir=w", "--config.seed=x"], "config.seed=x"),
        (["--config=configs/small.py", "--workdir=w", "--confg.seed=1"], "confg"),
        (["--config=configs/small.py", "--workdir=w", "surplus"], "surplus"),
        (
            ["--config=configs/small.py", "--workdir=w", "--config.augment.resize=100"],
            "augment.resize=100 leaves images smaller than augment.crop=128",
        ),
        (["--config=README.md", "--workdir=w"], "README.md"),
    ],
)
def test_command_line(mistake, arguments, says):
    mistake(*arguments, says=says)


def test_missing_root(mistake, tmp_path):
    mistake(*main_arguments(tmp_path / "none", tmp_path / "w"), says="none: no such folder")
    assert not (tmp_path / "w").exists()


def test_empty_class(mistake, dataset, tmp_path):
    for path in (dataset / "train" / "cat" / "0_real").iterdir():
        path.unlink()
    mistake(*main_arguments(dataset, tmp_path / "w"), says="cat/0_real: holds no image files")


def test_class_without_fakes(mistake, tmp_path):
    root = tmp_path / "root"
    write_images(root / "test" / "x", count=2)
    folder = write_images(root / "train" / "a", count=2)
    (folder / "1_fake").rename(root / "x")
    mistake(*main_arguments(root, tmp_path / "w"), says="a/1_fake: no such folder")


def test_missing_test_sets(mistake, dataset, tmp_path):
    (dataset / "test").rename(dataset / "elsewhere")
    mistake(*main_arguments(dataset, tmp_path / "w"), says="test: no such folder")


@pytest.mark.slow
def test_text_file_named_png(mistake, dataset, tmp_path):
    (dataset / "train" / "cat" / "0_real" / "003.png").write_text("no image")
    mistake(*main_arguments(dataset, tmp_path / "w"), says="003.png: not an image")


@pytest.mark.slow
def test_truncated_jpeg(mistake, dataset, tmp_path):
    path = dataset / "test" / "beta" / "x" / "1_fake" / "001.jpg"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    arguments = main_arguments(dataset, tmp_path / "w", optim__max_epochs=1)
    mistake(*arguments, says="001.jpg: damaged image")


def test_batch_that_the_devices_do_not_divide(mistake, dataset, tmp_path):
    arguments = main_arguments(dataset, tmp_path / "w", optim__batch_size=6, runtime__devices=4)
    mistake(*arguments, says="optim.batch_size=6 is not divided by the 4 devices")


def test_crop_larger_than_the_images(mistake, dataset, tmp_path):
    arguments = main_arguments(dataset, tmp_path / "w", augment__crop=41)
    mistake(*arguments, says="40x40 pixels are less than augment.crop=41")


def test_folder_with_other_things_is_left_alone(mistake, dataset, tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "thesis.txt").write_text("mine")
    mistake(*main_arguments(dataset, tmp_path / "w"), says="not empty and no run")
    assert [p.name for p in (tmp_path / "w").iterdir()] == ["thesis.txt"]


def test_missing_initial_weights(mistake, dataset, tmp_path):
    arguments = main_arguments(dataset, tmp_path / "w", model__init="none.safetensors")
    mistake(*arguments, says="model.init=none.safetensors: no such file")
    # Nothing was done yet: another config is not refused for it.
    mistake(*arguments, "--config.seed=5", says="model.init=none.safetensors: no such file")


def test_evaluation_without_weights(mistake, dataset, tmp_path):
    mistake(*main_arguments(dataset, tmp_path / "w", task="eval"), says="model.init")
