"""Spectra and rankings of a run: written for each set, kept, and made up for where missing."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdet.config import Augment, Config, Data, Evaluation, Model, Optim, Runtime
from jaxdet.convert.architectures import TABLES, shapes
from jaxdet.convert.rules import to_torch
from jaxdet.data.folder import load_set
from jaxdet.data.readers import evaluation_reader
from jaxdet.evals import analysis as analysis_module
from jaxdet.evals.analysis import analyse, is_analysed
from jaxdet.results import Lineup, Predictions, Ranked, RunFolder, Spectrum, read_arrays
from jaxdet.run import run

SETS = ("alpha", "beta", "gamma")


@pytest.fixture
def config(dataset, tmp_path):
    """An evaluation of random weights."""
    model, rng = Model(name="resnet18", width=4), np.random.default_rng(0)
    arrays = {
        place: np.abs(rng.normal(0, 0.2, shape)).astype(np.float32)
        if place.endswith("var")
        else rng.normal(0, 0.2, shape).astype(np.float32)
        for place, shape in shapes(model).items()
    }
    save_file(to_torch(arrays, table=TABLES[model.name]), tmp_path / "w.safetensors")
    return Config(
        task="eval",
        data=Data(root=str(dataset)),
        augment=Augment(crop=24),
        model=dataclasses.replace(model, init=str(tmp_path / "w.safetensors")),
        optim=Optim(batch_size=8),
        evaluation=Evaluation(bootstrap=10, analyses=("spectra", "ranking", "lineup")),
        runtime=Runtime(workers=2, devices=1),
    )


def stamps(folder: Path):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.npz")}


def test_each_set_has_its_files_and_none_is_made_twice(config, tmp_path, capfd):
    folder = RunFolder(tmp_path / "run")
    run(config, folder.path)
    assert is_analysed(config.evaluation.analyses, SETS, folder)
    for name in SETS:
        scored = read_arrays(folder.predictions(name), Predictions)
        spectrum = read_arrays(folder.spectrum(name), Spectrum)
        assert spectrum.n_real + spectrum.n_fake + spectrum.n_small == len(scored.id)
        lineup = read_arrays(folder.lineup(name), Lineup)
        assert set(lineup.id) <= set(scored.id)
        ranked = read_arrays(folder.ranking(name), Ranked)
        logits = dict(zip(scored.id, scored.logit, strict=True))
        assert ranked.logit.tolist() == [logits[i] for i in ranked.id]
        assert {"percentile 0", "percentile 100"} <= set(ranked.role)
        assert ranked.image.shape[1:] == (24, 24, 3)
        assert len(ranked.evidence) == len(ranked.id)
        for label in (0, 1):
            ends = ranked.logit[(ranked.label == label)]
            assert ends.min() == scored.logit[scored.label == label].min()
            assert ends.max() == scored.logit[scored.label == label].max()
    before = stamps(folder.path)
    # Killed after the results, before the last of these files.
    folder.ranking("beta").unlink()
    folder.spectrum("gamma").unlink()
    folder.lineup("alpha").unlink()
    capfd.readouterr()
    run(config, folder.path)
    after = stamps(folder.path)
    assert after.keys() == before.keys()
    assert {path for path in after if after[path] != before[path]} == {
        folder.ranking("beta"), folder.spectrum("gamma"), folder.lineup("alpha"),
    }  # fmt: skip
    assert capfd.readouterr().err.count("is there already") == 6
    # All there: nothing is done.
    run(config, folder.path)
    assert "this run is finished" in capfd.readouterr().err
    assert stamps(folder.path) == after


@pytest.fixture
def known(monkeypatch):
    """What analyses are known by: nothing is computed or written."""

    def fingerprints(analysis, read, *, scores="s", weights="w", seed=0, **evaluation):
        engine = SimpleNamespace(
            seed=seed,
            evaluation=Evaluation(
                analyses=(analysis,), crop=24, resize_kernel="bilinear", **evaluation
            ),
            runtime=Runtime(), run=RunFolder(Path("none")), weights=weights,
        )  # fmt: skip
        found = []
        scored = SimpleNamespace(fingerprint=scores)
        monkeypatch.setattr(analysis_module, "read_arrays", lambda path, kind: scored)
        monkeypatch.setattr(analysis_module, "write_arrays", lambda path, made: found.append(made))
        for name in ("average_spectrum", "line_up", "rank"):
            monkeypatch.setattr(analysis_module, name, lambda *a, fingerprint, **o: fingerprint)
        analyse(engine, [read], SimpleNamespace(evidence=None), {})
        return found[0]

    return fingerprints


def test_an_analysis_of_other_images_scores_or_settings_is_another(dataset, known, monkeypatch):
    monkeypatch.setattr("jax.jit", lambda function: function)
    alpha, beta = (
        evaluation_reader(Data(), load_set(dataset / "test" / name, name="set"))
        for name in ("alpha", "gamma")
    )
    for analysis, others in {
        "spectra": [{"spectrum_images": 3}, {"read": beta}],
        "lineup": [{"scores": "t"}, {"seed": 1}],
        "ranking": [{"scores": "t"}, {"weights": "v"}],
    }.items():
        facts = [{}, {"protocols": ("resize",)}, {"batch_size": 3, "bootstrap": 3}, *others]
        of = [known(analysis, **{"read": alpha, **one}) for one in facts]
        assert of[0] == of[2]
        # Spectra are of crops that are never resized.
        assert (of[0] == of[1]) == (analysis == "spectra")
        assert len(set(of)) == len(of) - 1 - (analysis == "spectra")
