"""Holds the layouts of released benchmarks: which folders name a label, and which a generator.

The label of an image is what a folder around it says, and never follows from a position. Described
from the sets themselves: GenImage (Zhu et al., NeurIPS 2023), UniversalFakeDetect's diffusion sets
(Ojha et al., CVPR 2023), DRCT-2M (Chen et al., ICML 2024) and Synthbuster (Bammey 2023), whose
fakes are held against photographs of RAISE.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from jaxdet.data.words import FAKE, REAL, is_split_word, split_of_word

# What tables know, too; of two around an image the usual ones of folders count alone.
_WORDS: Mapping[str, int] = MappingProxyType(
    {**dict.fromkeys(sorted(REAL), 0), **dict.fromkeys(sorted(FAKE), 1)}
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Describes how a benchmark lays out its folders.

    Attributes:
      labels: folder's name, in lower case, to the label it says.
      words: further names, which say one where none of `labels` is around an image.
      others: label of images below none of them; None: such images are left aside.
      splits: further names of splits, in lower case.
      val: what `val/` is; the papers test GenImage on it.
      reals: generator to the set of real images that its fakes are held against; "" for others.
      signs: names of folders by which `auto` knows the layout; empty: `labels`, and where no layout
        is known by these, `words`.
      is_recognised: whether `auto` takes it; others must be named.
      names: how many of the other folders around an image say something: generator and category;
        0: the innermost is the generator, whatever stands around it.
      wraps: whether a folder around all images, with no more in it than `names`, is a wrapper;
        False: it is the only generator, and below it are its categories.
    """

    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    words: Mapping[str, int] = dataclasses.field(default_factory=dict)
    others: int | None = None
    splits: Mapping[str, str] = dataclasses.field(default_factory=dict)
    val: str = "val"
    reals: Mapping[str, str] = dataclasses.field(default_factory=dict)
    signs: Sequence[str] = ()
    is_recognised: bool = True
    names: int = 2
    wraps: bool = True

    def split_of(self, step: str) -> str:
        """Returns the split that a folder's name says; "" for none."""
        word = self.splits.get(step.lower()) or (split_of_word(step) if is_split_word(step) else "")
        return self.val if word == "val" else word

    def said(self, path: str) -> list[tuple[str, int]]:
        """Returns the folders of a path that say a label, with it.

        Names in the letters that the user gave count before those in any case.
        """
        for labels in (self.labels, self.words):
            found = [
                (step, labels[key])
                for step in path.split("/")
                if (key := step if step in labels else step.lower()) in labels
            ]
            if found:
                return found
        return []


# By the name that data.layout gives.
LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "forensynths": Layout(labels={"0_real": 0, "1_fake": 1}, wraps=False),
        "genimage": Layout(labels={"nature": 0, "ai": 1}, val="test", names=1),
        "real_fake": Layout(labels={"real": 0, "fake": 1}, words=_WORDS),
        "univfd": Layout(
            labels={"0_real": 0, "1_fake": 1},
            reals={"guided": "imagenet", "": "laion"},
            signs=("imagenet", "laion", "guided"),
            names=0,
        ),
        "drct": Layout(
            others=1,
            splits={"train2017": "train", "val2017": "test"},
            signs=("train2017", "val2017"),
            names=0,
        ),
        "synthbuster": Layout(
            labels={"real_raise_1k": 0}, others=1, signs=("real_raise_1k",), names=0
        ),
        "shared_real": Layout(
            labels={"real": 0, "fake": 1}, words=_WORDS, others=1, is_recognised=False, names=1
        ),
        "fake_only": Layout(others=1, is_recognised=False),
        "real_only": Layout(others=0, is_recognised=False),
    }
)
