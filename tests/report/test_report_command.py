import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from jaxdet.report.__main__ import main
from tests.conftest import killed_while_writing


def _mistake(capsys, *arguments):
    """The one line on stderr with which the command refuses, with exit status 2."""
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    printed = capsys.readouterr()
    assert end.value.code == 2
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("error: ")
    return line


def test_one_run_is_reported_in_its_folder(make_run, capsys):
    run = make_run("a")
    main([str(run)])
    assert (run / "report" / "index.html").read_text().startswith("<!doctype html>")
    printed = capsys.readouterr()
    assert "mean over sets" in printed.out
    assert printed.out.splitlines()[-1] == str(run / "report" / "index.html")
    assert printed.err == ""


def test_several_runs_go_where_they_are_told(make_run, tmp_path, capsys):
    main(
        [
            str(make_run("a", trained=False)),
            str(make_run("b", trained=False)),
            f"--out={tmp_path / 'both'}",
        ]
    )
    assert "2 runs side by side" in (tmp_path / "both" / "index.html").read_text()
    assert capsys.readouterr().out.count("mean over sets") == 2
    assert not (tmp_path / "a" / "report").exists()


def test_several_runs_need_a_place(make_run, capsys):
    assert "--out=DIR" in _mistake(capsys, make_run("a"), make_run("b", trained=False))


def test_mistakes_are_one_line(make_run, tmp_path, capsys):
    assert "--help" in _mistake(capsys)
    assert "--nonsense" in _mistake(capsys, make_run("a"), "--nonsense")
    assert "--ou" in _mistake(capsys, make_run("a"), "--ou=x")
    assert f"{tmp_path / 'none'}: no such folder" in _mistake(capsys, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "neither results.json nor config.json" in _mistake(capsys, tmp_path / "empty")
    run = make_run("a", trained=False)
    (run / "results.json").write_text('{"schema_version": 1,\n\n')
    assert "results.json: cannot be read as JSON" in _mistake(capsys, run)
    assert not (run / "report").exists()


def test_the_command_needs_no_model(make_run):
    run = make_run("a", trained=False)
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['report', {str(run)!r}]\n"
        "runpy.run_module('jaxdet.report', run_name='__main__')\n"
        "heavy = {'jax', 'flax', 'optax', 'torch', 'tensorflow', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root, capture_output=True)
    assert (run / "report" / "index.html").exists()


def test_help():
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-m", "jaxdet.report", "--help"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "--out DIR" in ended.stdout
    assert ended.stderr == ""


def test_a_folder_with_other_files_is_left_alone(make_run, tmp_path, capsys):
    run, paper = make_run("a", trained=False), tmp_path / "paper"
    paper.mkdir()
    (paper / "table.csv").write_text("mine")
    line = _mistake(capsys, run, f"--out={paper}")
    assert str(paper) in line
    assert [path.name for path in paper.iterdir()] == ["table.csv"]
    assert (paper / "table.csv").read_text() == "mine"


def test_a_report_that_was_cut_short_is_written_again(make_run, tmp_path):
    run, out = make_run("a", trained=False), tmp_path / "out"
    killed_while_writing(out / ".files.json")
    main([str(run), f"--out={out}"])
    whole = (out / "index.html").read_bytes()
    (out / "index.html").write_text("<!-- Written by jaxdet -->not written to its end")
    killed_while_writing(out / "figures" / "a.pdf")
    main([str(run), f"--out={out}"])
    assert (out / "index.html").read_bytes() == whole
    assert not list(out.rglob(".*.tmp"))


def test_missing_predictions_are_told(make_run, capsys):
    run = make_run("a", trained=False)
    gone = sorted((run / "predictions").iterdir())[0]
    gone.unlink()
    main([str(run)])
    assert f"no predictions of {gone.stem}: no curves" in capsys.readouterr().err


def test_a_reader_that_goes_away_ends_it_quietly(make_run):
    report = shlex.join([sys.executable, "-m", "jaxdet.report", str(make_run("a", trained=False))])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {report} | head -c 10"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "set       "[: len(done.stdout)]
    assert "Traceback" not in done.stderr
