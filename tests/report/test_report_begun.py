"""Runs without results: what there is of them is shown, and what is missing is said."""

import json
import re
import shutil

import pytest

from jaxdet import metrics
from jaxdet.report.__main__ import main
from jaxdet.report.begun import checkpoints, look_at, validations
from jaxdet.report.contents import contents_of
from jaxdet.report.load import OUTDATED, load_runs
from jaxdet.report.page import page_html
from jaxdet.report.rows import percent
from jaxdet.report.weights import weights_line
from jaxdet.results import RunFolder
from jaxdet.runtime.steps import saved_steps


@pytest.fixture
def stopped(make_run):
    """Function of (folder, ...) that writes a run as a signal leaves it in its training."""

    def write(name, *, task="train_eval", kept=(), lines=None, **more):
        path = make_run(name, **more)
        folder = RunFolder(path)
        folder.results.unlink()
        if not kept:
            shutil.rmtree(path / "predictions")
        for step in (200, 1600):
            (folder.checkpoints / str(step)).mkdir(parents=True)
        (folder.checkpoints / "1800.tmp").mkdir()
        saved = json.loads(folder.config.read_text())
        folder.config.write_text(json.dumps({**saved, "task": task}))
        if lines is not None:
            folder.metrics.write_text("".join(folder.metrics.read_text().splitlines(True)[:lines]))
        return path

    return write


def _page(path):
    return " ".join((path / "index.html").read_text().split())


def test_a_stopped_training_shows_what_there_is_and_says_what_is_missing(stopped, capsys):
    run = stopped("a")
    main([str(run)])  # which would end with SystemExit where the status is not 0
    printed = capsys.readouterr()
    assert printed.err == ""
    state = (
        "Not finished: test sets are scored after the last epoch, so there are no results yet. "
        "The last line of metrics is of step 1,600, epoch 8. If it was stopped, start the same "
        "command again: it goes on from the newest checkpoint, step 1,600."
    )
    last = load_runs([run])[0].curves["val/accuracy"][-1][1]
    assert printed.out.splitlines()[0] == state
    assert re.search(rf"^8  +1,600  +{percent(last)} .* kept$", printed.out, re.MULTILINE)
    assert printed.out.splitlines()[-1] == str(run / "report" / "index.html")
    page = _page(run / "report")
    assert f'<p class="missing">{state}</p>' in page
    assert "steps 200, 1600." in page
    assert page.count("<svg") == 3
    assert f'<th scope="row">8</th><td class="n">1,600</td><td class="n">{percent(last)}<' in page
    assert [re.sub("<.*?>", "", one) for one in re.findall("<h2>.*?</h2>", page)] == [
        "Without results", "Training", "Config", "Origin",
    ]  # fmt: skip
    assert sorted(p.name for p in (run / "report").rglob("*.*")) == [
        ".files.json", "index.html", "table.md", "training.pdf", "training.png",
    ]  # fmt: skip
    assert "| 8 | 1,600 |" in (run / "report" / "table.md").read_text()


def test_a_run_within_its_first_epoch_has_no_validation(stopped):
    path = stopped("a", lines=3)
    shutil.rmtree(path / "checkpoints")
    (run,) = load_runs([path])
    state = look_at(run).state
    assert "step 60, epoch 0.3. If it was stopped" in state
    assert state.endswith("it goes on from what is there.")
    assert (validations(run), checkpoints(run)) == ([], [])
    (path / "unvalidated" / "60").mkdir(parents=True)  # stopped in its validation
    assert look_at(run).state.endswith("goes on from the newest checkpoint, step 60.")


def test_a_run_that_only_trains_says_how_to_score(stopped):
    run = stopped("a", task="train")
    line = look_at(load_runs([run])[0]).state
    assert line.startswith("This run only trains (task=train) and scores no test set.")
    assert line.endswith(f"start a run with task=eval and model.init={run}.")
    assert "If it was stopped" not in line


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("train_eval", "the training is at its end, the evaluation is not (2 sets scored so far)"),
        ("eval", "the evaluation is not at its end (2 sets scored so far)"),
    ],
)
def test_a_run_killed_in_its_evaluation_shows_the_sets_scored_so_far(
    stopped, make_predictions, capsys, task, why
):
    sets = {"progan": make_predictions("progan"), "own": make_predictions("own")}
    run = stopped("a", sets=sets, kept=sets, task=task, trained=task != "eval")
    (run / "predictions" / ".third.part-0.npz").write_bytes(b"not scored to its end")
    main([str(run)])
    printed = capsys.readouterr().out
    assert printed.startswith(f"Not finished: {why}, so results.json is missing.")
    page = _page(run / "report")
    for name, rows in sets.items():
        shares = (metrics.average_precision, metrics.accuracy)
        numbers = [percent(of(rows.label, rows.logit)) for of in shares]
        assert re.search(rf"^{name} +{numbers[0]} +{numbers[1]} +60 +60$", printed, re.MULTILINE)
        cells = "".join(f'<td class="n">{one}</td>' for one in (*numbers, "60", "60"))
        assert f'<th scope="row">{name}</th>{cells}' in page
    assert "part-0" not in page


def test_a_finished_run_stands_beside_an_unfinished_one(stopped, make_run, tmp_path, capsys):
    out = tmp_path / "both"
    main([str(stopped("begun", seed=1)), str(make_run("whole", trained=False)), f"--out={out}"])
    printed = capsys.readouterr().out
    assert printed.index("whole: seed 0\nset ") < printed.index("begun: seed 1\nNot finished")
    page = _page(out)
    assert "2 runs side by side" in page
    assert '<p class="missing"><b>begun</b>: Not finished' in page
    # In one colour everywhere: those with results come first.
    colours = re.findall(r"--series-(\d)\)\"></span><span>(\w+)", page)
    assert colours == [("0", "whole"), ("1", "begun")]
    assert "begun" not in (out / "table.csv").read_text()
    assert "## begun" in (out / "table.md").read_text()


def test_without_a_line_there_is_nothing_to_show(stopped, make_run, tmp_path, capsys):
    run = stopped("a", lines=0)
    with pytest.raises(SystemExit) as end:
        main([str(run)])
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert line.startswith(f"error: {run}: nothing to show yet: it has written no line to")
    assert not (run / "report").exists()
    page = page_html(contents_of(load_runs([run, make_run("b", trained=False)])))
    assert "No line of metrics is written yet." in page


def test_results_of_before_a_change_of_the_config_are_said_to_be_so(make_run):
    path = make_run("a", trained=False)
    folder = RunFolder(path)
    folder.changes.write_text('{"changed": ["optim.max_epochs: 1 -> 2"]}\n')
    (run,) = load_runs([path])
    assert not run.is_outdated  # scored again since
    saved = json.loads(folder.config.read_text())
    saved["optim"]["max_epochs"] = 2
    folder.config.write_text(json.dumps(saved))
    assert run.is_outdated
    assert OUTDATED in page_html(contents_of([run])).replace("&#39;", "'")


@pytest.mark.parametrize(
    ("weights", "line"),
    [
        (
            {"origin": "trained here", "choice": "best", "step": 225, "digest": "0a1b"},
            "checkpoint best, step 225, trained here, digest 0a1b",
        ),
        (
            {"origin": "trained here", "choice": "latest", "digest": "0a1b"},  # of an older run
            "checkpoint latest, trained here, digest 0a1b",
        ),
        (
            {"origin": "runs/a", "name": "best", "step": 75},
            "checkpoint best, step 75, from runs/a",
        ),
        ({"origin": "w.pth", "choice": "best", "digest": "0a1b"}, "from w.pth, digest 0a1b"),
    ],
)
def test_the_checkpoint_that_was_measured_is_named(weights, line):
    assert weights_line(weights) == f"Weights measured: {line}."


def test_weights_are_named_in_every_form(make_run, capsys):
    run = make_run("a", trained=False)
    saved = json.loads((run / "results.json").read_text())
    weights = {"origin": "trained here", "choice": "best", "step": 225, "digest": "0a1b"}
    (run / "results.json").write_text(json.dumps({**saved, "weights": weights}))
    main([str(run)])
    line = "Weights measured: checkpoint best, step 225, trained here, digest 0a1b."
    assert line in capsys.readouterr().out
    for name in ("index.html", "table.md", "table.tex"):
        assert line in (run / "report" / name).read_text()
    assert weights_line({}) == ""


def test_folders_that_are_no_steps_are_no_checkpoints(stopped):
    run = stopped("a")
    for name in ("\u00b2", "\u0661", "1_000", "-1", "007", "9" * 200):
        (run / "checkpoints" / name).mkdir()
    (run / "checkpoints" / "99").write_bytes(b"a file")
    assert checkpoints(load_runs([run])[0]) == saved_steps(run / "checkpoints") == [200, 1600]
