"""`python -m tests.predict.ray_ten_thousand`: the same images by the plain loop and by Ray.

A local cluster of two machines (two raylets with two CPUs each, on this one) scores images of which
some are broken: once undisturbed, and once with a model's process killed (-9) when a third of the
rows are there, or with `--lose=machine` the second raylet. Each input must have one row, equal to
the plain loop's to 1e-5. Prints JSON; needs the extra `ray`.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.predict.samples import write_images, write_weights

CROP = 32


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=8, help="of the ResNet-18")
    parser.add_argument("--lose", choices=("actor", "machine"), default="actor")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder) / "w.safetensors", width=options.width)
        write_images(Path(folder) / "images", options.images, broken_every=97)
        print(json.dumps(compare(Path(folder), options.images, lose=options.lose), indent=2))


def compare(folder, images, *, lose):
    """Figures of the three runs over `folder/images` with the weights beside; raises if unequal."""
    plain, expected = score(folder, "plain")
    with cluster() as second:
        calm, calm_rows = score(folder, "calm", "--engine=ray")
        disturbed, rows = score(
            folder, "disturbed", "--engine=ray",
            meanwhile=lambda child, out: kill(child, out, images // 3, second, lose=lose),
        )  # fmt: skip
    return {
        "images": images,
        "without_a_score": images - expected["error"].null_count,
        "killed": lose,
        "largest_difference": max(difference(expected, calm_rows), difference(expected, rows)),
        "plain": plain,
        "ray": {**calm, **ratios(calm, plain)},
        "ray_with_a_loss": {**disturbed, **ratios(disturbed, plain)},
    }


@contextlib.contextmanager
def cluster():
    """Two raylets of two CPUs; commands find them by RAY_ADDRESS. Gives the second one's pid."""
    from ray.cluster_utils import Cluster

    both = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    second = both.add_node(num_cpus=2)
    os.environ["RAY_ADDRESS"] = both.address
    try:
        yield next(info[0].process.pid for kind, info in second.all_processes.items()
                   if kind == "raylet")  # fmt: skip
    finally:
        del os.environ["RAY_ADDRESS"]
        both.shutdown()


def score(folder, name, *options, meanwhile=lambda child, out: None):
    """Runs `predict --out=folder/name`; its figures and its rows, sorted by number."""
    out, began = folder / name, time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "jaxdet.predict", f"--weights={folder}/w.safetensors",
         f"--crop={CROP}", f"--out={out}", *options, str(folder / "images")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        meanwhile(child, out)
        said, complained = child.communicate()
    seconds = time.monotonic() - began
    # Broken images are there, so 1 is what a command that did its work says.
    assert child.returncode == 1, said + complained
    assert "Traceback" not in complained, complained
    return {"seconds": round(seconds, 1), **rate(out)}, read(out)


def rate(out):
    """Images per second between the first and the last part, without start and compilation."""
    parts = sorted(out.glob("*.parquet"), key=os.path.getmtime)
    seconds = os.path.getmtime(parts[-1]) - os.path.getmtime(parts[0])
    rows = sum(pq.read_metadata(part).num_rows for part in parts[1:])
    return {"images_per_second": round(rows / seconds, 1)}


def ratios(ours, plain):
    rate = ours["images_per_second"] / plain["images_per_second"]
    return {
        "rate_to_plain": round(rate, 2),
        "seconds_to_plain": round(ours["seconds"] / plain["seconds"], 2),
    }


def read(out):
    tables = [pq.read_table(part) for part in out.glob("*.parquet")]
    return pa.concat_tables([table.replace_schema_metadata() for table in tables]).sort_by("number")


def kill(child, out, after, raylet, *, lose):
    """Kills a process of the cluster when `after` rows are there, well before the end."""
    while sum(pq.read_metadata(part).num_rows for part in out.glob("*.parquet")) < after:
        assert child.poll() is None, child.communicate()
        time.sleep(0.05)
    victim = raylet if lose == "machine" else actors_below(os.getpid())[0]
    os.kill(victim, signal.SIGKILL)
    assert child.poll() is None, "too late"


def actors_below(ancestor):
    """Process ids of the model's actors that descend from a process."""
    parents, titles = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(place.name)] = int((place / "stat").read_text().rsplit(")")[-1].split()[1])
            titles[int(place.name)] = (place / "cmdline").read_bytes()
    actors = [pid for pid, title in titles.items() if b"MapWorker" in title and b"Scorer" in title]
    return [pid for pid in actors if ancestor in ancestry(pid, parents)]


def ancestry(pid, parents):
    while pid in parents:
        pid = parents[pid]
        yield pid


def difference(expected, rows):
    """The largest difference of two logits; everything else must be the same."""
    for name in ("number", "path", "error"):
        assert rows[name].equals(expected[name]), name
    a, b = (table["logit"].to_numpy() for table in (expected, rows))
    assert np.array_equal(np.isnan(a), expected["error"].is_valid().to_numpy())
    largest = float(np.nanmax(np.abs(a - b)))
    assert largest <= 1e-5 < np.nanstd(a), largest
    return largest


if __name__ == "__main__":
    main()
