"""`--json` and its like onto a file that another command or the user wrote: refused."""

import json

import pytest

from jaxdet.bench.__main__ import main as bench
from jaxdet.convert.__main__ import main as convert
from jaxdet.data.__main__ import main as data
from jaxdet.predict.__main__ import main as predict

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
