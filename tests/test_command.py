"""The one command `jaxdet`, from the source tree and from an installed wheel."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import jaxdet
from jaxdet import config
from jaxdet.errors import UserError
from tests.environment import importing

ROOT = Path(__file__).parents[1]


def run(*arguments, python=sys.executable, cwd=ROOT):
    command = [python, "-m", "jaxdet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=importing(ROOT))


def test_each_command_is_the_module_of_its_name():
    listed = run("--help").stdout
    for name in ("train", "predict", "data", "convert", "report", "replay", "bench"):
        assert f"  {name} " in listed
    helped = run("report", "--help")
    assert helped.returncode == 0
    assert "jaxdet.report" in helped.stdout
    assert run("--version").stdout == f"jaxdet {jaxdet.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["trian"], "trian: no command of jaxdet; there are train, predict,"),
        (["train"], "--config=FILE is missing"),
        (
            ["train", "--config=smal"],
            "--config=smal: no such file, nor a preset of that name; did you mean small?",
        ),
    ],
)
def test_mistakes_are_one_line(arguments, complaint):
    ended = run(*arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: ")
    assert complaint in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_preset_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    by_name, by_path = (
        config.from_config_dict(config.load_file(file))
        for file in ("small:blur_jpeg_0.5", f"{ROOT / 'configs/small.py'}:blur_jpeg_0.5")
    )
    assert by_name == by_path
    assert len(config.load_file("papers/xuan_table1").rows) == 3
    # A file of one's own goes before.
    (tmp_path / "small").write_text("")
    with pytest.raises(UserError, match="not a config file"):
        config.load_file("small")


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment_trains_and_scores(tmp_path):
    source, wheels, place = tmp_path / "source", tmp_path / "wheels", tmp_path / "elsewhere"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, tracked):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", f"--wheel-dir={wheels}", source], check=True)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    (wheel,) = wheels.iterdir()
    # What lies on that path would count as installed.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([python, *pip[1:], "install", f"{wheel}[train]"], check=True, env=env)

    command = tmp_path / "venv" / "bin" / "jaxdet"
    place.mkdir()
    for made in (
        ["data", "synth", "--root=synth", "--train-images=20", "--val-images=8",
         "--test-images=8", "--steps=2"],
        ["train", "--config=small", "--config.data.root=synth", "--workdir=run",
         "--config.augment.crop=32", "--config.model.width=4", "--config.optim.max_epochs=1",
         "--config.optim.batch_size=8", "--config.optim.schedule=cosine"],
    ):  # fmt: skip
        subprocess.run([command, *made], cwd=place, check=True, env=env)
    Image.new("RGB", (80, 60)).save(place / "a.png")
    scored = subprocess.run(
        [command, "predict", "--weights=run", "a.png"],
        cwd=place, capture_output=True, text=True, env=env,
    )  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    assert "a.png" in scored.stdout
    assert (place / "run" / "report" / "index.html").is_file()
