"""Lists which test sets a published mean is over. Means over other sets cannot be compared."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

# ForenSynths' folders to what tables call the sets, in the order of the papers.
USUAL_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "progan": "ProGAN",
        "stylegan": "StyleGAN",
        "biggan": "BigGAN",
        "cyclegan": "CycleGAN",
        "stargan": "StarGAN",
        "gaugan": "GauGAN",
        "crn": "CRN",
        "imle": "IMLE",
        "seeingdark": "SITD",
        "san": "SAN",
        "deepfake": "DeepFake",
        "stylegan2": "StyleGAN2",
        "whichfaceisreal": "WhichFaceIsReal",
    }
)
# What kind of generator made the fakes of ForenSynths' folders, as the papers group them.
FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(USUAL_NAMES, "GAN"),
        **dict.fromkeys(("crn", "imle"), "perceptual loss"),
        **dict.fromkeys(("seeingdark", "san"), "low-level vision"),
        "deepfake": "deepfake",
    }
)
# Names of ForenSynths' folders.
_ELEVEN = ("progan", "stylegan", "biggan", "cyclegan", "stargan", "gaugan", "crn", "imle",
           "seeingdark", "san", "deepfake")  # fmt: skip
_EIGHT = ("progan", "stylegan", "stylegan2", "biggan", "cyclegan", "stargan", "gaugan", "deepfake")
PROTOCOLS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "eleven": _ELEVEN,  # Wang et al., CVPR 2020, table 2; Frank and Holz, 2020
        "thirteen": (*_ELEVEN, "stylegan2", "whichfaceisreal"),  # with CNNDetection's later two
        "eight": _EIGHT,  # NPR, FreqNet, FatFormer, C2P-CLIP, which train on four classes
    }
)


def family_heads(names: Sequence[str]) -> list[str]:
    """Returns the family of each set where it differs from that of the set before, else ""."""
    families = [FAMILIES.get(name, "") for name in names]
    return [
        "" if place and family == families[place - 1] else family
        for place, family in enumerate(families)
    ]


def protocol_mean(values: Mapping[str, float], protocol: str) -> float | None:
    """Returns the plain mean over the protocol's sets; None where one of them is missing."""
    names = PROTOCOLS[protocol]
    if missing_sets(values, protocol):
        return None
    return sum(values[name] for name in names) / len(names)


def missing_sets(values: Mapping[str, object], protocol: str) -> list[str]:
    """Returns the protocol's sets that are not among the values, in its order."""
    return [name for name in PROTOCOLS[protocol] if name not in values]
