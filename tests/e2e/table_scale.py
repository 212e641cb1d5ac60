"""Training on class-sorted Parquet shards with damaged rows: kill, resume, bits, memory.

    python -m tests.e2e.table_scale FOLDER [--images=200000] [--workers=2] [--worker-kind=threads]

Small images, no two alike, lie in shards of Parquet: all real ones, then all fake ones; one row in
997 has no image, bytes of no image or half of one. A tiny detector trains on them for two epochs,
and again with a SIGKILL in the middle of the second epoch. Prints a line of JSON, and exits with 1
unless both end with the same bits, every damaged row was met and counted, the sorted shards were
learned, and all processes of a run together stay under 2 GiB (resident, shared pages counted once
for each). FOLDER may be kept: what is there is taken.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jaxdet.results import RunFolder, read_metrics
from tests.conftest import draw_image
from tests.e2e import watching
from tests.e2e.conftest import REPOSITORY

SIDE, SHARD, GROUP, DAMAGED = 32, 20_000, 1_000, 997
BATCH, EPOCHS = 512, 2
MOST_MEMORY = 2 * 2**30


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--worker-kind", choices=("threads", "processes"), default="threads")
    options = parser.parse_args()
    rows = make_shards(options.folder / "data", options.images)
    whole, killed = (RunFolder(options.folder / name) for name in ("whole", "killed"))
    for run in (whole, killed):
        shutil.rmtree(run.path, ignore_errors=True)
    runs = [watched(options, whole)]
    steps = max(watching.logged(whole, "train/loss"))
    runs.append(watched(options, killed, until=steps * 3 // 4))
    runs.append(watched(options, killed))
    found = claims(options.images, whole, killed, runs)
    print(json.dumps({**rows, **facts(whole, steps, runs), "claims": found}))
    sys.exit(not all(found.values()))


def make_shards(root, count):
    """Writes the shards of so many rows, one in a hundred each to validate and to score.

    Returns how many rows, shards and MiB there are.
    """
    if not root.is_dir():
        draft = root.with_name("draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for first in range(0, count, SHARD):
            rows = range(first, min(first + SHARD, count))
            write_shard(draft / f"part-{first:07d}.parquet", rows, count)
        draft.rename(root)
    shards = sorted(root.iterdir())
    return {
        "rows": sum(pq.read_metadata(path).num_rows for path in shards),
        "shards": len(shards),
        "mib": round(sum(path.stat().st_size for path in shards) / 2**20),
    }


def write_shard(path, rows, count):
    labels = [int(row >= count // 2) for row in rows]
    splits = [split(row) for row in rows]
    images = [image(row, label) for row, label in zip(rows, labels, strict=True)]
    table = pa.table({"image": pa.array(images, pa.binary()), "label": labels, "split": splits})
    pq.write_table(table, path, row_group_size=GROUP, use_dictionary=["label", "split"])


def split(row):
    return {0: "val", 1: "test"}.get(row % 100, "train")


def image(row, label):
    """Returns the PNG of a row, or what a damaged one has."""
    pixels = draw_image(np.random.default_rng(row), SIDE, bool(label))
    content = cv2.imencode(".png", pixels)[1].tobytes()
    if row % DAMAGED:
        return content
    return (None, b"no image at all", content[: len(content) // 2])[row // DAMAGED % 3]


def watched(options, run, *, until=None):
    """Runs a training, killed after the step `until`; its seconds, memory and what it logged."""
    config = {
        "data.root": options.folder / "data", "data.on_bad_image": "skip", "augment.crop": SIDE,
        "model.width": 4, "optim.batch_size": BATCH, "optim.max_epochs": EPOCHS,
        "checkpoint.every_steps": 100, "evaluation.analyses": "()", "evaluation.bootstrap": 100,
        "runtime.workers": options.workers, "runtime.worker_kind": options.worker_kind,
        "runtime.log_every": 10,
    }  # fmt: skip
    began, peak, log = time.monotonic(), [0], options.folder / f"{run.path.name}.log"
    with log.open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "jaxdet.main", f"--config={REPOSITORY / 'configs' / 'small.py'}",
             f"--workdir={run.path}", *(f"--config.{k}={v}" for k, v in config.items())],
            cwd=REPOSITORY, env=watching.environment(run.path.name, options.folder.resolve()),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
        )  # fmt: skip
    meter = threading.Thread(target=measure, args=(process, run.path.name, peak))
    meter.start()
    while until and process.poll() is None:
        time.sleep(0.2)
        if max(watching.logged(run, "train/loss"), default=0) >= until:
            watching.kill(process.pid)
    status = process.wait()
    meter.join()
    assert watching.ended(run.path.name), "processes left"
    assert status == (-9 if until else 0), log.read_text()
    return {"seconds": time.monotonic() - began, "peak": peak[0], "log": log.read_text()}


def measure(process, name, peak):
    """Keeps the largest resident memory of all processes of a run together, looked at often."""
    while process.poll() is None:
        peak[0] = max(peak[0], sum(map(resident, watching.marked(name))))
        time.sleep(0.2)


def resident(pid):
    """Returns the bytes of memory of a process, which may have ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0


def facts(run, steps, runs):
    """Returns what the uninterrupted run and the killed one took."""
    lines = read_metrics(run.metrics)
    speeds = [line["images_per_second"] for line in lines if "images_per_second" in line]
    return {
        "steps": steps,
        "seconds": [round(one["seconds"]) for one in runs],
        "peak_mib": [round(one["peak"] / 2**20) for one in runs],
        "median_images_per_second": round(float(np.median(speeds))),
        "val_accuracy": last(run, "val/accuracy"),
        "unreadable": last(run, "train/unreadable"),
    }


def claims(images, whole, killed, runs):
    """Returns whether each claim held, by its name."""
    damaged = [split(row) for row in range(0, images, DAMAGED)]
    (scores,) = json.loads(whole.results.read_text())["sets"].values()
    return {
        "same_bits": not watching.differences(killed, whole),
        "resumed": bool(re.search(r"going on from step \d+", runs[-1]["log"])),
        "train_damage_counted": last(whole, "train/unreadable") == damaged.count("train"),
        "test_damage_counted": scores["n_skipped"] == damaged.count("test"),
        "learned": last(whole, "val/accuracy") > 0.9,
        "under_2_gib": max(one["peak"] for one in runs) < MOST_MEMORY,
    }


def last(run, name):
    return [line[name] for line in read_metrics(run.metrics) if name in line][-1]


if __name__ == "__main__":
    main()
