"""Makes options, and names who published those that come from a paper."""

import dataclasses
from typing import Any

WANG = "Wang et al., CVPR 2020"
FRANK = "Frank and Holz, ML Reproducibility Challenge 2020"
XUAN = "Xuan et al. 2019"
ZHANG = "Zhang et al., WIFS 2019"
NPR = "Tan et al., CVPR 2024"
COMMUNITY = "Community Forensics, CVPR 2025"
DDA = "DDA, NeurIPS 2025"
EFFORT = "Effort, ICML 2025"


def option(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    source: str = "jaxdet",
    choices: tuple[str, ...] = (),
    within: str = "",
) -> Any:
    """Returns a dataclass field that carries its own documentation.

    Args:
      default: where nothing is given.
      doc: what it means, for docs/configuration.md.
      unit: of a number.
      source: who published the default or the choice.
      choices: all that a word may be; empty: any.
      within: the interval of a number, or of each number of a tuple, as `(0, 1]`.
    """
    metadata = {"doc": doc, "unit": unit, "source": source, "choices": choices, "within": within}
    return dataclasses.field(default=default, metadata=metadata)
