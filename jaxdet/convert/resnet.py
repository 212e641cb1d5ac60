"""Lists the rules for torchvision's ResNets, and for the networks that put something around one."""

from typing import Any

from jaxdet.convert.axes import CONV, DENSE, MAP
from jaxdet.convert.rules import Rule, Table, norm


def _rules(*, key: str = "", place: str = "", head: str = "fc") -> tuple[Rule, ...]:
    """Returns the rules of a ResNet, below a key and a place, whose last layer has its own name."""
    block = f"{place}layer{{s}}_{{b}}"
    return (
        Rule(f"{key}conv1.weight", f"params/{place}conv1/kernel", CONV),
        *norm(f"{key}bn1", f"{place}bn1"),
        Rule(f"{key}layer{{s}}.{{b}}.conv{{n}}.weight", f"params/{block}/conv{{n}}/kernel", CONV),
        *norm(f"{key}layer{{s}}.{{b}}.bn{{n}}", f"{block}/bn{{n}}"),
        Rule(
            f"{key}layer{{s}}.{{b}}.downsample.0.weight",
            f"params/{block}/downsample_0/kernel",
            CONV,
        ),
        *norm(f"{key}layer{{s}}.{{b}}.downsample.1", f"{block}/downsample_1"),
        Rule(f"{key}{head}.weight", f"params/{place}fc/kernel", DENSE),
        Rule(f"{key}{head}.bias", f"params/{place}fc/bias"),
    )


RESNET = Table(rules=_rules(), head="params/fc/", stem="conv1.weight")
# Tan et al., CVPR 2024 (networks/resnet.py).
NPR = Table(rules=_rules(head="fc1"), head="params/fc/", stem="conv1.weight")

_BEHIND: dict[str, Any] = {"head": "params/network/fc/", "stem": "network.conv1.weight"}
# Names of our own, since Frank and Holz saved whole modules: the scaler and the network behind it.
DCT = Table(
    rules=(
        *_rules(key="network.", place="network/"),
        Rule("scaler.min", "batch_stats/scaler/min"),
        Rule("scaler.max", "batch_stats/scaler/max"),
    ),
    sized="scaler.min",
    side=lambda shape, width: shape[0],
    **_BEHIND,
)
DCT_LOG = Table(
    rules=(
        *_rules(key="network.", place="network/"),
        Rule("scaler.count", "batch_stats/scaler/count"),
        Rule("scaler.mean", "batch_stats/scaler/mean", MAP),
        Rule("scaler.spread", "batch_stats/scaler/spread", MAP),
    ),
    sized="scaler.mean",
    side=lambda shape, width: shape[1],
    **_BEHIND,
)
