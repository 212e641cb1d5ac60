"""What `evaluation.analyses` asks to see of each set besides its scores."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxdet.config import Config
from jaxdet.data.images import ImageSet
from jaxdet.evals.lineup import line_up, lineup_fingerprint
from jaxdet.evals.ranking import rank, ranking_fingerprint
from jaxdet.evals.spectra import average_spectrum, spectrum_fingerprint
from jaxdet.models.detector import Detector, Variables
from jaxdet.progress import say
from jaxdet.results import (
    Lineup,
    Predictions,
    Ranked,
    RunFolder,
    Spectrum,
    read_arrays,
    write_arrays,
)
from jaxdet.workdir import signals


def analyse(
    config: Config,
    sets: Sequence[ImageSet],
    *,
    detector: Detector,
    variables: Variables,
    weights: str,
    run: RunFolder,
) -> None:
    """Writes the spectra, line-ups and rankings of the sets; what is there already stays.

    The first of several hosts does it all, on one of its devices: a few images a set.

    Args:
      config: the run's.
      sets: what was scored; their predictions lie in the run's folder.
      detector: the network.
      variables: its weights, on the host.
      weights: their digest.
      run: where to read and write.

    Raises:
      BadImageError: for an unreadable image under `data.on_bad_image=stop`.
      UserError: where a file of the run is damaged.
    """
    if jax.process_index() > 0:
        return
    if "spectra" in config.evaluation.analyses:
        for images in sets:
            _write_spectrum(config, images, run.spectrum(images.name))
    if "lineup" in config.evaluation.analyses:
        for images in sets:
            _write_lineup(config, images, run)
    if "ranking" in config.evaluation.analyses:
        placed = jax.device_put(variables, jax.local_devices()[0])
        step = jax.jit(detector.evidence)
        for images in sets:
            scored = read_arrays(run.predictions(images.name), Predictions)
            path, expected = run.ranking(images.name), ranking_fingerprint(config, scored, weights)
            signals.check()
            if not _is_there(path, Ranked, expected, f"{images.name}: ranking"):
                write_arrays(
                    path,
                    rank(config, images, scored, step=step, variables=placed, weights=weights),
                )


def is_analysed(config: Config, names: Iterable[str], run: RunFolder) -> bool:
    """Returns whether every file that `analyse` writes for the named sets exists."""
    places = {"spectra": run.spectrum, "ranking": run.ranking, "lineup": run.lineup}
    return all(
        places[analysis](name).exists() for analysis in config.evaluation.analyses for name in names
    )


def _write_spectrum(config: Config, images: ImageSet, path: Path) -> None:
    expected = spectrum_fingerprint(config, images)
    if not _is_there(path, Spectrum, expected, f"{images.name}: spectrum"):
        write_arrays(path, average_spectrum(config, images))


def _write_lineup(config: Config, images: ImageSet, run: RunFolder) -> None:
    signals.check()
    scored = read_arrays(run.predictions(images.name), Predictions)
    path, expected = run.lineup(images.name), lineup_fingerprint(config, scored)
    if not _is_there(path, Lineup, expected, f"{images.name}: line-up"):
        write_arrays(path, line_up(config, images, scored))


def _is_there(path: Path, kind: type[Any], fingerprint: str, what: str) -> bool:
    if not path.exists() or read_arrays(path, kind).fingerprint != fingerprint:
        return False
    say(f"{what} is there already")
    return True
