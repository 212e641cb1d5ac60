"""Lists the rules for torchvision's VGGs: numbered layers, so each has a table of its own."""

from collections.abc import Iterable

from jaxdet.convert.axes import CONV, DENSE, flattened
from jaxdet.convert.rules import Rule, Table, norm


def _conv(number: int) -> tuple[Rule, ...]:
    return (
        Rule(f"features.{number}.weight", f"params/features_{number}/kernel", CONV),
        Rule(f"features.{number}.bias", f"params/features_{number}/bias"),
    )


def _table(features: Iterable[Rule]) -> Table:
    return Table(
        rules=(
            *features,
            # The first dense layer reads a flattened map of 7 x 7.
            Rule("classifier.0.weight", "params/classifier_0/kernel", flattened(7, 7)),
            Rule("classifier.0.bias", "params/classifier_0/bias"),
            Rule("classifier.3.weight", "params/classifier_3/kernel", DENSE),
            Rule("classifier.3.bias", "params/classifier_3/bias"),
            Rule("classifier.6.weight", "params/classifier_6/kernel", DENSE),
            Rule("classifier.6.bias", "params/classifier_6/bias"),
        ),
        head="params/classifier_6/",
        stem="features.0.weight",
    )


VGG11 = _table(rule for n in (0, 3, 6, 8, 11, 13, 16, 18) for rule in _conv(n))
# Each convolution is followed by a normalisation.
VGG11_BN = _table(
    rule
    for n in (0, 4, 8, 11, 15, 18, 22, 25)
    for rule in (*_conv(n), *norm(f"features.{n + 1}", f"features_{n + 1}"))
)
