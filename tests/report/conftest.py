"""Run folders as a training would leave them, made of synthetic predictions."""

import json

import numpy as np
import pytest

from jaxdet import config
from jaxdet.evals.scores import calibrate, mean_ap, mean_intervals, protocol_means, score_set
from jaxdet.files import write_json
from jaxdet.results import Predictions, Results, RunFolder, write_arrays

GENERATORS = (
    "progan", "stylegan", "biggan", "cyclegan", "stargan", "gaugan", "crn", "imle",
    "seeingdark", "san", "deepfake", "stylegan2", "whichfaceisreal",
)  # fmt: skip


def predictions(name, *, strength=1.5, categories=("",), per_label=60, skipped=(), fake=True):
    """Rows of a set whose logits tell fakes by `strength` standard deviations."""
    rng = np.random.default_rng(list(name.encode()))
    folders = ("0_real", "1_fake") if fake else ("0_real",)
    ids = [
        f"{category}/{folder}/{i:04}.png".lstrip("/")
        for category in categories
        for folder in folders
        for i in range(per_label)
    ]
    label = np.array(["1_fake" in i for i in ids], np.int32)
    return Predictions(
        id=np.array(ids),
        label=label,
        logit=rng.normal(strength * (2 * label - 1), 2).astype(np.float32),
        sharpness=rng.gamma(4, 60 * (1 - 0.15 * label)).astype(np.float32),
        skipped=np.array(skipped, str),
        fingerprint="f00d",
    )


def training_lines(epochs=8, steps=200, seed=0):
    """Lines as the logbook writes them: one every 20 steps and one an epoch."""
    rng = np.random.default_rng(seed)
    for step in range(20, epochs * steps + 1, 20):
        epoch, lr = step / steps, 1e-4 if step <= 5 * steps else 1e-5
        loss = 0.65 * np.exp(-epoch / 2) + 0.05 + 0.03 * rng.standard_normal()
        yield {"step": step, "epoch": epoch, "train/loss": loss, "lr": lr,
               "train/accuracy": 1 - loss / 2, "images_per_second": 800.0}  # fmt: skip
        if step % steps == 0:
            quality = 1 - 0.4 * np.exp(-epoch / 2) - 0.005 * rng.random()
            yield {"step": step, "epoch": int(epoch), "val/loss": loss + 0.05, "val/auc": quality,
                   "val/accuracy": quality - 0.04, "val/ap": quality}  # fmt: skip


def write_run(
    path,
    sets,
    *,
    name="blur_jpeg_0.5",
    trained=True,
    seed=0,
    settings=None,
    published=None,
    validation=None,
    draws=20,
):
    """A finished run folder with these predictions."""
    folder = RunFolder(path)
    augment = config.Augment(blur_probability=0.5, jpeg_probability=0.5)
    setup = config.Config(**{"name": name, "seed": seed, "augment": augment, **(settings or {})})
    for set_name, rows in sets.items():
        if "\x00" not in set_name:
            write_arrays(folder.predictions(set_name), rows)
    calibration = calibrate(validation, source="val") if validation else None
    scored = {
        n: score_set(
            rows, draws=draws, seed=0, published_ap=(published or {}).get(n),
            calibration=calibration,
        )
        for n, rows in sets.items()
    }  # fmt: skip
    write_json(
        folder.results,
        Results(
            name=name,
            config_hash=config.config_hash(setup),
            sets=scored,
            status="finished",
            weights={"step": 1600, "published": "a paper <1>"},
            mean_ap=mean_ap(scored),
            calibration=calibration,
            means=protocol_means(scored),
            mean_intervals=mean_intervals(sets, draws=draws, seed=0),
        ),
    )
    write_json(folder.config, config.to_json_dict(setup))
    command = ["python", "-m", "jaxdet.main", "--config=configs/a.py", "--workdir=runs/my run"]
    write_json(
        folder.env,
        {"command": command, "commit": "0123abcd", "machine": {"cpu": "8 cores", "gpus": []},
         "versions": {"jax": "0.12.0", "numpy": "2.4.6"}},
    )  # fmt: skip
    if trained:
        lines = "".join(json.dumps(line) + "\n" for line in training_lines(seed=seed))
        folder.metrics.write_text(lines)
    return path


@pytest.fixture
def make_run(tmp_path):
    """Function of (folder name, sets, ...) that writes a run and gives its path."""
    return lambda folder, sets=None, **more: write_run(
        tmp_path / folder, sets or {"progan": predictions("progan")}, **more
    )


@pytest.fixture
def make_predictions():
    return predictions


@pytest.fixture
def generators():
    return GENERATORS
