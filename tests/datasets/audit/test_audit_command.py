import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from jaxdet.datasets.commands import main

NO_JAX = (
    "import sys, jaxdet.datasets.commands; assert not {'jax', 'flax', 'torch'} & set(sys.modules)"
)


def run(*arguments):
    command = [sys.executable, "-m", "jaxdet.data", "audit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_end_to_end(make_tree, tmp_path):
    def save(pixels, path, fake):
        Image.fromarray(pixels).save(path.with_suffix(".png" if fake else ".jpg"))

    root, out, page = make_tree(save, count=12), tmp_path / "o.json", tmp_path / "o.html"
    done = run(root, f"--json={out}", f"--page={page}", "--threshold=0.9")
    assert (done.returncode, done.stderr) == (1, "")
    findings = json.loads(out.read_text())
    assert (findings["schema_version"], findings["threshold"]) == (1, 0.9)
    assert "train: container: AP 100.0" in done.stdout
    assert page.read_text().startswith("<!doctype html>")
    # An earlier result is replaced.
    again = run(root, f"--json={out}", f"--page={page}", f"--equalise={tmp_path / 'copy'}")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "ROOT"),
        (("nowhere",), "nowhere: no such folder"),
        (("empty",), "holds none of train, val and test"),
        (("bare",), "holds neither 0_real and 1_fake"),
        (("flat",), "put them in a folder named after the set"),
        (("root", "--threshold=0.4"), "'0.4': give a number, above 0.5 and at most 1"),
        (("root", "--threshold=x"), "--threshold"),
        (("root", "--threshold=x"), "--threshold: 'x': give a number, above 0.5"),
        (("root", "--max-pixels=x"), "--max-pixels: 'x': give a whole number, at least 1"),
        (("root", "--json=root/train"), "cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments, words, make_tree, tmp_path, monkeypatch, capsys
):
    make_tree(count=1)
    for folder in ("empty", "bare/train", "flat/test/0_real", "flat/test/1_fake"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["audit", *arguments])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert words in said.err


def test_jax_is_not_needed():
    subprocess.run([sys.executable, "-c", NO_JAX], check=True, capture_output=True)


@pytest.mark.skipif(os.name != "posix", reason="names that are no UTF-8 exist on POSIX alone")
def test_a_name_that_is_no_utf8_goes_through(make_tree, audit, tmp_path):
    root = make_tree(count=3, sets=("test/alpha",))
    place = os.fsencode(root / "test/alpha/0_real") + b"/\xff\xfe.png"
    Path(os.fsdecode(place)).write_bytes(b"")
    status, findings, said = audit(root, f"--page={tmp_path / 'o.html'}")
    assert (status, said.err) == (1, "")
    assert findings["broken"][0]["kind"] == "empty"
    status, _, said = audit(root, f"--equalise={tmp_path / 'copy'}")
    assert (status, said.err) == (0, "")
