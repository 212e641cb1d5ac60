"""Lists benchmarks that `fetch` names and does not fetch: where they lie, how they are read.

Their publishers give no address and digest of a file that a program may take: they lie behind a
form or on drives that hand files to browsers, or need the hub's own client. Sizes and licences as
their pages said in 2025 and 2026; read the licence before use.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Describes a benchmark to be downloaded by hand.

    Attributes:
      name: by which `fetch` and `configs/suites.py` know it.
      title: what it is.
      place: where it lies.
      licence: in short; "" where none was found.
      way: why it is not fetched, and how to get it.
      layout: what to do with it: an option, or that it is recognised.
    """

    name: str
    title: str
    place: str
    licence: str
    way: str
    layout: str

    def sentence(self) -> str:
        """Returns all of it in one line."""
        licence = self.licence or "no licence found"
        return (
            f"{self.title}; not fetched here: {self.way}, {self.place} ({licence}); then "
            f"{self.layout}"
        )


_DRIVE = "it lies on a drive for browsers"
_HUB = "take it with the hub's own client, `hf download --repo-type=dataset`"
_FORM = "its authors give it on request, by a form or e-mail"
_AUTO = "it is recognised by its folders"
_TABLE = "give the folder of Parquet files: columns and labels are recognised"

_BENCHMARKS = (
    Elsewhere(
        name="genimage", title="GenImage, 8 generators", place="Google Drive and Baidu",
        licence="CC BY-NC-SA", way=_DRIVE, layout="data.layout=genimage",
    ),
    Elsewhere(
        name="tiny-genimage", title="Tiny-GenImage, 35,000 images",
        place="huggingface.co/TheKernel01", licence="CC BY-NC-SA", way=_HUB, layout=_TABLE,
    ),
    Elsewhere(
        name="aigibench", title="AIGIBench, 25 test sets, 237 GB", place="Hugging Face, ungated",
        licence="", way=_HUB, layout=_AUTO,
    ),
    Elsewhere(
        name="aigcdb", title="AIGCDetectBenchmark, 16 test sets", place="ModelScope",
        licence="", way=_DRIVE, layout=_AUTO,
    ),
    Elsewhere(
        name="univfd", title="diffusion sets of UniversalFakeDetect", place="Google Drive",
        licence="", way=_DRIVE, layout="data.layout=univfd",
    ),
    Elsewhere(
        name="drct", title="DRCT-2M, fakes of 16 models", place="ModelScope", licence="",
        way=_DRIVE, layout="data.layout=drct with MS COCO's images beside them",
    ),
    Elsewhere(
        name="synthbuster", title="Synthbuster, 9 generators, 12.4 GB",
        place="zenodo.org/records/10066460", licence="non-commercial",
        way="no digests of its files are known here: download it by hand, and RAISE-1k from GRIP",
        layout="data.layout=synthbuster with real_RAISE_1k beside it",
    ),
    Elsewhere(
        name="chameleon", title="Chameleon, 26,000 images", place="its authors' page",
        licence="academic use", way=_FORM, layout="data.layout=forensynths",
    ),
    Elsewhere(
        name="wildrf", title="WildRF, from three platforms", place="Google Drive", licence="",
        way=_DRIVE, layout=_AUTO,
    ),
    Elsewhere(
        name="synthwildx", title="SynthWildX, 2,000 images by their addresses on X",
        place="a CSV at GRIP", licence="", way="the CSV has links, of which some are dead",
        layout="give the folder with the CSV among its images",
    ),
    Elsewhere(
        name="bfree_online", title="B-Free's viral images, 1,111 with their sources",
        place="a CSV at GRIP", licence="", way="the CSV has links to the images",
        layout="give the folder with the CSV among its images; `source_id` is the group",
    ),
    Elsewhere(
        name="dda_coco", title="DDA-COCO, 4.3 GB", place="huggingface.co/Junwei-Xi", licence="",
        way=_HUB, layout="lay the aligned real images beside the fakes; data.layout=shared_real",
    ),
    Elsewhere(
        name="evalgen", title="EvalGEN, fakes of 5 generators", place="huggingface.co/Junwei-Xi",
        licence="", way=_HUB, layout="data.layout=fake_only",
    ),
    Elsewhere(
        name="openfake", title="OpenFake, 2.4 million images", place="Hugging Face",
        licence="CC BY-NC 4.0", way=_HUB, layout=_TABLE,
    ),
    Elsewhere(
        name="community-forensics", title="Community Forensics, 278 GB and 1.1 TB",
        place="huggingface.co/OwensLab", licence="CC BY 4.0, Small CC BY-NC-SA", way=_HUB,
        layout=_TABLE,
    ),
    Elsewhere(
        name="ntire2026", title="NTIRE 2026, six shards of 114 GB",
        place="huggingface.co/deepfakesMSU", licence="", way=_HUB,
        layout="give the folder with the CSV files among its images",
    ),
)  # fmt: skip
ELSEWHERE: Mapping[str, Elsewhere] = MappingProxyType({one.name: one for one in _BENCHMARKS})
