"""Evaluation only, on the benchmarks that people compare detectors on today, in one command.

Command:  python -m jaxdet.main --config=configs/suites.py:dda --config.model.init=RUN_OR_FILE \
              --config.evaluation.benchmark_root=DIR --workdir=RUN
          for those that lie below DIR under the names of `_PLACES`, and only for these with
          --config.evaluation.missing_benchmarks=skip; dda are the eleven of DDA's README, mirror
          the thirteen of MIRROR's, all has every one; another place is named by
          --config.evaluation.benchmarks=NAME:LAYOUT=PATH,...
Source:   DDA, NeurIPS 2025; MIRROR, arXiv 2602.02222; layouts: docs/reference/tables.md
Expected: what others report stands beside; here: not measured
"""

from types import MappingProxyType

from ml_collections import ConfigDict

from jaxdet import config as schema
from jaxdet.errors import UserError

# Where each lies, as NAME=FOLDER or NAME:LAYOUT=FOLDER.
_PLACES = (
    "genimage:genimage=GenImage", "drct:drct=DRCT-2M", "dda_coco=DDA-COCO",
    "evalgen:fake_only=EvalGEN", "synthbuster=synthbuster", "forensynths=ForenSynths",
    "forensynths11=ForenSynths-11", "aigcdb=AIGCDetectBenchmark", "chameleon:forensynths=Chameleon",
    "synthwildx=SynthWildX", "wildrf=WildRF", "bfree_online=B-Free-online", "aigibench=AIGIBench",
    "univfd:univfd=diffusion_datasets", "cospy=CO-SPY-Bench", "rr=RRDataset",
)  # fmt: skip
_SUITES = MappingProxyType(
    {
        "dda": ("genimage", "drct", "dda_coco", "evalgen", "synthbuster", "forensynths11",
                "aigcdb", "chameleon", "synthwildx", "wildrf", "bfree_online"),
        "mirror": ("aigcdb", "genimage", "univfd", "synthbuster", "evalgen", "drct", "chameleon",
                   "synthwildx", "wildrf", "aigibench", "cospy", "rr", "bfree_online"),
        "all": tuple(one.partition("=")[0].partition(":")[0] for one in _PLACES),
    }
)  # fmt: skip


def get_config(arg: str = "") -> ConfigDict:
    arg = arg or "all"
    if arg not in _SUITES:
        raise UserError(f"configs/suites.py:{arg}: the argument is {', '.join(_SUITES)}")
    places = {one.partition("=")[0].partition(":")[0]: one for one in _PLACES}
    return schema.to_config_dict(
        schema.Config(
            name=f"suite_{arg}",
            task="eval",
            evaluation=schema.Evaluation(
                benchmarks=tuple(places[name] for name in _SUITES[arg]),
                benchmark_root="data/benchmarks",
                analyses=(),
            ),
        )
    )
