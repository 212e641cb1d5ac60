"""Small tables of images, written in the forms in which benchmarks come."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.conftest import draw_image


def content(seed, *, fake=False, kind="PNG", size=24):
    """Returns the bytes of an image that no other seed has."""
    file = io.BytesIO()
    pixels = draw_image(np.random.default_rng(seed), size, fake)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def write_tree(root, paths, *, size=24):
    """Writes an image at each path; of equal names in two trees the bytes are equal."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        seed = int.from_bytes((root / path).name.encode()[:6], "big")
        (root / path).write_bytes(content(seed, size=size))
    return root


def write_csv(path, names, rows, *, delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([names, *rows])
    return path


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path, columns, *, group=10, names=None):
    """Writes a Parquet file; `names` are those of ClassLabels, as Hugging Face writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if names:
        features = {name: {"names": own, "_type": "ClassLabel"} for name, own in names.items()}
        about = {"huggingface": json.dumps({"info": {"features": features}})}
        table = table.replace_schema_metadata(about)
    pq.write_table(table, path, row_group_size=group)
    return path


def structs(count, *, start=0, lacking=(), damaged=()):
    """Returns a column of images as Hugging Face's datasets have them."""
    cells = []
    for number in range(start, start + count):
        cell = {"bytes": content(number), "path": f"{number:04}.png"}
        if number in damaged:
            cell["bytes"] = b"no image at all"
        cells.append(None if number in lacking else cell)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.array(cells, kind)
