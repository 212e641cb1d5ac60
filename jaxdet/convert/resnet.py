"""torchvision's ResNets."""

from jaxdet.convert.rules import CONV, DENSE, Rule, Table, norm

RESNET = Table(
    rules=(
        Rule("conv1.weight", "params/conv1/kernel", CONV),
        *norm("bn1", "bn1"),
        Rule("layer{s}.{b}.conv{n}.weight", "params/layer{s}_{b}/conv{n}/kernel", CONV),
        *norm("layer{s}.{b}.bn{n}", "layer{s}_{b}/bn{n}"),
        Rule("layer{s}.{b}.downsample.0.weight", "params/layer{s}_{b}/downsample_0/kernel", CONV),
        *norm("layer{s}.{b}.downsample.1", "layer{s}_{b}/downsample_1"),
        Rule("fc.weight", "params/fc/kernel", DENSE),
        Rule("fc.bias", "params/fc/bias"),
    ),
    head="params/fc/",
    stem="conv1.weight",
)
