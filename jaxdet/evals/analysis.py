"""Makes what `evaluation.analyses` asks to see of each set besides its scores."""

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxdet.data.readers import Reader
from jaxdet.evals import spectra
from jaxdet.evals.engine import Engine
from jaxdet.evals.lineup import line_up
from jaxdet.evals.ranking import EvidenceStep, rank
from jaxdet.evals.spectra import average_spectrum
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
from jaxdet.scoring.protocol import Protocol
from jaxdet.workdir import signals
from jaxdet.workdir.identity import identity_of


def analyse(
    engine: Engine, sets: Sequence[Reader], detector: Detector, variables: Variables
) -> None:
    """Writes the spectra, line-ups and rankings of the sets; what is there already stays.

    The first of several hosts does it all, on one of its devices: a few images a set.

    Args:
      engine: what has scored them; the predictions lie in its run's folder.
      sets: what was scored.
      detector: the network.
      variables: its weights, on the host.

    Raises:
      BadImageError: for an unreadable image under `data.on_bad_image=stop`.
      UserError: where a file of the run is damaged.
    """
    if jax.process_index() > 0:
        return
    asked = engine.evaluation.analyses
    if "spectra" in asked:
        for read in sets:
            _spectrum(engine, read)
    if "lineup" in asked:
        for read in sets:
            _lineup(engine, read)
    if "ranking" in asked:
        placed = jax.device_put(variables, jax.local_devices()[0])
        step = jax.jit(detector.evidence)
        for read in sets:
            _ranking(engine, read, step, placed)


def is_analysed(analyses: Sequence[str], names: Iterable[str], run: RunFolder) -> bool:
    """Returns whether every file that `analyse` writes for the named sets exists."""
    places = {"spectra": run.spectrum, "ranking": run.ranking, "lineup": run.lineup}
    return all(places[analysis](name).exists() for analysis in analyses for name in names)


def _spectrum(engine: Engine, read: Reader) -> None:
    evaluation, runtime = engine.evaluation, engine.runtime
    settings: dict[str, Any] = {"most": evaluation.spectrum_images, "crop": evaluation.crop}
    _make(
        engine.run.spectrum(read.images.name),
        Spectrum,
        f"{read.images.name}: spectrum",
        functools.partial(average_spectrum, read, **settings, runtime=runtime),
        images=read.identity(runtime.compare_images),
        version=spectra.VERSION,
        **settings,
    )


def _lineup(engine: Engine, read: Reader) -> None:
    scored = read_arrays(engine.run.predictions(read.images.name), Predictions)
    centre = Protocol.of_run(engine.evaluation).centre
    settings: dict[str, Any] = {"centre": centre, "seed": engine.seed}
    _make(
        engine.run.lineup(read.images.name),
        Lineup,
        f"{read.images.name}: line-up",
        functools.partial(line_up, read, scored, **settings),
        scores=scored.fingerprint,
        **settings,
    )


def _ranking(engine: Engine, read: Reader, step: EvidenceStep, variables: Variables) -> None:
    scored = read_arrays(engine.run.predictions(read.images.name), Predictions)
    centre = Protocol.of_run(engine.evaluation).centre
    _make(
        engine.run.ranking(read.images.name),
        Ranked,
        f"{read.images.name}: ranking",
        functools.partial(rank, read, scored, centre=centre, step=step, variables=variables),
        scores=scored.fingerprint,
        weights=engine.weights,
        centre=centre,
    )


def _make(path: Path, kind: type[Any], title: str, make: Callable[..., Any], **facts: Any) -> None:
    """Writes what is made of the facts, unless the file has what was made of the same ones."""
    signals.check()
    fingerprint = identity_of(kind=kind.__name__, **facts)
    if path.exists() and read_arrays(path, kind).fingerprint == fingerprint:
        say(f"{title} is there already")
    else:
        write_arrays(path, make(fingerprint=fingerprint))
