"""Lists the rules for the small networks without published weights, under names of our own.

The copies of them in GRIP's comparison are other networks: no biases and no ReLU before each
pool (cooccurrence), another last layer (dcgan). Other names keep their weights apart.
"""

import math

from jaxdet.convert.axes import CONV, DENSE, flattened
from jaxdet.convert.rules import Rule, Table, norm


def _conv(key: str, place: str) -> tuple[Rule, ...]:
    return (
        Rule(f"{key}.weight", f"params/{place}/kernel", CONV),
        Rule(f"{key}.bias", f"params/{place}/bias"),
    )


DCGAN = Table(
    rules=(
        Rule("conv{n}.weight", "params/conv{n}/kernel", CONV),
        *norm("bn{n}", "bn{n}"),
        Rule("fc.weight", "params/fc/kernel", reads="params/conv3/kernel"),
        Rule("fc.bias", "params/fc/bias"),
    ),
    head="params/fc/",
    stem="conv0.weight",
    sized="fc.weight",
    # Four halvings, and eight times as many channels as at first.
    side=lambda shape, width: 16 * math.isqrt(shape[1] // (8 * width)),
)
COOCCURRENCE = Table(
    rules=(
        *_conv("conv{s}_{n}", "conv{s}_{n}"),
        # The matrices have 256 x 256 entries whatever the crop.
        Rule("fc1.weight", "params/fc1/kernel", flattened(10, 10)),
        Rule("fc1.bias", "params/fc1/bias"),
        Rule("fc2.weight", "params/fc2/kernel", DENSE),
        Rule("fc2.bias", "params/fc2/bias"),
    ),
    head="params/fc2/",
    stem="conv0_3.weight",
)
FORENSIC_TRANSFER = Table(
    rules=(
        *_conv("encoder.{n}", "encoder_{n}"),
        *_conv("decoder.{n}", "decoder_{n}"),
        *_conv("last", "last"),
    ),
    stem="encoder.0.weight",
)
