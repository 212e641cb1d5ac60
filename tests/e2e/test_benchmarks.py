"""One command scores benchmarks of five layouts: fakes with shared real images, and one label."""

import json
import re

import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    recall_score,
    roc_auc_score,
)

from jaxdet.report.rows import without_evidence
from jaxdet.results import Predictions, RunFolder, read_arrays, read_results
from tests.data.table_files import structs, write_csv, write_parquet, write_tree
from tests.e2e.conftest import main_arguments
from tests.golden import torchvision

OPTIONS = {
    "task": "eval",
    "model__width": 64,
    "optim__batch_size": 4,
    "evaluation__bootstrap": 20,
}


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory):
    """GenImage's folders, a table of words and groups, and fakes of two generators alone."""
    root = tmp_path_factory.mktemp("benchmarks")
    for label, size in (("ai", 24), ("nature", 40)):
        paths = [f"{name}/imagenet/val/{label}/{name}{label}{number}.png"
                 for name in ("ADM", "glide") for number in range(6)]  # fmt: skip
        write_tree(root / "genimage", paths, size=size)
    write_tree(root / "viral", [f"v{number}.png" for number in range(10)])
    rows = [[f"v{n}.png", ("REAL", "FAKE")[n % 2], f"source{n // 4}"] for n in range(10)]
    write_csv(root / "viral" / "viral.csv", ["filename", "label", "source_id"], rows)
    write_tree(root / "synthbuster", [f"real_RAISE_1k/r{number}.png" for number in range(5)])
    fakes = [f"{name}/{name}{n}.png" for name in ("dalle2", "firefly") for n in "abc"]
    write_tree(root / "synthbuster", fakes)
    write_tree(
        root / "evalgen", [f"{name}/{n}.png" for name in ("flux", "infinity") for n in "abcd"]
    )
    write_tree(root / "photos", [f"phone/{n}.png" for n in "abcdef"])
    save_file(torchvision.state_dict("resnet18"), root / "w.safetensors")
    return root


def arguments(root, workdir):
    places = {
        "genimage": root / "genimage",
        "viral": root / "viral" / "viral.csv",
        "buster": root / "synthbuster",
        "evalgen:fake_only": root / "evalgen",
        "own:real_only": root / "photos",
    }
    given = tuple(f"{name}={place}" for name, place in places.items())
    return main_arguments(
        root / "none", workdir, model__init=root / "w.safetensors", evaluation__benchmarks=given,
        **OPTIONS,
    )  # fmt: skip


def test_benchmarks_of_five_layouts_in_one_command(finish, benchmarks, tmp_path):
    run = RunFolder(tmp_path / "run")
    status, out, err = finish("jaxdet.main", *arguments(benchmarks, run.path))
    assert status == 0, err
    results = read_results(run.results)
    assert list(results.sets) == [
        "genimage.ADM", "genimage.glide", "viral.viral", "buster.dalle2", "buster.firefly",
        "evalgen.flux", "evalgen.infinity", "own.phone",
    ]  # fmt: skip
    for name, one in results.sets.items():
        assert_scores(one, read_arrays(run.predictions(name), Predictions))
    assert [(one.n_real, one.n_fake) for one in results.sets.values()] == [
        (6, 6), (6, 6), (5, 5), (5, 3), (5, 3), (0, 4), (0, 4), (6, 0),
    ]  # fmt: skip
    own = [one.ap for one in results.sets.values() if one.ap is not None]
    assert results.mean_ap == pytest.approx(np.mean(own))
    assert_means(run, results, out)
    # GenImage's fakes have another size here than its real images: nothing is shown on them.
    assert results.sets["genimage.ADM"].metadata_ap == pytest.approx(1.0)
    assert results.sets["viral.viral"].metadata_ap < 1
    assert [line.split(":")[0] for line in results.warnings if "no evidence" in line] == [
        "genimage.ADM", "genimage.glide",
    ]  # fmt: skip
    page = (run.report / "index.html").read_text()
    assert page.count("no evidence that the detector works; `python -m jaxdet.data audit`") == 2
    # The five real images of the last two sets have one score.
    line = r"(\S+(?: \(fake\))?) \(crop\): (\d+) real and (\d+) fake, each once"
    scored = re.findall(line, out + err)
    assert ("buster.real", "5", "0") in scored
    assert [name for name, *_ in scored].count("buster.real") == 1
    assert sum(int(real) + int(fake) for _, real, fake in scored) == 24 + 10 + 5 + 6 + 8 + 6
    assert "read as data.layout=synthbuster: 5 real and 6 fake images" in out + err


@pytest.mark.slow
def test_a_threshold_on_photographs_of_one_s_own(finish, benchmarks, tmp_path):
    """It is that of their scores in a run which has them as a benchmark."""
    count = 368  # as few as a threshold at 1 % can be learned from
    photos = write_tree(tmp_path / "own", [f"phone/{n:03}.png" for n in range(count)])
    run = RunFolder(tmp_path / "run")
    options = main_arguments(
        tmp_path, run.path, model__init=benchmarks / "w.safetensors",
        evaluation__benchmarks=f"own:real_only={photos},evalgen:fake_only={benchmarks}/evalgen",
        evaluation__batch_size=32, evaluation__analyses="()", **OPTIONS,
    )  # fmt: skip
    status, _, err = finish("jaxdet.main", *options)
    assert status == 0, err
    status, out, err = finish("jaxdet.report", str(run.path), "--matrix", f"--reals={photos}")
    assert status == 0, err
    scores = np.sort(read_arrays(run.predictions("own.phone"), Predictions).logit)[::-1]
    lines = (run.report / "matrix.csv").read_text().splitlines()
    found = dict(line.split(",")[2:] for line in lines if line.split(",")[1] == "")
    # At most 3 of 368 may lie at or above it, and the 99th percentile lies between two of them.
    assert float(found["threshold"]) == pytest.approx(scores[2], abs=1e-4)
    assert float(found["threshold_high"]) == pytest.approx(scores[0], abs=1e-4)
    assert float(found["threshold_low"]) < float(found["threshold"])
    assert int(found["n_reals"]) == count
    assert float(found["images_per_second"]) > 0
    assert re.search(r"threshold at 1 % +-?\d", out)


def assert_scores(one, rows):
    """Compares the numbers of a set with scikit-learn's of its scores."""
    called, real = rows.logit > 0, rows.label == 0
    if real.any() and not real.all():
        assert one.ap == pytest.approx(average_precision_score(rows.label, rows.logit), abs=1e-9)
        assert one.auc == pytest.approx(roc_auc_score(rows.label, rows.logit), abs=1e-9)
    else:
        assert (one.ap, one.auc, one.ap_ci95, one.sharpness_ap) == (None,) * 4
        assert one.measures["eer"] is one.metadata_ap is None
        assert set(one.intervals) <= {"accuracy", "accuracy_real", "accuracy_fake", "ece", "brier"}
    for share, own in ((one.accuracy_fake, called[~real]), (one.accuracy_real, ~called[real])):
        assert share == (pytest.approx(own.mean()) if own.size else None)


def assert_means(run, results, out):
    """Compares means and minima with those taken here of the scores alone."""
    found = {}
    for name in results.sets:
        rows = read_arrays(run.predictions(name), Predictions)
        called, both = rows.logit > 0, len(set(rows.label)) > 1
        found.setdefault(name.split(".")[0], []).append(
            [
                average_precision_score(rows.label, rows.logit) if both else np.nan,
                recall_score(rows.label, called) if rows.label.any() else np.nan,
                np.nan if rows.label.all() else recall_score(1 - rows.label, ~called),
                balanced_accuracy_score(rows.label, called) if both else np.nan,
            ]
        )
    own = {name: np.array(one) for name, one in found.items()}
    names = ["genimage", "viral", "buster", "evalgen", "own"]
    assert list(results.benchmarks) == list(own) == names
    assert [one.n for one in results.benchmarks.values()] == [2, 1, 2, 2, 1]
    for name, one in results.benchmarks.items():
        assert numbers(one) == pytest.approx(means_and_minima(own[name]), abs=1e-9, nan_ok=True)
    over = means_and_minima(np.array([one.mean(axis=0) for one in own.values()]))
    assert numbers(results.over_benchmarks) == pytest.approx(over, abs=1e-9)
    assert results.over_benchmarks.n == 5
    cells = [f"{100 * x:.1f}" for x in over]
    printed = next(x for x in out.splitlines() if x.startswith("over benchmarks")).split()[2:]
    assert printed == [*cells, str(sum(map(without_evidence, results.sets.values())))]
    page = (run.report / "index.html").read_text()
    line = page[page.index('<th scope="row">over benchmarks</th>') :]
    assert re.findall(r'class="n">([\d.]*)<', line)[1:9] == cells


def means_and_minima(columns):
    # Of what is defined in each column; NaN of a column without any.
    defined = (one[~np.isnan(one)] for one in columns.T)
    return [x for one in defined for x in ((one.mean(), one.min()) if one.size else (np.nan,) * 2)]


def numbers(overall):
    summaries = (
        overall.ap, overall.recall, overall.accuracy_real, overall.balanced_accuracy
    )  # fmt: skip
    return [x for one in summaries for x in ((one.mean, one.minimum) if one else (np.nan, np.nan))]


def test_equalised_images_are_scored_after_each_step_of_a_chain(finish, benchmarks, tmp_path):
    run = RunFolder(tmp_path / "run")
    given = arguments(benchmarks, run.path)
    given = [one for one in given if not one.startswith("--config.evaluation.benchmarks")]
    place = benchmarks / "viral" / "viral.csv"
    given += [f"--config.evaluation.benchmarks=('viral={place}',)",
              "--config.evaluation.chains=long:20+jpeg:40,web"]  # fmt: skip
    status, out, err = finish("jaxdet.main", *given, "--config.evaluation.equalise=jpeg:90")
    assert status == 0, err
    line = "evaluation.equalise=jpeg:90: every test image, real and fake alike"
    assert (out + err).count(line) == 1
    results = read_results(run.results)
    assert results.equalise == "jpeg:90"
    assert "re-encoded as jpeg:90" in out
    assert "re-encoded as jpeg:90" in (run.report / "index.html").read_text()
    assert results.chains == {
        "long:20+jpeg:40": ["long-20", "long-20+jpeg-40"],
        "web": ["long-768", "long-768+jpeg-60"],
    }
    ends = ["predictions/viral.viral", *(f"conditions/{names[-1]}/viral.viral"
                                         for names in results.chains.values())]  # fmt: skip
    rows = [read_arrays(run.path / f"{end}.npz", Predictions) for end in ends]
    label, logit = (np.concatenate([getattr(one, of) for one in rows]) for of in ("label", "logit"))
    (one,) = results.sets.values()
    assert one.pooled_auc == pytest.approx(roc_auc_score(label, logit), abs=1e-9)
    assert "chain web: what each step costs" in out
    # A folder holds the results of one value.
    status, _, err = finish("jaxdet.main", *given, "--config.evaluation.equalise=none")
    assert status == 2
    assert "evaluation.equalise: jpeg:90 -> none" in err


@pytest.mark.slow
def test_what_is_scored_is_not_scored_again(finish, benchmarks, tmp_path):
    run = RunFolder(tmp_path / "run")
    assert finish("jaxdet.main", *arguments(benchmarks, run.path))[0] == 0
    run.results.unlink()
    run.predictions("buster.firefly").unlink()
    files = sorted((run.path / "predictions").rglob("*.npz"))
    before = {file: file.stat().st_mtime_ns for file in files}
    status, out, err = finish("jaxdet.main", *arguments(benchmarks, run.path))
    assert status == 0, err
    assert {file: file.stat().st_mtime_ns for file in files} == before
    assert "each once" not in out + err
    assert run.results.exists()


@pytest.mark.slow
def test_runs_train_on_shards_and_skip_damaged_rows(finish, tmp_path):
    for number in range(4):
        write_parquet(
            tmp_path / "shards" / f"train-{number:05}-of-00004.parquet",
            {
                "image": structs(12, start=12 * number, damaged={7, 30}),
                "label": [number // 2] * 12,
            },
            names={"label": ["real", "fake"]},
        )
    run = RunFolder(tmp_path / "run")
    status, _, err = finish(
        "jaxdet.main",
        *main_arguments(
            tmp_path / "shards", run.path, task="train", data__on_bad_image="skip",
            augment__crop=16, optim__max_epochs=1, data__validation="none",
            optim__schedule="constant",
        ),
    )  # fmt: skip
    assert status == 0, err
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert lines
    assert np.isfinite([line["train/loss"] for line in lines if "train/loss" in line]).all()


@pytest.mark.slow
def test_missing_benchmarks_are_left_out_with_a_warning(finish, benchmarks, tmp_path):
    given = f"own:real_only={benchmarks / 'photos'},gone=nowhere"
    run = RunFolder(tmp_path / "run")
    options = main_arguments(
        tmp_path, run.path, model__init=benchmarks / "w.safetensors",
        evaluation__benchmarks=given, evaluation__missing_benchmarks="skip", **OPTIONS,
    )  # fmt: skip
    status, _, err = finish("jaxdet.main", *options)
    assert status == 0, err
    warning = "benchmark gone is left out: there is no nowhere"
    assert f"warning: {warning}" in err
    assert read_results(run.results).warnings == [warning]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("('a',)", "evaluation.benchmarks: 'a' is not NAME=ROOT"),
        ("('a=x','a=y')", "evaluation.benchmarks gives two benchmarks one name"),
        ("('a=nowhere',)", "evaluation.benchmarks=a=nowhere: no such folder"),
    ],
)
def test_mistakes_are_one_line(finish, benchmarks, tmp_path, given, message):
    options = main_arguments(
        tmp_path, tmp_path / "run", model__init=benchmarks / "w.safetensors",
        evaluation__benchmarks=given, **OPTIONS,
    )  # fmt: skip
    status, _, err = finish("jaxdet.main", *options)
    assert status == 2
    assert message in err
    assert "Traceback" not in err
