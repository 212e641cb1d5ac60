"""Outputs that cannot be meant: onto another's file, within the input, without a name."""

import json

import pytest

from jaxdet.bench.__main__ import main as bench
from jaxdet.convert.__main__ import main as convert
from jaxdet.data.__main__ import main as data
from jaxdet.main import main as jaxdet_main
from jaxdet.predict.__main__ import main as predict
from jaxdet.report.__main__ import main as report
from tests.conftest import write_images
from tests.predict.samples import write_weights

COMMANDS = [
    (predict, ["--weights=none.pth", "images", "--json=OUT"]),
    (predict, ["--weights=none.pth", "images", "--csv=OUT"]),
    (data, ["verify", "images", "--json=OUT"]),
    (data, ["audit", "images", "--json=OUT"]),
    (data, ["audit", "images", "--page=OUT"]),
    (convert, ["check", "none.pth", "none.pth", "--json=OUT"]),
    (bench, ["step", "--json=OUT"]),
]
# Beginnings of files that lie in run folders, and of a list that somebody else made.
FILES = {
    "results.json": {"schema_version": 1, "name": "run", "config_hash": "", "root": "r"},
    "env.json": {"command": "python", "started": "2026"},
    "config.json": {"name": "run", "options": {}},
    "labels.csv": [{"path": "a.png", "label": 1}],
    "index.html": "<!doctype html>\n<title>jaxdet</title>",
}


@pytest.mark.parametrize(("main", "arguments"), COMMANDS)
@pytest.mark.parametrize("name", FILES)
def test_files_of_others_are_left_alone(main, arguments, name, tmp_path, capsys):
    path = tmp_path / name
    content = FILES[name]
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
    before = path.read_bytes()
    with pytest.raises(SystemExit) as ended:
        main([one.replace("OUT", str(path)) for one in arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"error: {path}: cannot be written: is there already and no earlier result of this "
        "command; give another name\n"
    )
    assert path.read_bytes() == before


def refused(main, line, capsys, **places):
    """Returns the one line on stderr of a call that is refused."""
    for name, place in places.items():
        line = line.replace(name, str(place))
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert ended.value.code == 2
    (said,) = capsys.readouterr().err.splitlines()
    return said


# Every option and argument that is a path.
PATHS = [
    (predict, "--weights=w images --json="),
    (predict, "--weights=w images --csv="),
    (predict, "--weights=w images --out="),
    (predict, "images --weights="),
    (data, "verify images --json="),
    (data, "audit images --json="),
    (data, "audit images --page="),
    (data, "audit images --equalise="),
    (data, "synth --root="),
    (data, "synth --root=x --method=dcgan --photos="),
    (data, "fetch forensynths-test --root="),
    (convert, "check a b --json="),
    (report, "run --out="),
    (bench, "input --images="),
    (bench, "step --profile="),
    (bench, "scaling --json="),
]


@pytest.mark.parametrize(("main", "line"), PATHS)
def test_an_empty_path_is_no_folder(main, line, capsys):
    option = line.rpartition(" ")[2][:-1]
    said = refused(main, line, capsys)
    assert said.startswith(f"error: argument {option}: is empty; give a path")


@pytest.mark.parametrize(("main", "arguments"), [
    (predict, ["--weights=w", ""]), (data, ["verify", ""]), (data, ["pack", "x", ""]),
    (convert, ["to-jax", "x", ""]), (report, [""]),
])  # fmt: skip
def test_an_empty_argument_is_no_folder(main, arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert ": is empty; give a path" in capsys.readouterr().err


@pytest.fixture
def place(tmp_path):
    """A data root, weights, and a run that has only begun."""
    write_images(tmp_path / "set/train/cat", count=2, size=32)
    write_images(tmp_path / "set/test/a", count=2, size=32)
    (tmp_path / "link").symlink_to("set")
    write_weights(tmp_path / "set/w.safetensors")
    (tmp_path / "run/checkpoints/3").mkdir(parents=True)
    (tmp_path / "run/config.json").write_text("{}")
    (tmp_path / "run/metrics.jsonl").write_text('{"step": 3, "epoch": 1, "lr": 0.1}\n')
    return tmp_path


def tree(folder):
    return sorted(str(path) for path in folder.rglob("*"))


IN_EACH_OTHER = [
    (data, "pack @/set @/set/store", "lies in"),
    (data, "pack @/set @/link/new/store", "lies in"),
    (data, "pack @/set @/set/train/cat", "lies in"),
    (data, "pack @/set @", "holds"),
    (data, "pack @/set @/set", "lies in"),
    (data, "pack @/set @/set --format=tfds", "lies in"),
    (data, "audit @/set --equalise=@/set/copy", "lies in"),
    (data, "audit @/set/train --equalise=@/set", "holds"),
    (data, "synth --root=@/set/new --photos=@/link", "lies in"),
    (data, "synth --method=dcgan --root=@ --photos=@/set", "holds"),
    (predict, "--weights=@/set/w.safetensors --out=@/set/train/out @/set", "lies in"),
    (predict, "--weights=@/set/w.safetensors --out=@/set/train @/set/train", "lies in"),
    (predict, "--weights=@/set/w.safetensors --out=@ @/set/train @/link", "holds"),
    (convert, "to-torch @/run @/run/new/w.pth", "lies in"),
    (convert, "export @/run/checkpoints/3 @/run/checkpoints/5", "lies in"),
    (report, "@/run --out=@/run/checkpoints/5", "lies in"),
    (report, "@/run @/run --out=@", "holds"),
    (bench, "e2e --images=@/set --profile=@/set/traces", "lies in"),
    (jaxdet_main,
     "main --config=configs/small.py --config.data.root=@/set --workdir=@/link/train/r", "lies in"),
]  # fmt: skip


@pytest.mark.parametrize(("main", "line", "how"), IN_EACH_OTHER)
def test_an_output_and_what_it_is_made_of_lie_apart(main, line, how, place, capsys):
    before = tree(place)
    said = refused(main, line, capsys, **{"@": place})
    assert f" {how} {place}" in said
    assert "which is read; give another " in said
    assert tree(place) == before


def test_parts_go_to_no_folder_of_other_files(place, capsys):
    (place / "notes").mkdir()
    (place / "notes/a.txt").write_text("mine")
    said = refused(predict, "--weights=w --out=@/notes @/set", capsys, **{"@": place})
    assert said == (
        f"error: --out={place}/notes: holds other files and no earlier parts; give an empty or new "
        "folder"
    )


SMALL = "main --config=configs/small.py --config.data.root=@/set --config.augment.crop=32"
OF_A_RUN = [
    (predict, "--weights=@/run @/set/train"),
    (predict, "--weights=@/run/checkpoints/3 --out=@/out @/set/train"),
    (convert, "to-torch @/run @/w.pth"),
    (convert, "export @/run/checkpoints/3 @/exported"),
    (convert, "check @/run @/set/w.safetensors"),
    (report, "@/run"),
    (jaxdet_main, f"{SMALL} --workdir=@/run"),
    (jaxdet_main, f"{SMALL} --config.task=eval --config.model.init=@/run --workdir=@/new"),
    (jaxdet_main, f"{SMALL} --config.model.init=@/run/checkpoints/3 --workdir=@/new"),
]


@pytest.mark.parametrize("state", ["no such file", "is no file", "cannot be read as JSON"])
@pytest.mark.parametrize(("main", "line"), OF_A_RUN)
def test_the_config_that_a_run_has_lost_is_named(main, line, state, place, capsys):
    config = place / "run/config.json"
    config.unlink()
    if state == "is no file":
        config.mkdir()
    elif state != "no such file":
        config.write_text('{"name": ')
    elif main is report:
        report([line.replace("@", str(place))])
        said = capsys.readouterr().out
        assert said.startswith(f"config.json is missing from {place}/run, so the run cannot go on")
        assert "start the same command again" not in said
        return
    before = tree(place)
    said = refused(main, line, capsys, **{"@": place})
    assert said.startswith(f"error: {config}: ")
    assert state in said or (state == "is no file" and "Is a directory" in said)
    assert tree(place) == before


# What is wrong is found before anything is announced: `refused` sees that there is one line.
ONE_LINE = [
    (jaxdet_main, f"{SMALL} --config.model.init=@/bad.pth --workdir=@/new", "@/bad.pth: neither"),
    (jaxdet_main, f"{SMALL} --config.data.root= --workdir=@/new", "data.root is empty; give"),
    (jaxdet_main, f"{SMALL} --config.model.init=@/set --workdir=@/new", "@/set: neither a run"),
    (jaxdet_main, f"{SMALL} --config.model.init=@/run --workdir=@/new", "asks for resnet"),
    (jaxdet_main, "main --config=configs/eval_full.py --config.data.root=@/set --workdir=@/new "
     "--config.model.init=@/bad.pth", "@/bad.pth: neither"),
    (jaxdet_main, "main --config=configs/papers/xuan_table1.py --config.data.root=@/none --row=1 "
     "--workdir=@/new", "no such f"),
    (predict, "--weights=@/bad.pth @/set/train", "@/bad.pth: neither"),
    (predict, "--weights=@/set/w.safetensors --threshold=fpr_1 @/set/train", "fpr_1"),
    (predict, "--weights=@/set/w.safetensors --threshold=fpr_1 --out=@/out @/set/train", "fpr_1"),
    (report, "@/bad.pth", "@/bad.pth: is a file, not a folder"),
    (data, "pack @/bad.pth @/new", "@/bad.pth: is a file, not a folder"),
    (data, "audit @/bad.pth", "@/bad.pth: is a file, not a folder"),
    (data, "verify @/bad.pth", "@/bad.pth: is a file, not a folder"),
    (data, "synth --root=@/new --photos=@/bad.pth", "bad.pth: is a file, not a folder"),
    (bench, "input --images=@/bad.pth", "--images=@/bad.pth: is a file, not a folder"),
]  # fmt: skip


@pytest.mark.parametrize(("main", "line", "says"), ONE_LINE)
def test_a_mistake_is_the_only_line(main, line, says, place, capsys):
    (place / "bad.pth").write_text("no weights")
    # What is said of a data root, once all is in order.
    (place / "set/train/cat/notes.txt").touch()
    (place / "set/val").symlink_to("train")
    before = tree(place)
    said = refused(main, line, capsys, **{"@": place})
    assert says.replace("@", str(place)) in said
    assert tree(place) == before


@pytest.mark.parametrize("option", ["--json", "--csv", "--out"])
def test_a_refused_call_leaves_no_folder(option, place, capsys):
    before = tree(place)
    line = f"--weights=@/none.pth {option}=@/new/er/o @/set/train"
    assert "none.pth" in refused(predict, line, capsys, **{"@": place})
    assert tree(place) == before
