"""Puts the schema of an experiment together from its sections, each in a file of its own."""

import dataclasses

from jaxdet.config.augment import Augment
from jaxdet.config.data import Data
from jaxdet.config.evaluation import Evaluation
from jaxdet.config.fields import option
from jaxdet.config.model import ARCHITECTURES as ARCHITECTURES
from jaxdet.config.model import Model
from jaxdet.config.runtime import Runtime
from jaxdet.config.training import Checkpoint, Optim, Plateau, Validation
from jaxdet.ranges import SEED


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Describes one experiment."""

    name: str = option("unnamed", "title of the run in its report")
    task: str = option(
        "train_eval",
        "train, evaluate (weights from model.init), or one after the other",
        choices=("train_eval", "train", "eval"),
    )
    seed: int = option(0, "every random choice follows from it", within=SEED)
    data: Data = Data()
    augment: Augment = Augment()
    model: Model = Model()
    optim: Optim = Optim()
    plateau: Plateau = Plateau()
    validation: Validation = Validation()
    checkpoint: Checkpoint = Checkpoint()
    evaluation: Evaluation = Evaluation()
    runtime: Runtime = Runtime()

    @property
    def train_root(self) -> str:
        """Returns the folder where train/ and val/ lie."""
        return self.data.train_root or self.data.root

    @property
    def eval_crop(self) -> int:
        """Returns the side of the centre crop that is scored, pixels."""
        return self.evaluation.crop or self.augment.crop

    @property
    def resolved_evaluation(self) -> Evaluation:
        """Returns `evaluation` with what its zeros and its "auto" kernel stand for."""
        return dataclasses.replace(
            self.evaluation, crop=self.eval_crop, batch_size=self.eval_batch_size,
            resize_kernel=self.evaluation.resize_kernel.replace("auto", self.augment.resize_kernel),
        )  # fmt: skip

    @property
    def checkpoint_choice(self) -> str:
        """Returns which of its own checkpoints the run is measured by, one of CHECKPOINTS."""
        if self.evaluation.weights != "auto":
            return self.evaluation.weights
        return "latest" if self.data.validation == "none" else "best"

    @property
    def eval_batch_size(self) -> int:
        """Returns the number of images in a scoring step."""
        return self.evaluation.batch_size or self.optim.batch_size
