import importlib.util

import jax
import numpy as np
import pytest

from jaxdet.bench.__main__ import main
from jaxdet.bench.hlo import operations
from jaxdet.bench.roofline import RooflinePlan, measure_roofline
from jaxdet.config import Model, Optim
from jaxdet.config.model import ARCHITECTURES, PROBES

needs_plugin = pytest.mark.skipif(
    not importlib.util.find_spec("jax_cuda13_plugin"), reason="needs jaxdet[roofline]"
)


def counted(function, *shapes, dtype=np.float32):
    arguments = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    found = operations(jax.jit(function).lower(*arguments).compile().as_text())
    return {one.kind: (one.moved, one.flop) for one in found}


def test_a_product_reads_its_operands_once_and_has_two_flops_a_place():
    found = counted(lambda a, b: a @ b, (96, 160), (160, 224))
    assert found == {
        "product of matrices": (4 * (96 * 160 + 160 * 224 + 96 * 224), 2 * 96 * 160 * 224)
    }


def test_a_convolution_has_the_flops_of_its_kernel_at_each_place():
    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    found = counted(convolve, (2, 17, 17, 8), (3, 3, 8, 24))
    assert found["convolution: forward"] == (
        4 * (2 * 17 * 17 * 8 + 3 * 3 * 8 * 24 + 2 * 8 * 8 * 24),
        2 * 2 * 8 * 8 * 24 * 3 * 3 * 8,
    )


def test_what_is_fused_moves_its_ends_alone():
    found = counted(lambda x: jax.numpy.tanh(x * 2 + 1), (1000,))
    assert list(found.values()) == [(8000, 0)]


PROGRAM = """
%fused (p: f32[4,8]) -> f32[4,8] {
  %p = f32[4,8]{1,0} parameter(0)
  ROOT %t = f32[4,8]{1,0} tanh(%p)
}

%first (a: f32[4,8]) -> f32[4,8] {
  %a = f32[4,8]{1,0} parameter(0)
  ROOT %f = f32[4,8]{1,0} fusion(%a), kind=kLoop, calls=%fused
}

%second (b: f32[4,8]) -> f32[4,8] {
  %b = f32[4,8]{1,0} parameter(0)
  ROOT %n = f32[4,8]{1,0} negate(%b)
}

ENTRY %main (x: f32[4,8], k: f32[3,3,1,16], i: f32[2,8,8,16], w: bf16[8,32], c: s32[]) -> f32[4,8] {
  %x = f32[4,8]{1,0} parameter(0)
  %k = f32[3,3,1,16]{3,2,1,0} parameter(1)
  %i = f32[2,8,8,16]{3,2,1,0} parameter(2)
  %w = bf16[8,32]{1,0} parameter(3)
  %c = s32[] parameter(4)
  %deep = f32[2,8,8,16]{3,2,1,0} convolution(%i, %k), window={size=3x3 pad=1_1x1_1}, \
dim_labels=b01f_01io->b01f, feature_group_count=16, metadata={op_name="jit(step)/jvp(N)/conv1/conv"}
  %wgrad = (f32[3,3,16,16]{3,2,1,0}, u8[64]{0}) custom-call(%i, %i), window={size=3x3}, \
dim_labels=b01f_01io->b01f, custom_call_target="__cudnn$convBackwardFilter", \
metadata={op_name="jit(step)/transpose(jvp(N))/conv1/conv"}
  %gemm = (bf16[8,8]{1,0}, s8[64]{0}) custom-call(%w, %w), custom_call_target="__cublas$gemm", \
backend_config={"gemm_backend_config":{"dot_dimension_numbers":{"lhs_contracting_dimensions":["1"]}}}
  %sum = f32[4,8]{1,0} all-reduce-start(%x), to_apply=%second
  %done = f32[4,8]{1,0} all-reduce-done(%sum)
  ROOT %chosen = f32[4,8]{1,0} conditional(%c, %done, %done), branch_computations={%first, %second}
}
""".replace("\\\n", "")


def test_calls_of_libraries_choices_and_halves_of_operations_are_counted_once():
    work = {operation.name: operation for operation in operations(PROGRAM)}
    assert set(work) == {"deep", "wgrad", "gemm", "sum", "f", "n"}
    assert {name: operation.flop for name, operation in work.items() if operation.flop} == {
        "deep": 2 * 9 * 2 * 8 * 8 * 16,
        "wgrad": 2 * 9 * 16 * 16 * 2 * 8 * 8,
        "gemm": 2 * 8 * 8 * 32,
    }
    assert (work["gemm"].dtype, work["gemm"].moved) == ("bf16", 2 * (8 * 8 + 2 * 8 * 32) + 64)
    assert {name: operation.kind for name, operation in work.items()} == {
        "deep": "convolution: forward", "wgrad": "convolution: weight gradient",
        "gemm": "product of matrices", "sum": "collective", "f": "other", "n": "other",
    }  # fmt: skip


def plan(name, **options):
    width, size = options.pop("width", 64), options.pop("size", 224)
    dtype, batch = options.pop("dtype", "float32"), options.pop("batch_size", 256)
    model, optim = Model(name=name, width=width, dtype=dtype), Optim(batch_size=batch)
    return RooflinePlan(
        target="h100", model=model, optim=optim, batch_size=batch, size=size, **options
    )


@needs_plugin
def test_resnet50_moves_and_keeps_no_more_than_it_did():
    found = measure_roofline(plan("resnet50", dtype="bfloat16"))
    # As measured, with a little room: what XLA undoes by itself costs more than that.
    assert found["operations"] <= 1000
    assert found["gib"] <= 66
    assert found["least_ms"] <= 26
    assert found["memory_gib"] <= 7.2
    kinds = {row["kind"]: row for row in found["kinds"]}
    assert sum(row["operations"] for row in kinds.values()) == found["operations"]
    # Forward and both gradients of 4.1 billion multiplications an image, a third each.
    forward, gradient = (
        kinds[f"convolution: {part}"]["tflop"] for part in ("forward", "input gradient")
    )
    assert forward == pytest.approx(256 * 2 * 4.1e9 / 1e12, rel=0.05)
    assert gradient == pytest.approx(forward, rel=0.05)


@needs_plugin
@pytest.mark.slow
def test_resnet50_in_float32_and_resnet18_move_no_more_than_they_did():
    assert measure_roofline(plan("resnet50"))["least_ms"] <= 51
    found = measure_roofline(plan("resnet18", dtype="bfloat16"))
    assert found["least_ms"] <= 8.2


@needs_plugin
@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in ARCHITECTURES if n not in PROBES])
def test_every_detector_compiles_for_the_card_in_deterministic_mode(name):
    found = measure_roofline(plan(name, width=8, size=64, batch_size=8, deterministic=True))
    assert found["operations"] > 10


@needs_plugin
def test_the_processes_of_several_cards_sum_their_gradients(capsys):
    main(["roofline", "--arch=resnet18", "--width=8", "--size=32", "--batch-size=16", "--cards=8"])
    out = capsys.readouterr().out
    assert "training, resnet18 float32, 16 images of 32 pixels, 8 x h100" in out
    assert "collective" in out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--cards=3"], "--cards=3 does not divide 256 images"),
        (["--config=configs/small.py", "--arch=vgg11"], "--arch beside --config"),
        (["--config=configs/papers/wang_table2.py"], "a table of experiments"),
        (["--arch=dcgan", "--size=8"], "--size=8"),
        (["--config=npr", "--score", "--cards=7"], "--cards=7 does not divide"),
    ],
)
def test_what_cannot_be_compiled_is_one_line(options, complaint, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["roofline", *options])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err
