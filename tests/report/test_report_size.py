import numpy as np
import pytest

from jaxdet.report.contents import read_contents
from jaxdet.report.page import page_html
from jaxdet.results import Ranked, RunFolder, Spectrum, write_arrays


@pytest.mark.slow
def test_a_page_of_13_sets_and_5_runs_stays_below_10_mb(
    make_full_run, make_predictions, generators
):
    """Noise compresses worst, and no two runs share an image or a spectrum."""
    rng = np.random.default_rng(0)
    sets = {name: make_predictions(name, per_label=20) for name in generators}
    paths = [make_full_run(f"run{i}", sets, name=f"run{i}") for i in range(5)]
    for path in paths:
        for name, rows in sets.items():
            n = rows.id.size
            write_arrays(
                RunFolder(path).ranking(name),
                Ranked(
                    id=rows.id,
                    label=rows.label,
                    logit=rows.logit,
                    role=np.array([f"mistake {i}" for i in range(n)]),
                    image=rng.integers(0, 256, (n, 128, 128, 3), dtype=np.uint8),
                    evidence=rng.normal(size=(n, 7, 7)).astype(np.float32),
                    fingerprint="f00d",
                ),
            )
            real, fake = rng.lognormal(size=(2, 256, 256)).astype(np.float32)
            pair = Spectrum(real=real, fake=fake, n_real=9, n_fake=9, n_small=0, fingerprint="")
            write_arrays(RunFolder(path).spectrum(name), pair)
    contents = read_contents(paths)
    assert len(contents.spectra) == 13 * 5
    assert contents.gallery.n_left_out > 0
    assert len(page_html(contents).encode()) < 10_000_000
