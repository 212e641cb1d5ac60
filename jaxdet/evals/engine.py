"""Scores of one set under one view: those in the file where they still hold, or new ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxdet import config as schema
from jaxdet.data.images import ImageSet
from jaxdet.evals.two_shot import draw_shots, shot_loader, to_crop_scores
from jaxdet.evals.views import View, crop_loader, describe, piece_loader
from jaxdet.models.detector import Detector, Variables
from jaxdet.progress import say
from jaxdet.results import CropScores, Predictions, RunFolder, read_arrays, write_arrays
from jaxdet.runtime.environment import peak_memory
from jaxdet.runtime.mesh import put_replicated
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.rows import RowKeeper, finished_images, on_all_hosts, to_predictions
from jaxdet.scoring.scorer import Scorer, make_score_step
from jaxdet.scoring.sets import score_crops, score_pieces
from jaxdet.workdir.identity import fingerprint_of


class Engine:
    """Scores sets with one detector, nothing twice: files and parts of them are taken up again."""

    def __init__(
        self,
        config: schema.Config,
        detector: Detector,
        variables: Variables,
        *,
        digest: str,
        run: RunFolder,
        mesh: Mesh,
    ):
        """Takes variables on the host, with the digest that enters the fingerprints."""
        self._config, self._digest, self._run, self._mesh = config, digest, run, mesh
        self._step = make_score_step(detector, mesh)
        self._placed = put_replicated(mesh, variables)
        self._scorer = Scorer(detector, self._placed, mesh)

    def predictions(self, images: ImageSet, view: View, path: Path) -> Predictions:
        """Returns the scores of a set under a view, which lie in the file afterwards.

        Raises:
          RunFailedError: where a logit is not finite, or an image was scored twice or never.
          BadImageError: for an unreadable image under the policy "stop".
        """
        fingerprint = self._fingerprint(images, describe(self._config, view))
        title = f"{images.name} ({view.name})"
        cached = _cached(path, Predictions, fingerprint)
        if cached is not None:
            return _there(cached, path, title)
        keeper = self._keeper(path, fingerprint, title)
        skip_bad = self._config.data.on_bad_image == "skip"
        predictions = to_predictions(
            images,
            self._score(images, view, keeper, f"score {title}"),
            skip_bad=skip_bad,
            fingerprint=fingerprint,
        )
        _write(path, predictions)
        keeper.remove()
        say(f"{title}: {_counts(predictions)}")
        return predictions

    def crop_scores(self, images: ImageSet, predictions: Predictions) -> CropScores:
        """Returns the scores of random crops of a few readable images; see `CropScores`."""
        evaluation, path = self._config.evaluation, self._run.two_shot(images.name)
        shots = f"two-shot {evaluation.two_shot} {evaluation.two_shot_crops}"
        seed = self._config.seed
        fingerprint = self._fingerprint(images, f"{shots} {self._config.eval_crop} seed {seed}")
        title = f"{images.name} (two-shot)"
        cached = _cached(path, CropScores, fingerprint)
        if cached is not None:
            return _there(cached, path, title)
        drawn = predictions.id[draw_shots(predictions, count=evaluation.two_shot, seed=seed)]
        place_of = {name: place for place, name in enumerate(images.ids)}
        places = np.array([place_of[name] for name in drawn.tolist()])
        keeper = self._keeper(path, fingerprint, title)
        loader = shot_loader(self._config, images)
        rows = self._score_pieces(loader, places.tolist(), keeper, f"score {title}")
        scores = to_crop_scores(images, places, rows, fingerprint=fingerprint)
        _write(path, scores)
        keeper.remove()
        say(f"{title}: {scores.logit.size} crops of {len(scores.id)} images")
        return scores

    def say_shapes(self) -> None:
        """Logs what scoring in pieces took, where there was any."""
        if not self._scorer.shapes:
            return
        peak = peak_memory()
        memory = "" if peak is None else f", peak memory {peak / 2**30:.2f} GiB"
        say(f"images of any size: {len(self._scorer.shapes)} shapes compiled{memory}")

    def _keeper(self, path: Path, fingerprint: str, title: str) -> RowKeeper:
        keeper = RowKeeper(path, fingerprint)
        done = len(list(finished_images(keeper.rows)))
        begun = len(np.unique(keeper.rows["image"])) - done
        if done or begun:
            parts = f" and parts of {begun}" if begun else ""
            say(f"{title}: going on after {done} images{parts} that an earlier start scored")
        return keeper

    def _score(self, images: ImageSet, view: View, keeper: RowKeeper, title: str) -> np.ndarray:
        if not view.is_one_crop:
            loader = piece_loader(self._config, images, view)
            return self._score_pieces(loader, range(len(images)), keeper, title)
        return score_crops(
            crop_loader(self._config, images, view), self._step, self._placed, keeper,
            mesh=self._mesh, runtime=self._config.runtime, title=title,
        )  # fmt: skip

    def _score_pieces(
        self, loader: PieceLoader, places: Sequence[int], keeper: RowKeeper, title: str
    ) -> np.ndarray:
        runtime = self._config.runtime
        return score_pieces(loader, places, self._scorer, keeper, runtime=runtime, title=title)

    def _fingerprint(self, images: ImageSet, view: str) -> str:
        identity = images.identity(self._config.runtime.compare_images)
        return fingerprint_of(f"{self._digest} {identity} {view}")


def _counts(predictions: Predictions) -> str:
    n, n_fake = len(predictions.id), int(predictions.label.sum())
    skipped = len(predictions.skipped)
    return f"{n - n_fake} real and {n_fake} fake, each once, {skipped} skipped"


def _cached(path: Path, kind: type[Any], fingerprint: str) -> Any:
    """Returns the scores in the file where they still hold, on every host or on none."""
    scores = read_arrays(path, kind) if path.exists() else None
    holds = scores is not None and scores.fingerprint == fingerprint
    return scores if on_all_hosts(holds) else None


def _write(path: Path, scores: Any) -> None:
    """Writes scores on the first of several hosts: all of them have all scores."""
    if jax.process_index() == 0:
        write_arrays(path, scores)


def _there(scores: Any, path: Path, title: str) -> Any:
    say(f"{title}: {len(scores.id)} images, scores are there already")
    # A kill between the scores' file and the end of the keeping leaves a part behind.
    RowKeeper(path).remove()
    return scores
