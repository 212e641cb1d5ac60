"""What a run begins with and does not find is told at once, each with what fetches it."""

import shlex
from pathlib import Path

import pytest

from jaxdet import config as schema
from jaxdet import main
from jaxdet.data.missing import find_missing
from jaxdet.datasets.commands import COMMANDS
from jaxdet.errors import Parser, UserError
from jaxdet.fetch.catalog import DATASETS
from jaxdet.fetch.choice import Options, choose_files
from tests.conftest import write_images

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def start(monkeypatch, tmp_path, capsys):
    """Runs the main command in an empty folder that has the presets: (exit status, stderr)."""
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            main.main(["main", *arguments])
        return stop.value.code, capsys.readouterr().err

    return run


def test_the_missions_command_names_all_that_is_missing_and_its_folder(start, tmp_path):
    status, err = start("--config=configs/resnet_20cls.py")
    assert status == 2
    assert err.splitlines() == [
        "runs/resnet_20cls: the run's folder, since no --workdir is given",
        "error: not here (fetch or make them, or name other places with --config.data.root=DIR and "
        "--config.model.init=PATH):",
        "  data/train: python -m jaxdet.data fetch forensynths-train --root=data",
        "  data/val: python -m jaxdet.data fetch forensynths-val --root=data",
        "  data/test: python -m jaxdet.data fetch forensynths-test --root=data",
        "  model.init=weights/resnet50-19c8e357.pth: python -m jaxdet.data fetch imagenet-weights "
        "--root=weights --only=resnet50",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["configs"]


def test_what_is_there_is_not_named(start, tmp_path):
    write_images(tmp_path / "data" / "val" / "cat", count=2)
    status, err = start("--config=configs/resnet_20cls.py")
    assert [line.strip().partition(":")[0] for line in err.splitlines()[2:4]] == [
        "data/train", "data/test",
    ]  # fmt: skip
    write_images(tmp_path / "data" / "train" / "cat", count=2)
    status, err = start("--config=configs/resnet_20cls.py", "--config.model.init=")
    assert (status, err.splitlines()[1:]) == (
        2,
        [
            "error: data/test: no such folder; python -m jaxdet.data fetch forensynths-test "
            "--root=data"
        ],
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["quickstart.py"], "synth --root=data/synth"),
        (["small.py"], "make the built-in dataset with `python -m jaxdet.data synth --root=DIR`"),
        (["papers/wang_table2.py", "--row=zhang_auto_im"], "--method=autogan --root=data/autogan"),
        (["papers/wang_table2.py", "--row=zhang_cyc_im"], "--only=resnet34"),
        (["papers/wang_table4.py", "--row=biggan_blur_jpeg_0.5"], "images of BigGAN"),
        (["papers/wang_table4.py", "--row=dip_blur_jpeg_0.5"], "--method=dip --root=data/dip"),
        (["papers/re_supplement_b.py"], "StyleGAN2"),
        (["papers/xuan_table1.py"], "faces of CelebA-HQ"),
        (["papers/xuan_table1.py", "--config.data.root=x"], "error: data.root=x: no such folder"),
        (["eval_forensynths.py"], "fetch cnndetection-weights --root=weights"),
        (
            ["eval_forensynths.py", "--config.model.init=w/blur_jpg_prob0.5.pth"],
            "fetch cnndetection-weights --root=w --only=blur_jpg_prob0.5.pth",
        ),
        (["eval_full.py", "--config.model.init=w/mine.pth"], "w/mine.pth: see docs/training.md"),
        (
            ["forensic_transfer_adapt.py"],
            "runs/forensic_transfer: see docs/training.md for weights, or train",
        ),
    ],
)
def test_each_thing_comes_with_its_own_source(start, arguments, says):
    status, err = start(f"--config=configs/{arguments[0]}", *arguments[1:])
    assert status == 2
    assert says in err


def test_a_table_names_what_its_rows_lack_once(start):
    status, err = start("--config=configs/papers/wang_table2.py")
    places = [line.strip().partition(": ")[0] for line in err.splitlines()[2:]]
    assert status == 2
    assert places == [
        "data.train_root=data/cyclegan", "data/test", "model.init=weights/resnet34-333f7ec4.pth",
        "data.train_root=data/autogan", "data/train", "data/val",
        "model.init=weights/resnet50-19c8e357.pth",
    ]  # fmt: skip


def test_every_command_that_is_named_is_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    commands = {
        missing.source
        for file in sorted((REPOSITORY / "configs").rglob("*.py"))
        for config in _configs(file)
        for missing in find_missing(
            config.data, config.evaluation, task=config.task, init=config.model.init
        )
        if missing.source.startswith("python ")
    }
    assert len(commands) >= 8
    for command in commands:
        python, name, *rest = shlex.split(command)[2:]
        parser = Parser(prog=python)
        COMMANDS[name].add_flags(parser)
        arguments = parser.parse_args(rest)
        if name == "fetch":
            options = Options(only=arguments.only)
            assert choose_files(DATASETS[arguments.name], options)


def _configs(file):
    given = schema.load_file(str(file))
    if hasattr(given, "rows"):
        return [row.config for row in given.rows]
    try:
        return [schema.from_config_dict(given)]
    except UserError:
        return []


def test_a_table_without_the_split_is_named_with_it(start, tmp_path):
    write_images(tmp_path / "images", count=1)
    lines = ["path,label", "images/0_real/000.png,real", "images/1_fake/000.png,fake"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    status, err = start("--config=configs/small.py", "--config.data.root=t.csv", "--workdir=w")
    assert status == 2
    assert err.splitlines()[-1] == (
        "error: t.csv, split train: no such rows; it holds the images to train on"
    )
