"""Opens a detector's weights, whatever holds them."""

from pathlib import Path

from jaxdet.config.evaluation import CHECKPOINTS
from jaxdet.convert.onnx import is_onnx
from jaxdet.errors import BadArgumentError, UserError
from jaxdet.hub.find import find_weights
from jaxdet.predict.arguments import check_arguments
from jaxdet.predict.base import AnyDetector
from jaxdet.progress import say


def load_detector(
    path: str | Path,
    *,
    checkpoint: str | None = None,
    arch: str | None = None,
    state_dict: str | None = None,
    activation: str | None = None,
    accept_licence: str | None = None,
) -> AnyDetector:
    """Returns the detector of a run or converted folder, or a .pth, .safetensors or .onnx file.

    One of an .onnx file is run by onnxruntime and has no evidence; JAX is not loaded.

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
) -> tuple[AnyDetector, list[str]]:
    """Returns the detector of `load_detector`, and what there is to log of its weights."""
    check_arguments("load_detector", path, arch=arch, state_dict=state_dict, activation=activation)
    if checkpoint not in (None, *CHECKPOINTS):
        names = ", ".join(CHECKPOINTS)
        raise BadArgumentError(f"checkpoint={checkpoint!r:.40}: not one of {names}")
    if is_onnx(Path(path)):
        return _open_onnx(
            Path(path), checkpoint=checkpoint, arch=arch, state_dict=state_dict,
            activation=activation,
        ), []  # fmt: skip
    # Load JAX, which an ONNX file does without.
    from jaxdet.predict.detector import LoadedDetector
    from jaxdet.train.weights import open_weights

    loaded, card = open_weights(
        Path(path), checkpoint=checkpoint, arch=arch, state_dict=state_dict,
        facts={"activation": activation},
    )  # fmt: skip
    notes = [f"{path}: {note}" for note in loaded.notes]
    return LoadedDetector(loaded.model, loaded.variables, card=card), notes


def _open_onnx(path: Path, **chosen: str | None) -> AnyDetector:
    # Loads onnxruntime, which nobody else waits for.
    from jaxdet.predict.onnx_engine import load_onnx

    given = [name for name, value in chosen.items() if value is not None]
    if given:
        raise UserError(
            f"--{given[0].replace('_', '-')}: an ONNX file is of one detector alone; leave it out"
        )
    return load_onnx(path)
