"""Writes the page: everything that a run folder holds, in one file that opens from disk."""

import base64
import hashlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from jaxdet import __version__
from jaxdet.metrics import FAMILIES
from jaxdet.pages import render
from jaxdet.report import benchmarks, chains, conditions, measures, pictures, published, rows
from jaxdet.report.begun import SCORED_HEAD, VALIDATION_HEAD, checkpoints, validations
from jaxdet.report.contents import Contents
from jaxdet.report.figures.bars import ap_bars
from jaxdet.report.figures.panels import Panel, alone
from jaxdet.report.figures.precision_recall import MOST_STEPS
from jaxdet.report.figures.robustness import robustness_panels
from jaxdet.report.figures.style import DASHES, HATCHES, LIGHT, Drawing, to_svg
from jaxdet.report.figures.training import training_panels
from jaxdet.report.labels import shown
from jaxdet.report.lineup import addresses
from jaxdet.report.load import OUTDATED, Begun, Run, flatten, options_of
from jaxdet.report.spectra import SpectrumPair
from jaxdet.report.weights import equalised_line, weights_line
from jaxdet.streams import printable

MARK = "Written by jaxdet"
_TEMPLATES = Path(__file__).parent / "templates"
# Widths of the bar chart on a screen and on a telephone, and of a small panel, pixels.
_BARS_WIDE, _BARS_NARROW = 970, 360
_SMALL = (200, 170)
# More runs than that are the rows of a table, and the sets its columns.
_MOST_COLUMNS = 6
_FILTERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "percent": rows.percent,
        "interval": rows.interval,
        "shown": shown,
        "has_published": published.has_published,
        "published_mean": published.published_mean,
        "mean_difference": published.mean_difference,
        "set_difference": published.set_difference,
        "difference_text": published.difference_text,
        "mark_class": published.mark_class,
        "at_metadata": rows.at_metadata,
        "without_evidence": rows.without_evidence,
        "has_metadata": rows.has_metadata,
        "of_one_label": rows.of_one_label,
        "ap_by_set": rows.ap_by_set,
        "trained_set": rows.trained_set,
        "family": lambda name: FAMILIES.get(name, ""),
        "mean_ends": rows.mean_ends,
        "spread": rows.spread,
        "points": rows.difference,
        "protocol_means": measures.protocol_means,
        "measure_columns": measures.columns,
        "measure_groups": measures.groups,
        "measure_cell": measures.cell,
        "measure_parts": measures.parts,
        "calibration_line": measures.calibration_line,
        "level_name": conditions.level_name,
        "mean_of": conditions.mean_of,
        "benchmark_tables": benchmarks.tables_of,
    }
)


def page_html(
    contents: Contents,
    figures: Sequence[Drawing] = (),
    matrix: benchmarks.ReportTable | None = None,
) -> str:
    """Returns the page as text; equal runs, further figures and matrices give equal text."""
    context = {
        "matrix": matrix,
        "further": [(drawing.title, Markup(to_svg(drawing))) for drawing in figures],
        **_tables(contents),
        **_figures(contents),
        **_training(contents.all_runs),
        **_origin(contents.all_runs),
        **_frame(),
    }
    return render(_TEMPLATES / "page.html.j2", context, filters=_FILTERS)


def _frame() -> dict[str, Any]:
    """Returns style and script, and the digest by which the policy knows the script."""
    script = (_TEMPLATES / "script.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {
        "style": Markup((_TEMPLATES / "style.css").read_text()),
        "script": Markup(script),
        "script_hash": f"sha256-{digest}",
        "version": __version__,
        "mark": rows.FLOOR_MARK,
        "protocol_titles": measures.PROTOCOL_TITLES,
        "colours": len(LIGHT.series),
        "hatches": len(HATCHES),
        "most_columns": _MOST_COLUMNS,
        "dashes": ["" if dash == "-" else _dash_array(dash) for dash in DASHES],
        "most_steps": MOST_STEPS,
        "thumbnail": pictures.THUMBNAIL,
    }


def _dash_array(dash: tuple[int, Sequence[float]]) -> str:
    """Returns a matplotlib dash, in line widths, as SVG has it for the page's lines."""
    return " ".join(f"{1.6 * length:g}" for length in dash[1])


def _tables(contents: Contents) -> dict[str, Any]:
    runs, everything = contents.runs, contents.all_runs
    protocols = [(run.label, conditions.protocols(run.results)) for run in runs]
    return {
        "runs": everything,
        "scored": runs,
        "unscored": contents.unscored,
        "scored_head": SCORED_HEAD,
        "several": len(everything) > 1,
        "title": ", ".join(run.label for run in everything),
        "comparison": contents.comparison,
        "tables": [(run, rows.rows_of(run.results)) for run in runs],
        "sources": [
            (run.label, published.source(run.results))
            for run in runs
            if published.has_published(run.results)
        ],
        "outdated": [run.label for run in runs if run.is_outdated],
        "outdated_text": OUTDATED,
        "warnings": [(run.label, line) for run in runs for line in run.results.warnings],
        "weights": [(run.label, weights_line(run.results.weights)) for run in runs],
        "equalised": [(run.label, equalised_line(run.results)) for run in runs],
        "measure_definitions": measures.definitions(runs),
        "has_calibration": any(run.results.calibration is not None for run in runs),
        "has_intervals": any(r.scores.ap_ci95 for run in runs for r in rows.rows_of(run.results)),
        "has_categories": any(one.categories for run in runs for one in run.results.sets.values()),
        "baselines": rows.shared_baselines(runs),
        "set_names": rows.set_names(runs),
        "shared_means": rows.shared_means(runs),
        "shared_names": rows.shared_names(runs),
        "protocol_lines": measures.protocol_lines(runs),
        "protocol_titles_shown": list(
            dict.fromkeys(title for _, tables in protocols for title, _, _ in tables)
        ),
        "protocol_tables": [(label, tables) for label, tables in protocols if tables],
    }


def _figures(contents: Contents) -> dict[str, Any]:
    runs, gallery = contents.runs, contents.gallery
    labels = [run.label for run in runs]
    scales = zip(labels, gallery.scales, strict=True)
    pooled = [(run.label, chains.pooled_table(run.results)) for run in runs]
    widths = (_BARS_WIDE, _BARS_NARROW) if rows.ranked_names(runs) else ()
    return {
        # Made by matplotlib, which escapes every name in it.
        "bars": [Markup(to_svg(ap_bars(runs, width=width))) for width in widths],
        "robustness": [_robustness(runs, kind) for kind in conditions.kinds_of(runs)],
        "pooled": [(label, table) for label, table in pooled if table],
        "precision_recall": _svgs(contents.precision_recall, "precision recall", size=_SMALL),
        "spectra": [_spectrum(pair) for pair in contents.spectra],
        "gallery": gallery,
        "lineups": addresses(contents.lineups),
        "n_lineups": len(contents.lineups),
        "has_maps": any(scale is not None for scale in gallery.scales),
        "scales": [(label, f"{scale:.3g}") for label, scale in scales if scale is not None],
    }


def _training(runs: Sequence[Begun]) -> dict[str, Any]:
    return {
        "curves": _svgs(training_panels(runs), "training", size=(330, 250)),
        "validation_head": VALIDATION_HEAD,
        "validations": [(run.label, validations(run), checkpoints(run)) for run in runs],
    }


def _svgs(panels: Sequence[Panel], name: str, *, size: tuple[int, int]) -> list[Markup]:
    width, height = size
    return [
        Markup(to_svg(alone(panel, name=f"{name} {place}", width=width, height=height)))
        for place, panel in enumerate(panels)
    ]


def _robustness(runs: Sequence[Run], kind: conditions.Kind) -> dict[str, Any]:
    tables = [(run.label, conditions.levels(run.results, kind)) for run in runs]
    each = _svgs(robustness_panels(runs, kind), f"robustness {kind.key}", size=_SMALL)
    costs = [(run.label, chains.cost_table(run.results, kind)) for run in runs]
    return {
        "kind": kind,
        "costs": [(label, table) for label, table in costs if table],
        # Runs without a set in common have no mean to compare.
        "mean": each.pop(0) if rows.shared_names(runs) else "",
        "each": each,
        "tables": [(label, levels) for label, levels in tables if levels],
    }


def _spectrum(pair: SpectrumPair) -> Mapping[str, Any]:
    halves = [("real", pair.real, pair.n_real), ("fake", pair.fake, pair.n_fake)]
    there = next((one for _, one, _ in halves if one is not None), None)
    return {
        "set": pair.set,
        "runs": pair.runs,
        "side": 0 if there is None else len(there),
        "n_small": pair.n_small,
        "low": f"{10**pair.low:.3g}",
        "high": f"{10**pair.high:.3g}",
        "peaks": [_peak(*one) for one in pair.peaks],
        "halves": [
            (title, "" if values is None else pictures.data_uri(
                pictures.shades(values, low=pair.low, high=pair.high)), count)
            for title, values, count in halves
        ],
    }  # fmt: skip


# A peak of the fakes alone: this many times 1, which is no trace, and the peak of the reals.
_TRACE = 1.5


def _peak(period: int, real: float | None, fake: float | None) -> tuple[int, str, str, bool]:
    reals, fakes = (rows.NONE if one is None else f"{one:.1f}" for one in (real, fake))
    return period, reals, fakes, fake is not None and fake > _TRACE * max(1.0, real or 0.0)


def _origin(runs: Sequence[Begun]) -> dict[str, Any]:
    return {
        "options": options_of(runs) if any(run.options for run in runs) else [],
        "commands": [(run.label, _command(run.env.get("command"))) for run in runs],
        "environments": [(run.label, {**_weights(run), **_facts(run.env)}) for run in runs],
    }


def _command(command: Any) -> str:
    if isinstance(command, list):
        return printable(shlex.join(map(str, command)))
    return printable(command) if isinstance(command, str) else ""


def _weights(run: Begun) -> dict[str, Any]:
    weights = run.results.weights if isinstance(run, Run) else {}
    return {f"weights: {key}": value for key, value in flatten(weights).items()}


def _facts(env: dict[str, Any]) -> dict[str, Any]:
    return flatten({key: value for key, value in env.items() if key != "command"})
