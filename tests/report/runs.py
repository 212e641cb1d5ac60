"""Run folders as a training would leave them, made of synthetic predictions."""

import dataclasses
import json

import numpy as np
import skimage.data

from jaxdet import config
from jaxdet.evals.drawn import draw_sets
from jaxdet.evals.scores import calibrate, mean_ap, mean_intervals, protocol_means, score_set
from jaxdet.results import (
    Condition,
    Predictions,
    Ranked,
    Results,
    RunFolder,
    Scores,
    Spectrum,
    TwoShot,
    read_results,
    write_arrays,
)
from jaxdet.workdir.files import is_step, write_json

GENERATORS = (
    "progan", "stylegan", "biggan", "cyclegan", "stargan", "gaugan", "crn", "imle",
    "seeingdark", "san", "deepfake", "stylegan2", "whichfaceisreal",
)  # fmt: skip

KINDS = ("protocol", "blur", "jpeg", "scale", "noise")


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
        if is_step(set_name):
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
            mean_intervals=mean_intervals(draw_sets(sets, draws=draws, seed=0)),
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


def shifted(rows, by):
    """The same images, each fake `by` lower: what a disturbance does."""
    return dataclasses.replace(rows, logit=(rows.logit - by * rows.label).astype(np.float32))


def condition(kind, level, sets, by):
    """The sets scored again."""
    scored = {
        name: score_set(shifted(rows, by), draws=5, seed=0, published_ap=None, calibration=None)
        for name, rows in sets.items()
    }
    plain = {
        name: Scores(**{f.name: getattr(one, f.name) for f in dataclasses.fields(Scores)})
        for name, one in scored.items()
    }
    return Condition(kind=kind, level=level, sets=plain, mean_ap=mean_ap(scored))


def photograph(seed, side, *, upsampled):
    """A crop of a photograph, u8 [side, side, 3]; each second row and column left out, or not."""
    rng = np.random.default_rng(seed)
    whole = skimage.data.astronaut()
    y, x = rng.integers(0, 512 - side, 2)
    crop = whole[y : y + side, x : x + side]
    return crop[::2, ::2].repeat(2, axis=0).repeat(2, axis=1) if upsampled else crop


def spectrum(side, *, upsampled):
    """Mean magnitude over a few photographs."""
    grey = [photograph(i, side, upsampled=upsampled).mean(-1) for i in range(4)]
    found = np.mean([np.abs(np.fft.fft2(one - one.mean())) for one in grey], axis=0)
    return np.fft.fftshift(found).astype(np.float32)


def ranked(rows, *, side=64, mistakes=2):
    """Images at the quartiles of each label and the most mistaken, as the ranking picks them."""
    roles = {}
    for label in (0, 1):
        order = np.flatnonzero(rows.label == label)
        order = order[np.argsort(rows.logit[order], kind="stable")]
        for percentile in (0, 25, 50, 75, 100):
            roles[order[(order.size - 1) * percentile // 100]] = [f"percentile {percentile}"]
        worst = order if label else order[::-1]
        for n in range(mistakes):
            roles.setdefault(worst[n], []).append(f"mistake {n + 1}")
    places = list(roles)
    images = [photograph(place, side, upsampled=bool(rows.label[place])) for place in places]
    rng = np.random.default_rng(0)
    evidence = rows.logit[places, None, None] / 49 + rng.normal(0, 0.1, (len(places), 7, 7))
    return Ranked(
        id=rows.id[places],
        label=rows.label[places],
        logit=rows.logit[places],
        role=np.array([", ".join(one) for one in roles.values()]),
        image=np.stack(images),
        evidence=evidence.astype(np.float32),
        fingerprint="f00d",
    )


def write_analyses(path, sets, *, side=64, strength=1.0, kinds=KINDS):
    """What a full evaluation adds to a run: conditions, two-shot accuracy, spectra, rankings."""
    folder = RunFolder(path)
    results = read_results(folder.results)
    two_shot = TwoShot(
        accuracy=0.8125, accuracy_sd=0.0625, threshold=-0.5, threshold_sd=0.25, pairs=9, crops=4
    )
    conditions = {
        "full": condition("protocol", None, sets, -0.5),
        "resize": condition("protocol", None, sets, 1.0),
        **{f"blur-{s:g}": condition("blur", s, sets, s * strength) for s in (1.0, 3.0)},
        **{f"jpeg-{q}": condition("jpeg", float(q), sets, (100 - q) / 40) for q in (90, 30)},
        **{f"scale-{f:g}": condition("scale", f, sets, 1.0) for f in (0.5, 2.0)},
        "noise-5": condition("noise", 5.0, sets, strength),
    }
    conditions = {name: one for name, one in conditions.items() if one.kind in kinds}
    changed = {n: dataclasses.replace(o, two_shot=two_shot) for n, o in results.sets.items()}
    write_json(folder.results, dataclasses.replace(results, sets=changed, conditions=conditions))
    real, fake = spectrum(side, upsampled=False), spectrum(side, upsampled=True)
    for name, rows in sets.items():
        pair = Spectrum(real=real, fake=fake, n_real=4, n_fake=4, n_small=1, fingerprint="f00d")
        write_arrays(folder.spectrum(name), pair)
        write_arrays(folder.ranking(name), ranked(rows, side=side))
