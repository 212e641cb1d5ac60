"""Files of a few kilobytes that nest, share, claim and repeat, each through every reader of it.

Nobody wrote them one by one: kind, depth, sharing and place follow from a generator. What a
reader may take is bounded by the size of the file, see `bounds`.
"""

import contextlib
import io
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jaxdet.config import Data
from jaxdet.convert.load import load_weights
from jaxdet.data import ops
from jaxdet.data.folder import read_size
from jaxdet.errors import UserError
from jaxdet.fetch.archive import Archive
from jaxdet.fetch.members import Limits, check_members
from jaxdet.fetch.views import DamagedError, JoinedFile, LocalPart
from jaxdet.predict.inputs import ParquetColumn
from jaxdet.predict.parts import read_part
from jaxdet.report.contents import read_contents
from tests.fuzz import build, mutate, records
from tests.fuzz.samples import sound

# Seconds of the processor and MiB that any file may take, and how many more for each MiB of it.
SECONDS, MIB, A_MIB_SECONDS, A_MIB_MIB = 1.0, 64, 4.0, 200
# Address space above what the process has before a file, bytes.
ROOM = 2**30
_JSON = tuple(
    dict.fromkeys(f"{k}/{n}" for k, n, _ in records.TARGETS if n.endswith(("json", "jsonl")))
)
_NPZ = tuple(dict.fromkeys(f"{k}/{n}" for k, n, _ in records.TARGETS if n.endswith("npz")))
# What is read, in turn.
KINDS = (
    "pickle", "json", "npz", "parquet", "tiff", "pickle", "safetensors", "json", "pickle", "npz",
    "pickle", "json", "parquet", "tiff", "pickle", "safetensors", "json", "npz", "pickle", "zip",
)  # fmt: skip


def bounds(folder):
    """Seconds of the processor and MiB that a reader may take for a case."""
    mib = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
    # What lies beside the file in the folder is read as well, and is sound and small.
    return SECONDS + A_MIB_SECONDS * mib, MIB + A_MIB_MIB * mib


def kinds():
    return ("pickle", *_JSON, *_NPZ, "safetensors", "parquet", "tiff", "zip")


def make_case(number, seed, folder):
    """Writes the variant of a number; gives what it is and its folder."""
    rng = np.random.default_rng([seed, number, 7])
    kind = KINDS[number % len(KINDS)]
    if kind in ("json", "npz"):
        return _among_others(kind, rng, folder)
    folder.mkdir(parents=True)
    content = _MAKERS[kind](rng)
    (folder / _NAMES[kind]).write_bytes(content)
    return kind, folder


def sound_case(what, folder):
    """As `make_case`, undamaged."""
    if "/" in what:
        return records.sound_case(what, folder)
    folder.mkdir(parents=True)
    made = {
        "pickle": lambda: (sound()[1] / "weights/zip.pth").read_bytes(),
        "safetensors": lambda: (sound()[1] / "weights/a.safetensors").read_bytes(),
        "parquet": lambda: _parquet(pa.table({"image": [b"x", b"y"]})),
        "tiff": lambda: _encoded_tiff(),
        "zip": lambda: build.zip_of([("cat/0_real/a.png", bytes(50))]),
    }  # fmt: skip
    (folder / _NAMES[what]).write_bytes(made[what]())
    return folder


_NAMES = {"pickle": "a.pth", "safetensors": "a.safetensors", "parquet": "a.parquet",
          "tiff": "a.tif", "zip": "a.zip"}  # fmt: skip


def readers(what):
    """Name to a function of the folder of a case."""
    if what == "pickle" or what == "safetensors":
        return {"load_weights": lambda folder: load_weights(folder / _NAMES[what])}
    if what == "parquet":
        return {"column": _read_column, "read_part": lambda folder: read_part(folder / "a.parquet")}
    if what == "tiff":
        content = lambda folder: (folder / _NAMES[what]).read_bytes()  # noqa: E731
        return {
            "header": lambda folder: read_size(folder / _NAMES[what]),
            "decode": lambda folder: ops.decode(content(folder), max_pixels=Data.max_pixels),
            "decode_bgr": lambda folder: ops.decode_bgr(
                content(folder), max_pixels=Data.max_pixels
            ),
        }
    if what == "zip":
        return {"archive": _read_archive}
    if what.startswith("run/"):
        return {"read_contents": lambda folder: read_contents([folder])}
    return records.readers(what)


def _read_column(folder):
    inputs = ParquetColumn([folder / "a.parquet"], column="image")
    for chunk in inputs.chunks(0, len(inputs)):
        for _ in chunk.read():
            pass


def _read_archive(folder):
    part = LocalPart(folder / "a.zip")
    try:
        archive = Archive(JoinedFile([part]))
        check_members(archive.members, archive_bytes=archive.length, limits=Limits())
        for member in archive.members:
            for _ in archive.chunks(member):
                pass
    except DamagedError as error:
        raise UserError(str(error)) from None
    finally:
        part.close()


def _depth(rng, most):
    """From 1 on, each order of magnitude as likely as the others."""
    return int(np.exp(rng.uniform(0, np.log(most))))


def _one(rng, options):
    return options[rng.integers(len(options))]


def _number(rng, *options):
    return int(_one(rng, options))


# Pickles.


def _pickle(rng):
    description = _program(rng)
    if rng.random() < 0.3:
        return build.stream_of(description)
    members = [("a/data.pkl", description), ("a/data/0", bytes(_number(rng, 0, 16, 4000)))]
    lies = [_lie(rng, int(rng.integers(2)))] if rng.random() < 0.1 else []
    twice = _depth(rng, 3000) if rng.random() < 0.05 else 0
    return build.zip_of(members, lies=lies, directory_twice=twice)


_FUNCTIONS = (
    "collections.OrderedDict", "collections.defaultdict", "torch.Size", "os.system",
    "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter",
    "torch._tensor._rebuild_from_type_v2", "torch._utils._rebuild_qtensor",
)  # fmt: skip


def _program(rng):
    """A shared, nested value, and a place where torch's files have something else."""
    p = build.Pickle()
    _nest(p, rng)
    shared = p.put()
    way = rng.integers(12)
    p.add(b"0")
    if way == 0:  # a key
        p.add(b"}").get(shared).add(b"Ns")
    elif way == 1:  # a value
        p.add(b"}").text("k").get(shared).add(b"s")
    elif way == 2:  # a name
        _one(rng, (lambda: p.get(shared).text("x"), lambda: p.text("x").get(shared)))()
        p.add(b"\x93")
    elif way == 3:  # an id of something outside
        _one(rng, (lambda: p.get(shared), lambda: p.text("storage").get(shared).add(b"\x86")))()
        p.add(b"Q")
    elif way == 4:  # what a function is called with
        p.name(_one(rng, _FUNCTIONS)).get(shared).add(_one(rng, (b"R", b"\x85R", b"\x85\x85R")))
        for _ in range(_depth(rng, 20_000)):
            p.add(b"0").get(0).get(0).add(b"\x86")
    elif way == 5:  # the same call again and again
        p.name("collections.OrderedDict")
        function = p.put()
        p.get(shared).add(b"\x85")
        arguments = p.put()
        for _ in range(_depth(rng, 20_000)):
            p.get(function).get(arguments).add(b"R0")
    elif way == 6:  # a name of a long text, again and again
        p.text("x" * _depth(rng, 100_000))
        text = p.put()
        for _ in range(_depth(rng, 20_000)):
            p.get(text).get(text).add(b"\x930")
    elif way == 7:  # numbers of one hash as keys
        p.add(b"}(")
        for n in range(_depth(rng, 20_000)):
            number = (n * (2**61 - 1)).to_bytes(20, "little")
            p.add(b"\x8a\x14", number, b"N")
        p.add(b"u")
    elif way == 8:  # dictionaries in dictionaries, each under many names
        _shared_dictionaries(p, rng)
    elif way == 9:  # a number of any length
        claimed = _number(rng, 5, 2000, 2**31 - 1)
        p.add(b"}").text("k").add(b"\x8b", claimed.to_bytes(4, "little"), bytes(2000), b"s")
    else:  # tensors of any size over a small storage
        p.add(b"}")
        for n in range(_depth(rng, 300)):
            axes = _number(rng, 0, 1, 2, 4, 32, 33, 60)
            size = [_number(rng, 0, 1, 2, 3, 1000, 2**31 - 1) for _ in range(axes)]
            stride = [_number(rng, 0, 0, 0, 1, 7, 2**30) for _ in range(axes)]
            key = _one(rng, ("conv1.weight", "features.0.weight", f"k{n}"))
            p.text(key).tensor(size=size, stride=stride, length=_number(rng, 0, 4, 1000, 2**31 - 1))
            p.add(b"s")
    return p.end()


def _nest(p, rng):
    """Pushes a value that holds another twice, which holds another twice, and so on."""
    leaves = (lambda: p.whole(1), lambda: p.text("a" * _depth(rng, 1000)), lambda: p.add(b"N"),
              lambda: p.add(b"]"), lambda: p.add(b"}"), lambda: p.name("os.system"))  # fmt: skip
    _one(rng, leaves)()
    same = rng.integers(9) if rng.random() < 0.5 else None
    for _ in range(_depth(rng, 2000)):
        place = p.put()
        way = rng.integers(9) if same is None else same
        copies = _depth(rng, 40)
        if way <= 3:  # tuples
            p.add(b"0(")
            for _ in range(copies):
                p.get(place)
            p.add(b"t")
        elif way == 4:
            p.get(place).add(b"\x86")
        elif way == 5:  # a list that holds itself, too
            p.add(b"0](")
            for _ in range(copies):
                p.get(place)
            p.add(b"e")
        elif way == 6:
            p.add(b"0}").text("a").get(place).add(b"s").text("b").get(place).add(b"s")
        elif way == 7:  # a set, which hashes
            p.add(_one(rng, (b"0\x8f(", b"0("))).get(place).get(place)
            p.add(b"\x90" if p.code[-5:].startswith(b"\x8f") else b"\x91")
        else:
            p.add(b"0").name("collections.OrderedDict").add(b"](").get(place).get(place)
            p.add(b"\x86e\x85R")


def _shared_dictionaries(p, rng):
    p.add(b"}").text("w").tensor(size=[1], stride=[1], length=1).add(b"s")
    for _ in range(int(rng.integers(1, 5))):
        place = p.put()
        p.add(b"0}(")
        for n in range(_depth(rng, 5000)):
            p.text(f"k{n}").get(place)
        p.add(b"u")


# JSON.


def _among_others(kind, rng, folder):
    """A file of a store, a dataset, a run or a converted folder; the others are sound."""
    what = _one(rng, _JSON if kind == "json" else _NPZ)
    holder, _, name = what.partition("/")
    shutil.copytree(sound()[1] / holder, folder)
    path = folder / name
    if kind == "npz":
        path.write_bytes(_npz(path, rng))
        return what, folder
    path.write_bytes(_json(path.read_text(), rng, lines=name.endswith("jsonl")))
    if rng.random() < 0.7 and holder in ("store", "detector"):
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            records._renew(holder, folder, name)
    return what, folder


def _json(text, rng, *, lines):
    """A value of any kind in the place of one, or of all."""
    odd = _odd_json(rng)
    if rng.random() < 0.15:
        return odd.encode("utf-8", "surrogatepass")
    whole = text.splitlines()[0] if lines else text
    value = json.loads(whole)
    holders = [one for one in mutate._walk(value) if one]
    holder = holders[rng.integers(len(holders))]
    keys = list(holder) if isinstance(holder, dict) else range(len(holder))
    holder[keys[rng.integers(len(keys))]] = "@@"
    return json.dumps(value).replace('"@@"', odd).encode("utf-8", "surrogatepass")


def _odd_json(rng):
    count, way = _depth(rng, 20_000), rng.integers(11)
    opened = "".join(_one(rng, ("[", '{"a":', '[1,{"b":')) for _ in range(count))
    return (
        lambda: "[" * count + "]" * count,
        lambda: (
            opened
            + "1"
            + "".join("]" if one == "[" else "}" for one in opened[::-1] if one in "[{")
        ),
        lambda: opened,
        lambda: '{"a":' * count + "{}" + "}" * count,
        lambda: "[" + ",".join(["[]"] * count) + "]",
        lambda: "{" + ",".join(f'"k{n}":{{}}' for n in range(count)) + "}",
        lambda: "9" * count,
        lambda: "-1e" + "9" * min(count, 300),
        lambda: _one(rng, ("NaN", "Infinity", "-Infinity", "1e400", "-0", "1" + "0" * 400)),
        lambda: '"' + _one(rng, ("\\ud800", "x", "\\u0000", "/../")) * count + '"',
        lambda: "{" + ",".join(['"a":1'] * count) + "}",
    )[way]()


# Arrays.


def _npz(path, rng):
    """The arrays of a file, one of them with another header, and an archive that may lie."""
    with np.load(path) as file:
        members = [(f"{name}.npy", _plain_npy(file[name])) for name in file.files]
    place = int(rng.integers(len(members)))
    members[place] = (members[place][0], _odd_npy(rng))
    lies = [_lie(rng, place)] if rng.random() < 0.3 else []
    twice = _depth(rng, 2000) if rng.random() < 0.1 else 0
    alone = members[place][1]
    whole = build.zip_of(members, lies=lies, directory_twice=twice)
    return alone if rng.random() < 0.1 else whole


def _plain_npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _odd_npy(rng):
    shapes = ("(1000000000000,)", "(0,)", "(1000000000, 0)", "(0, 1000000000, 0)", f"({10**400},)",
              "(-1,)", "(4294967296, 4294967296)", "(True,)", "()", "(1,)", "(6,)", "[6]",
              "(" + "1," * _depth(rng, 3000) + ")")  # fmt: skip
    depth = _depth(rng, 2500)
    few = min(depth, 800)
    descrs = (
        "'<f4'", "'<i4'", "'<U1'", "'<U0'", "'|V0'", "'|O'", "'<U1000000'", "'|S2147483647'",
        "[('a', '<f4', (1000000000,))]", "[('a', '<f4'), ('a', '<f4')]", "{1: 2}",
        "('<f8', (1000, 1000, 1000))", "[" * depth + "]" * depth, "-" * depth + "1",
        "(" * depth + "'<f4'" + ",)" * depth, "[('a', " * few + "'<f4'" + ")]" * few,
        "'" + "x" * depth + "'", "9" * depth, "b'" + "\\x00" * depth + "'", "'M8[99999999999s]'",
    )  # fmt: skip
    return build.npy(
        descr=_one(rng, descrs), shape=_one(rng, shapes), data=bytes(_number(rng, 0, 24, 1000)),
        fortran=bool(rng.integers(2)), version=_number(rng, 1, 1, 1, 2, 3, 9),
        length=_one(rng, (None, None, None, 0, 65535, 2**32 - 1)),
    )  # fmt: skip


def _safetensors(rng):
    if rng.random() < 0.35:
        text = _odd_json(rng).encode("utf-8", "surrogatepass")
        text = text if rng.random() < 0.4 else b'{"t":' + text + b"}"
        return build.safetensors(text, bytes(64), length=_one(rng, (None, None, 2**40, 2**23, 1)))
    header, content = {}, bytes(_one(rng, (0, 4, 64, 4096)))
    for n in range(_depth(rng, 1000)):
        places = (0, 4, len(content), 10**400, -1, 2**63, 1.5, "0", None, True)
        few = (0, 1, 2, 4, len(content) // 4, 10**400, 2**48, -1, 1.0, "4", [1])
        shape = [_one(rng, few) for _ in range(_number(rng, 0, 1, 2, 4, 40))]
        offsets = [_one(rng, places) for _ in range(_number(rng, 2, 2, 2, 0, 1, 3))]
        kind = _one(rng, ("F32", "F64", "F8_E4M3", "F8_E5M2", "F4", "F6_E2M3", "C64", "BOOL", "U8",
                          "BF16", "", None, ["F32"], {"a": 1}))  # fmt: skip
        if rng.random() < 0.5:
            kind, shape, offsets = "F32", [len(content) // 4], [0, len(content)]
        about = {"dtype": kind, "shape": shape, "data_offsets": offsets}
        name = _one(rng, ("conv1.weight", f"k{n}", "a." * 50 + str(n), "__metadata__", "\x1b[2J"))
        header[name] = _one(rng, (about, about, about, about, [], {}, 5))
    return build.safetensors(header, content)


# Tables.


def _table(rng):
    """A table whose values repeat, nest or compress, in some cases with damaged bytes."""
    rows = _depth(rng, 10_000_000 if rng.random() < 0.3 else 3000)
    value = bytes(_depth(rng, 2_000_000 if rng.random() < 0.3 else 1000))
    way = rng.integers(7)
    if way == 0:
        column = pa.nulls(rows, pa.binary())
    elif way == 1:  # one value, once in the file and in every row
        places = pa.array(np.zeros(min(rows, 10**6), np.int32))
        column = pa.DictionaryArray.from_arrays(places, pa.array([value]))
    elif way == 2:
        column = pa.array([value])
    elif way == 3:
        column = pa.array([value[:50] or b"a"] * min(rows, 5000))
    elif way == 4:
        column = pa.array([_deep(_depth(rng, 60))])
    elif way == 5:
        column = pa.StructArray.from_arrays(
            [pa.array([value]), pa.array(["a.png"])], ["bytes", _one(rng, ("path", "bytes", "x"))]
        )
    else:
        column = pa.array(["/" * min(len(value), 9000), "data:,x", "\0"])
    table = pa.table({"image": column})
    if rng.random() < 0.1:
        table = pa.table({**{f"c{n}": [1] for n in range(_depth(rng, 400))}, "image": [b"x"]})
    content = _parquet(
        table, compression=_one(rng, ("none", "snappy", "gzip", "brotli", "zstd", "lz4")),
        row_group_size=_number(rng, 1, 100, 2**20) if len(table) < 300 else None,
        use_dictionary=bool(rng.integers(2)), data_page_size=_number(rng, 1, 1000, 2**20),
    )  # fmt: skip
    return mutate.damaged(content, rng) if rng.random() < 0.4 else content


def _deep(depth):
    value = [1]
    for _ in range(depth):
        value = [value]
    return value


def _parquet(table, **options):
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


# Pictures of directories.


def _encoded_tiff():
    return build.tiff([(_tags(4, 4, 8), None)], data=bytes(48))


def _tags(width, height, place, **changes):
    """Entries of a plain RGB picture; of each changed tag another (type, count, value)."""
    tags = {254: (4, 1, 0), 256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8),
            259: (3, 1, 1), 262: (3, 1, 2), 273: (4, 1, place), 277: (3, 1, 3),
            278: (4, 1, height), 279: (4, 1, 3 * width * height)}  # fmt: skip
    tags |= {int(tag.removeprefix("t")): value for tag, value in changes.items()}
    return [(tag, *value) for tag, value in sorted(tags.items())]


def _directories(rng):
    """A TIFF that loops, shares the data of its tags, claims sides, or has many previews."""
    data = rng.bytes(_depth(rng, 60_000))
    side = _number(rng, 1, 4, 4, 100, 4000, 14_000, 65_535)
    pages = []
    count = _depth(rng, 2000) if rng.random() < 0.3 else int(rng.integers(1, 4))
    for number in range(count):
        entries = _tags(side, _number(rng, side, side, side, 1, 14_000), 8, **_changes(rng, side))
        if rng.random() < 0.4:  # many tags over the same bytes
            many = _number(rng, len(data), len(data) // 8, 2**31)
            kinds = rng.integers(1, 14, _depth(rng, max(2, 3000 // count)))
            entries += [(33_000 + n, int(kind), many, 8) for n, kind in enumerate(kinds)]
        after = (None, int(rng.integers(20)), *[number + 1] * 8)[rng.integers(10)]
        pages.append((sorted(entries), after))
    return build.tiff(pages, big=rng.random() < 0.3, data=data)


def _changes(rng, side):
    """Tags that make of a plain picture a preview, a packed one, one of strips, tiles or levels."""
    changes = {"t274": (3, 1, int(rng.integers(10)))}
    if rng.random() < 0.25:
        changes["t254"] = (4, 1, 1)
    if rng.random() < 0.25:
        packing = _number(rng, 2, 3, 4, 5, 6, 7, 8, 32_773, 34_712, 50_000, 50_001)
        changes["t259"] = (3, 1, packing)
    if rng.random() < 0.2:  # strips that all lie at one place
        rows = _number(rng, 1, 8, 1000)
        strips = (4, side // rows, 8)
        changes |= {"t278": (4, 1, rows), "t273": strips, "t279": strips}
    if rng.random() < 0.1:
        places = (4, _number(rng, 1, 1000, 2**31), 8)
        tile = _number(rng, 0, 16, 65_536)
        changes |= {"t322": (4, 1, tile), "t323": (4, 1, 16), "t324": places, "t325": places}
    if rng.random() < 0.3:
        changes["t258"] = (3, 1, _number(rng, 1, 4, 12, 16, 32, 64))
        changes["t262"] = (3, 1, int(rng.integers(7)))
        changes["t277"] = (3, 1, _number(rng, 1, 2, 4, 5, 65_535))
        changes["t339"] = (3, 1, int(rng.integers(6)))
    return changes


# Archives to unpack.


def _archive(rng):
    names = ("cat/0_real/a.png", "a/" * _depth(rng, 30_000), "../x", "a" * 300, "")
    members = [(_one(rng, names), bytes(50)) for _ in range(_depth(rng, 100))]
    lies = [_lie(rng, int(rng.integers(100))) for _ in range(int(rng.integers(3)))]
    twice = _depth(rng, 5000) if rng.random() < 0.2 else 0
    return build.zip_of(members, lies=lies, directory_twice=twice)


def _lie(rng, member):
    """A field of a member in the directory of an archive, and what it says there."""
    field = _one(rng, ("size", "packed", "offset", "method", "crc"))
    return member, field, _number(rng, 0, 8, 12, 14, 2**31, 2**32 - 1)


_MAKERS = {"pickle": _pickle, "safetensors": _safetensors, "parquet": _table, "tiff": _directories,
           "zip": _archive}  # fmt: skip
