"""Outputs that cannot be meant: onto another's file, within the input, without a name."""

import json

import pytest

from jaxdet.bench.__main__ import main as bench
from jaxdet.convert.__main__ import main as convert
from jaxdet.data.__main__ import main as data
from jaxdet.predict.__main__ import main as predict
from jaxdet.report.__main__ import main as report

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
