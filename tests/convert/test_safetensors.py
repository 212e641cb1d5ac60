"""safetensors by our own reader of its header: every kind of number, and what headers may claim."""

import time

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdet.convert.files import read_safetensors, read_state_dict
from jaxdet.errors import UserError
from tests.fuzz import build


def test_what_the_package_writes_is_read_bit_by_bit(tmp_path):
    kinds = (np.float64, np.float32, np.float16, np.int64, np.int32, np.int16, np.int8, np.uint8,
             np.bool_, np.uint16, np.uint32, np.uint64)  # fmt: skip
    written = {np.dtype(kind).name: np.arange(6).astype(kind).reshape(2, 3) for kind in kinds}
    written |= {"empty": np.zeros((0, 3), np.float32), "one": np.array(7.5, np.float32)}
    save_file(written, tmp_path / "a.safetensors", metadata={"format": "pt"})
    found = read_state_dict(tmp_path / "a.safetensors")
    assert found.keys() == written.keys()
    for name, value in written.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        assert found[name].tobytes() == value.tobytes()


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("BF16", "bfloat16"), ("F8_E4M3", "float8_e4m3fn"), ("F8_E5M2", "float8_e5m2"),
     ("F8_E8M0", "float8_e8m0fnu")],
)  # fmt: skip
def test_narrow_floats_are_read_by_ml_dtypes(tmp_path, kind, dtype):
    value = np.array([0.5, 1, 2, 4], getattr(ml_dtypes, dtype))
    about = {"dtype": kind, "shape": [2, 2], "data_offsets": [0, value.nbytes]}
    (tmp_path / "a").write_bytes(build.safetensors({"t": about}, value.tobytes()))
    found = read_safetensors(tmp_path / "a")["t"]
    assert found.astype(np.float32).tolist() == [[0.5, 1], [2, 4]]


def one(**changes):
    return {"t": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (one(dtype="F4"), "an array of the kind 'F4', which is not read"),
        (one(dtype=["F32"]), "unhashable"),
        (one(shape=[10**400]), "no list of whole numbers"),
        (one(shape=[2**62, 4]), "no list of whole numbers"),
        (one(shape=[1] * 33), "no list of whole numbers"),
        (one(shape=[2**40, 0], data_offsets=[0, 8]), "of another size"),
        (one(data_offsets=[8, 16]), "not where it should be"),
        (one(data_offsets=[8, 0]), "not where it should be"),
        (one(data_offsets=[-8, 0]), "no list of whole numbers"),
        (one(data_offsets=[0]), "not enough values"),
        ({"t": {}}, "KeyError: 'dtype'"),
        ({"t": 5}, "not subscriptable"),
        (b'{"t":' + b"[" * 100_000, "nested deeper than 32"),
        (b"{" + b"9" * 5000 + b":1}", "property name"),
    ],
)
def test_a_header_that_lies_is_refused_in_a_line(tmp_path, header, says):
    (tmp_path / "a").write_bytes(build.safetensors(header, bytes(8)))
    with pytest.raises(UserError, match=says) as raised:
        read_safetensors(tmp_path / "a")
    assert len(str(raised.value)) < 400


def test_a_million_arrays_are_refused_before_they_are_read(tmp_path):
    entry = b'"layer%07d.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
    text = b"{" + b"".join(entry % n for n in range(1_000_000))[:-1] + b"}"
    (tmp_path / "a").write_bytes(build.safetensors(text, bytes(4)))
    began = time.process_time()
    with pytest.raises(UserError, match=r"a header of 7\d{7} bytes, more than any network's"):
        read_safetensors(tmp_path / "a")
    assert time.process_time() - began < 2
