"""Opens a detector's weights, whatever holds them."""

from pathlib import Path

from jaxdet.config.evaluation import CHECKPOINTS
from jaxdet.errors import BadArgumentError
from jaxdet.hub.find import find_weights
from jaxdet.predict.arguments import check_arguments
from jaxdet.predict.detector import LoadedDetector
from jaxdet.progress import say
from jaxdet.train.weights import open_weights


def load_detector(
    path: str | Path,
    *,
    checkpoint: str | None = None,
    arch: str | None = None,
    state_dict: str | None = None,
    activation: str | None = None,
    accept_licence: str | None = None,
) -> LoadedDetector:
    """Returns the detector of a run folder, a converted folder, or a .pth or .safetensors file.

    Args:
      path: where it lies; a folder of a run's `checkpoints`, too; hf://OWNER/NAME; or the name of
        a released detector.
      checkpoint: which checkpoint of a run: "best", "best_of_last_phase" or "latest"; the one that
        the run was measured with where left out.
      arch: architecture of a file whose keys fit several; `package.module:Name` of a run that was
        trained with a network of one's own.
      state_dict: name of the state dict in a file that holds several.
      activation: of a vision tower whose file does not say it, "quick_gelu" or "gelu".
      accept_licence: of a released detector, to fetch it when it is used for the first time.

    Raises:
      BadArgumentError: where an argument is of a wrong kind; a ValueError and TypeError, too.
      UserError: where it cannot be read as a detector.
      RunFailedError: where it is to be fetched and the network fails.
    """
    check_arguments("load_detector", path, accept_licence=accept_licence)
    weights = find_weights(path, accept_licence=accept_licence)
    detector, notes = open_detector(weights, checkpoint, arch, state_dict, activation)
    for note in notes:
        say(note)
    return detector


def open_detector(
    path: str | Path,
    checkpoint: str | None,
    arch: str | None,
    state_dict: str | None,
    activation: str | None = None,
) -> tuple[LoadedDetector, list[str]]:
    """Returns the detector of `load_detector`, and what there is to log of its weights."""
    check_arguments("load_detector", path, arch=arch, state_dict=state_dict, activation=activation)
    if checkpoint not in (None, *CHECKPOINTS):
        names = ", ".join(CHECKPOINTS)
        raise BadArgumentError(f"checkpoint={checkpoint!r:.40}: not one of {names}")
    loaded, card = open_weights(
        Path(path), checkpoint=checkpoint, arch=arch, state_dict=state_dict,
        facts={"activation": activation},
    )  # fmt: skip
    notes = [f"{path}: {note}" for note in loaded.notes]
    return LoadedDetector(loaded.model, loaded.variables, card=card), notes
