import builtins
import os
import pickle
import struct
import time
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from jaxdet.convert.files import read_state_dict
from jaxdet.convert.torch_read import read_torch
from jaxdet.convert.torch_write import write_torch
from jaxdet.errors import UserError
from tests.fuzz import build

FILES = Path(__file__).parent / "files"  # written by torch, see make_files.py
KINDS = ("zip", "stream")


def tensors():
    """The arrays of make_files.tensors."""
    base = np.arange(60, dtype=np.float32)
    return {
        "plain": np.arange(12, dtype=np.float32).reshape(3, 4) / 8,
        "permuted": base.reshape(3, 4, 5).transpose(2, 0, 1),
        "every_third": base[7:20:3],
        "half": np.arange(5, dtype=np.float16) / np.float16(4),
        "bfloat16": (np.arange(5) / 4).astype(ml_dtypes.bfloat16),
        "double": np.arange(4.0).reshape(2, 2) / 3,
        "counter": np.array(7),
        "bytes": np.arange(3, dtype=np.uint8),
        "truth": np.array([True, False]),
        "empty": np.zeros((0, 3), np.float32),
        "parameter": np.ones(2, np.float32),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_tensor_is_read_as_torch_wrote_it(kind):
    found, expected = read_state_dict(FILES / f"tensors_{kind}.pth"), tensors()
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].dtype == value.dtype, key
        assert found[key].shape == value.shape, key
        assert found[key].tobytes() == value.tobytes(), key


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_of_a_training_checkpoint_is_found(kind):
    found = read_state_dict(FILES / f"checkpoint_{kind}.pth")
    assert list(found) == ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean",
                           "1.running_var", "1.num_batches_tracked"]  # fmt: skip
    assert found["0.weight"].shape == (4, 3, 3, 3)
    assert found["1.num_batches_tracked"] == 1


def test_what_is_written_is_read_again(tmp_path):
    written = {k: v for k, v in tensors().items() if k in ("plain", "double", "counter", "half")}
    write_torch(tmp_path / "a.pth", written)
    found = read_torch(tmp_path / "a.pth").arrays
    assert found.keys() == written.keys()
    assert all(found[k].tobytes() == v.tobytes() for k, v in written.items())
    assert all(found[k].dtype == v.dtype for k, v in written.items())


def test_what_is_written_is_read_by_torch(tmp_path):
    torch = pytest.importorskip("torch")
    written = {k: v for k, v in tensors().items() if k in ("plain", "double", "counter", "half")}
    write_torch(tmp_path / "a.pth", written)
    found = torch.load(tmp_path / "a.pth", weights_only=True)
    assert found.keys() == written.keys()
    assert all(np.array_equal(found[k].numpy(), v) for k, v in written.items())


class Runs:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def hostile(target):
    """Objects whose unpickling would make a file."""
    make = f"open({str(target)!r}, 'w')"
    return {
        "os.system": Runs(os.system, f"touch {target}"),
        "eval": Runs(builtins.eval, make),
        "exec": Runs(builtins.exec, make),
        "getattr": Runs(getattr, Path, "touch"),
        "open": Runs(open, str(target), "w"),
        "nested": {"model": {"weight": [Runs(os.mkdir, str(target))]}},
    }


def as_plain(path, content):
    path.write_bytes(content)


def as_zip(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3\n")


def as_stream(path, content):
    head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {})]
    path.write_bytes(b"".join([*head, content, pickle.dumps([], 2)]))


@pytest.mark.parametrize("container", [as_plain, as_zip, as_stream])
@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("what", list(hostile("x")))
def test_no_pickle_can_run_code(tmp_path, container, protocol, what):
    target = tmp_path / "pwned"
    container(tmp_path / "evil.pth", pickle.dumps(hostile(target)[what], protocol))
    with pytest.raises(UserError) as caught:
        read_state_dict(tmp_path / "evil.pth")
    assert not target.exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickled_module_is_refused_with_a_way_out(kind):
    with pytest.raises(UserError, match=r"object of 'torch.nn.*ReLU'.*save model\.state_dict\(\)"):
        read_state_dict(FILES / f"module_{kind}.pth")


def storage(length=4, dtype="FloatStorage"):
    """A persistent id in pickle's opcodes."""
    return (
        b"(X\x07\0\0\0storage" + f"ctorch\n{dtype}\n".encode() + b"X\x01\0\0\x000X\x03\0\0\0cpu"
        + b"J" + struct.pack("<i", length) + b"tQ"
    )  # fmt: skip


def tensor(size, stride, offset=0, **of):
    whole = lambda numbers: b"(" + b"".join(b"J" + struct.pack("<i", n) for n in numbers) + b"t"  # noqa: E731
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(**of) + b"J" + struct.pack("<i", offset)
        + whole(size) + whole(stride) + b"\x89}tR"
    )  # fmt: skip


def write_archive(path, description, *, data=bytes(16), **members):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + description + b".")
        archive.writestr("a/data/0", data)
        for name, content in members.items():
            archive.writestr(f"a/{name}", content)
    return path


def entry(value):
    return b"}X\x01\0\0\0k" + value + b"s"


def test_a_tensor_in_bounds_is_read(tmp_path):
    data = np.arange(4, dtype=">f4").tobytes()
    path = write_archive(tmp_path / "a.pth", entry(tensor([2], [2], 1)), data=data, byteorder="big")
    assert read_torch(path).arrays["k"].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (tensor([5], [1]), "beyond its storage"),
        (tensor([2], [3], 1), "beyond its storage"),
        (tensor([1], [1], 4), "beyond its storage"),
        (tensor([2**30, 2**30], [0, 0]), "beyond its storage"),
        (tensor([2], [-1], 1), "a size that is no tuple"),
        (tensor([1], [1], -1), "without a storage, offset"),
        (tensor([2, 2], [1]), "without a storage, offset"),
        (tensor([1], [1], length=2**30), "of another length"),
        (tensor([1], [1], dtype="DoubleStorage"), "of another length"),
        (tensor([1], [1], dtype="QInt8Storage"), "names 'torch.QInt8Storage'"),
        (b"K\x01", "no state dict in it, but k"),
        (b"(K\x01K\x02tK\x03s", "no state dict|dictionary"),
    ],
)
def test_a_tensor_out_of_bounds_is_refused(tmp_path, value, says):
    with pytest.raises(UserError, match=says):
        read_torch(write_archive(tmp_path / "a.pth", entry(value)))


@pytest.mark.parametrize(
    ("description", "says"),
    [
        (b"K\x01", "neither a state dict"),
        (b"}", "no state dict in it, but nothing"),
        (b"X\xff\xff\xff\xffabc", "ends in the middle"),
        (b"\x8d" + b"\xff" * 8, "ends in the middle"),
        (b"r\xff\xff\xff\xff", "damaged"),
        (b"i os\nsystem\n", "an opcode b'i'"),
        (b"\x82\x01", "an opcode"),  # EXT1, copyreg's table
        (b"(", "values out of order"),
        (b"R", "damaged"),
        (b"NNb", "no dictionary"),
        (b"NNR", "no function of torch.save"),
        (b"ctorch\nFloatStorage\n)R", "no function of torch.save"),
        (b"}NQ", "outside its pickle that is no storage"),
        (b"})s", "damaged"),
        (b"})Ns", "no state dict in it, but nothing"),
        (b"NN\x93", "a name that is no text"),
        (b"cos\nsystem\n)R", "an object of 'os.system', which is code"),
        (b"cos\nsystem\n)\x81}b", "an object of 'os.system', which is code"),
        (b"N)\x81", "an object of something that is no class"),
        (b"\x8b\xff\xff\xff\x7f1", "ends in the middle"),
    ],
)
def test_a_pickle_of_other_things_is_refused(tmp_path, description, says):
    with pytest.raises(UserError, match=says):
        read_torch(write_archive(tmp_path / "a.pth", description))


def test_archives_that_unpack_to_more_than_they_are_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr("a/data/0", bytes(50_000_000))
    with pytest.raises(UserError, match="a compressed member"):
        read_torch(tmp_path / "bomb.pth")
    good = write_archive(tmp_path / "a.pth", entry(tensor([4], [1]))).read_bytes()
    # The central directory claims a larger member than the file.
    at = good.rindex(b"PK\x01\x02") + 20
    forged = good[:at] + struct.pack("<II", 2**31 - 1, 2**31 - 1) + good[at + 8 :]
    (tmp_path / "forged.pth").write_bytes(forged)
    with pytest.raises(UserError, match="larger than the file"):
        read_torch(tmp_path / "forged.pth")


def repeated(times):
    """A long list of pairs, handed to the same function again and again."""
    p = build.Pickle().add(b"](")
    for _ in range(times):
        p.text("k").add(b"N\x86")
    p.add(b"e\x85")
    arguments = p.put()
    p.name("collections.OrderedDict")
    function = p.put()
    for _ in range(times):
        p.get(function).get(arguments).add(b"R0")
    return p.end()


def long_name():
    p = build.Pickle().text("x" * 300_000)
    text = p.put()
    return p.get(text).get(text).add(b"\x93").end()


def many_tensors():
    p = build.Pickle().add(b"}")
    for n in range(60_000):
        p.text(f"k{n}").tensor(size=[1], stride=[1], length=4).add(b"s")
    return p.end()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (lambda: build.zip_of([("a/data.pkl", repeated(20_000))]), "calls with more values than"),
        (lambda: build.stream_of(repeated(20_000)), "calls with more values than"),
        (lambda: build.zip_of([("a/data.pkl", long_name())]), "a name of absurd length"),
        (lambda: build.zip_of([("a/data.pkl", many_tensors())]), "a pickle of absurd length"),
        (lambda: build.zip_of([("a/data.pkl", b"")], directory_twice=1_000_000),
         "an archive of more than 100000 members"),
    ],
)  # fmt: skip
def test_work_is_bounded_by_the_size_of_the_file(tmp_path, content, says):
    (tmp_path / "a.pth").write_bytes(content())
    began = time.process_time()
    with pytest.raises(UserError, match=says):
        read_torch(tmp_path / "a.pth")
    assert time.process_time() - began < 4


def test_foreign_archives_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "word.pth", "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    with pytest.raises(UserError, match="a zip archive, but not one"):
        read_torch(tmp_path / "word.pth")
    script = write_archive(tmp_path / "a.pth", b"}", **{"constants.pkl": b""})
    with pytest.raises(UserError, match="TorchScript"):
        read_torch(script)
    (tmp_path / "tar.pth").write_bytes(b"\x80\x02" + bytes(255) + b"ustar" + bytes(9))
    with pytest.raises(UserError, match="tar format"):
        read_torch(tmp_path / "tar.pth")


def mutations(content, rng, count):
    """The bytes cut short, or with a few of them changed."""
    for _ in range(count):
        if rng.random() < 0.2:
            yield content[: rng.integers(len(content))]
            continue
        changed = bytearray(content)
        for place in rng.integers(len(content), size=rng.integers(1, 6)):
            changed[place] = rng.integers(256)
        yield bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["tensors", "checkpoint"])
def test_damaged_files_give_arrays_or_one_line(tmp_path, kind, name):
    content = (FILES / f"{name}_{kind}.pth").read_bytes()
    path, lines = tmp_path / "a.pth", []
    started = time.monotonic()
    for damaged in mutations(content, np.random.default_rng(0), 400):
        path.write_bytes(damaged)
        try:
            found = read_state_dict(path)
        except UserError as error:
            lines.append(str(error))
        else:
            assert all(isinstance(value, np.ndarray) for value in found.values())
    assert len(lines) > 100
    assert all(line.startswith(str(path)) and "\n" not in line for line in lines)
    assert time.monotonic() - started < 60
