"""One run in its folder: check everything, train, evaluate, report."""

from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from jaxdet import config as schema
from jaxdet.data.images import ImageSet
from jaxdet.data.splits import check_sizes, load_test_sets, load_train_and_val
from jaxdet.errors import UserError
from jaxdet.evals.analysis import analyse, is_analysed
from jaxdet.evals.protocols import evaluate
from jaxdet.evals.published import Published, find_published
from jaxdet.files import check_writable, read_json, write_json
from jaxdet.models.architectures import check_sides
from jaxdet.models.detector import get_detector
from jaxdet.progress import say
from jaxdet.report import print_table, write_report
from jaxdet.results import RunFolder, read_results
from jaxdet.runtime import environment, mesh, watchdog
from jaxdet.runtime.determinism import make_deterministic
from jaxdet.train.loop import train
from jaxdet.train.start import describe, initial_variables, restore_variables


def run(config: schema.Config, workdir: Path) -> None:
    """Does what `config.task` says in the folder, from where an earlier start of it got to.

    Where nothing moves for `runtime.hang_seconds` the process ends; see `runtime/watchdog.py`.

    Raises:
      UserError: for whatever the user can mend, before any work starts.
      RunFailedError: where the run cannot go on.
    """
    if config.runtime.deterministic:
        make_deterministic()
    with watchdog.watch(limit=config.runtime.hang_seconds, folder=workdir):
        _run(config, workdir)


def _run(config: schema.Config, workdir: Path) -> None:
    folder = RunFolder(workdir)
    if _is_finished(config, folder):
        page = folder.report / "index.html"
        if not page.exists():
            # Killed between the results and the report.
            write_report([folder.path], folder.report)
        say(f"{workdir}: this run is finished; see {page}")
        return
    published = find_published(config)
    devices = mesh.make_mesh(config.runtime.devices)
    _check_batches(config, devices)
    check_sides(
        config.model.name,
        trained=config.augment.crop,
        scored=config.eval_crop,
        whole="full" in config.evaluation.protocols,
    )
    # All images are looked up before the first step: a missing test set is told now.
    training = load_train_and_val(config) if config.task != "eval" else None
    tests = load_test_sets(config) if config.task != "train" else []
    if training is not None:
        check_sizes(training[0], config.augment)
    _open(config, folder)
    if training is not None:
        with watchdog.stage("training", slow=True):
            train(config, *training, run=folder, mesh=devices)
    if config.task == "train":
        say(f"{workdir}: training is finished")
        return
    validation = None if training is None else training[1]
    with watchdog.stage("evaluation", slow=True):
        _evaluate(config, tests, validation, published, folder, devices)


def _is_finished(config: schema.Config, folder: RunFolder) -> bool:
    """Whether the results of this config are there, and what was asked for besides them.

    Raises:
      UserError: where the folder holds a run of another config.
    """
    if not _has_begun(folder):
        return False
    changed = schema.differences(schema.from_json_dict(read_json(folder.config)), config)
    if changed:
        raise UserError(
            f"{folder.path} holds a run of another config ({'; '.join(changed)}); "
            "give another --workdir"
        )
    if not folder.results.exists():
        return False
    results = read_results(folder.results)
    return results.status == "finished" and is_analysed(config, results.sets, folder)


def _check_batches(config: schema.Config, devices: Mesh) -> None:
    mesh.check_divides(devices, batch_size=config.optim.batch_size, option="optim.batch_size")
    mesh.check_divides(devices, batch_size=config.eval_batch_size, option="evaluation.batch_size")


def _has_begun(folder: RunFolder) -> bool:
    """Whether there is work that a changed config would spoil.

    A start that failed on its weights leaves a config and nothing else; the next one may differ.
    """
    return folder.config.exists() and (
        folder.metrics.exists() or folder.predictions("").parent.exists()
    )


def _open(config: schema.Config, folder: RunFolder) -> None:
    """Writes who runs what; a folder that holds other things is left alone."""
    if _has_begun(folder):
        return
    # Hidden files may be drafts of an earlier start that was killed here.
    others = [p for p in _children(folder.path) if not p.name.startswith(".")]
    if others and not folder.config.exists():
        raise UserError(f"{folder.path}: not empty and no run; give another --workdir")
    check_writable(folder.config)
    write_json(folder.config, schema.to_json_dict(config))
    write_json(folder.env, environment.describe())


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        raise UserError(f"{folder}: a file, not a folder; give another --workdir") from None


def _evaluate(
    config: schema.Config,
    tests: list[ImageSet],
    validation: ImageSet | None,
    published: Published,
    folder: RunFolder,
    devices: Mesh,
) -> None:
    detector = get_detector(config.model)
    if config.task == "eval":
        variables: Any = initial_variables(config, detector, devices)
        weights = describe(config, variables, origin=config.model.init)
    else:
        variables = restore_variables(folder, config, config.evaluation.weights, devices)
        weights = describe(config, variables, origin="trained here")
    results = evaluate(
        config, tests, validation=validation, detector=detector, variables=variables,
        weights=weights, published=published, run=folder, mesh=devices,
    )  # fmt: skip
    analyse(
        config, tests, detector=detector, variables=variables, weights=weights["digest"], run=folder
    )
    print_table(results)
    say(f"report: {write_report([folder.path], folder.report)}")
