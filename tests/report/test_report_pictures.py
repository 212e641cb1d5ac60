import base64
import dataclasses
import io
import re

import numpy as np
import pytest
from PIL import Image

from jaxdet.errors import UserError
from jaxdet.report import pictures, spectra
from jaxdet.report.contents import contents_of
from jaxdet.report.figures.sheets import sheets
from jaxdet.report.figures.style import to_files
from jaxdet.report.gallery import gallery_of
from jaxdet.report.load import load_runs
from jaxdet.report.page import page_html
from jaxdet.results import Lineup, Ranked, RunFolder, Spectrum, read_arrays, write_arrays


@pytest.fixture
def sets(make_predictions):
    return {"progan": make_predictions("progan"), "own": make_predictions("own")}


@pytest.fixture
def path(make_full_run, sets):
    return make_full_run("a", sets, trained=False, kinds=("blur",))


def _opened(uri):
    kind, _, content = uri.partition(";base64,")
    assert kind in ("data:image/png", "data:image/jpeg")
    return Image.open(io.BytesIO(base64.b64decode(content)))


def _change(path, kind, **changes):
    write_arrays(path, dataclasses.replace(read_arrays(path, kind), **changes))


def _size(gallery):
    stored = sum(len(uri) for uri, _, _ in gallery.pictures.values())
    return stored + sum(len(card.overlay) for card in gallery.cards)


def test_peaks_are_told_and_those_of_the_fakes_alone_are_bold(path):
    flat = np.ones((64, 64), np.float32)
    grid = flat.copy()
    grid[::32, ::32] = 5.0
    spectrum = dataclasses.replace(
        read_arrays(RunFolder(path).spectrum("own"), Spectrum), real=flat, fake=grid
    )
    write_arrays(RunFolder(path).spectrum("own"), spectrum)
    pair = next(one for one in spectra.spectra_of(load_runs([path])) if one.set == "own")
    assert [period for period, _, _ in pair.peaks] == [2, 3, 4, 8]
    assert pair.peaks[0] == (2, 1.0, pytest.approx(5.0))
    assert pair.peaks[1] == (3, 1.0, 1.0)
    page = page_html(contents_of(load_runs([path])))
    assert "<td><b>5.0</b></td>" in page


# Pictures.


def test_a_thumbnail_looks_like_its_image(path):
    image = read_arrays(RunFolder(path).ranking("own"), Ranked).image[0]
    large = np.kron(image, np.ones((4, 8, 1), np.uint8))  # 256 high, 512 wide
    small = _opened(pictures.data_uri(pictures.thumbnail(large)))
    assert small.size == (128, 64)
    expected = np.asarray(Image.fromarray(large).resize((128, 64), Image.Resampling.LANCZOS))
    assert np.abs(np.asarray(small, float) - expected).mean() < 6


def test_evidence_is_orange_for_fake_purple_for_real_and_clear_between():
    values = np.array([[1.0, -1.0, 0.0], [0.5, -9.0, 0.1]], np.float32)
    overlay = np.asarray(Image.open(io.BytesIO(pictures.activation_overlay(values, scale=1.0))))
    assert overlay.shape == (2, 3, 4)
    assert tuple(overlay[0, 0, :3]) == pictures.FAKE
    assert tuple(overlay[0, 1, :3]) == pictures.REAL
    np.testing.assert_array_equal(overlay[..., 3], [[204, 204, 0], [102, 204, 20]])


def test_shades_rise_with_the_values():
    values = np.linspace(-1, 3, 64).reshape(8, 8)
    picture = Image.open(io.BytesIO(pictures.shades(values, low=0.0, high=2.0))).convert("RGB")
    light = np.asarray(picture.convert("L"), int).ravel()
    assert np.all(np.diff(light) >= 0)
    assert light[0] == light[15] < light[30] < light[48] == light[-1]


# Spectra.


def test_spectra_of_a_set_share_a_scale_and_tell_their_counts(path):
    run = load_runs([path])[0]
    pair = spectra.spectra_of([run])[0]
    stored = read_arrays(run.folder.spectrum("progan"), Spectrum)
    np.testing.assert_allclose(pair.fake, np.log10(np.maximum(stored.fake, 1e-12)), rtol=1e-6)
    both = np.concatenate([pair.real.ravel(), pair.fake.ravel()])
    both = both[both > -12]
    np.testing.assert_allclose((pair.low, pair.high), np.percentile(both, [1, 99.9]))
    page = page_html(contents_of([run]))
    assert page.count("real, 4 images") == page.count("fake, 4 images") == 2
    assert page.count("1 too small, left out") == 2
    assert len(re.findall(r'<img src="data:image/png;base64,[^"]+" width="64"', page)) == 4


def test_equal_spectra_of_several_runs_are_shown_once(path, make_full_run, sets):
    other = make_full_run("b", sets, name="other", trained=False)
    folder = RunFolder(other)
    runs = load_runs([path, other])
    assert len(spectra.spectra_of(runs)) == 2
    changed = read_arrays(folder.spectrum("own"), Spectrum).real + 1
    _change(folder.spectrum("own"), Spectrum, real=changed)
    found = spectra.spectra_of(runs)
    assert [(pair.set, pair.runs) for pair in found] == [
        ("progan", ("a", "b")), ("own", ("a",)), ("own", ("b",)),
    ]  # fmt: skip


def test_a_set_without_fakes_has_half_a_spectrum(path):
    folder = RunFolder(path)
    nothing = np.full((64, 64), np.nan, np.float32)
    _change(folder.spectrum("own"), Spectrum, fake=nothing, n_fake=0)
    pair = spectra.spectra_of(load_runs([path]))[1]
    assert pair.fake is None
    page = page_html(contents_of(load_runs([path])))
    assert "fake, 0 images" in page
    _change(folder.spectrum("own"), Spectrum, real=nothing, n_real=0)
    assert page_html(contents_of(load_runs([path]))).count("<img ") == 2


def test_a_peak_of_one_pixel_survives_shrinking():
    values = np.ones((700, 700))
    values[123, 456] = 100.0
    small = spectra._smaller(values, 256)
    assert max(small.shape) <= 256
    assert small.max() == 100.0


def test_many_spectra_are_shown_with_half_the_pixels(path, monkeypatch):
    place = RunFolder(path).spectrum("own")
    large = read_arrays(place, Spectrum).real.repeat(4, 0).repeat(4, 1)
    _change(place, Spectrum, real=large, fake=large)
    run = load_runs([path])[0]
    assert spectra.spectra_of([run])[1].real.shape == (256, 256)
    monkeypatch.setattr(spectra, "_MANY", 1)
    small = spectra.spectra_of([run])
    assert [pair.real.shape for pair in small] == [(64, 64), (128, 128)]


# The gallery.


def test_every_ranked_image_has_a_card_with_its_numbers(path):
    run = load_runs([path])[0]
    gallery = gallery_of([run])
    ranked = {name: read_arrays(run.folder.ranking(name), Ranked) for name in run.results.sets}
    assert gallery.n_left_out == 0
    for name, one in ranked.items():
        cards = {(card.id, card.role): card for card in gallery.of_set(name)}
        assert len(cards) == one.id.size == 12
        for i, image_id in enumerate(one.id):
            card = cards[image_id, one.role[i]]
            assert (card.logit, card.is_fake) == (one.logit[i], one.label[i] == 1)
            assert card.probability == pytest.approx(1 / (1 + np.exp(-float(one.logit[i]))))
            shown = np.asarray(_opened(gallery.pictures[card.picture][0]), float)
            assert np.abs(shown - one.image[i]).mean() < 12
            assert _opened(card.overlay).size == (7, 7)
    page = page_html(contents_of([run]))
    assert page.count('class="card"') == 24
    largest = np.percentile(np.abs([one.evidence for one in ranked.values()]), 99)
    assert f"strongest from a contribution of {largest:.3g} to the logit on." in page


def test_cards_stand_by_label_and_role(path):
    cards = gallery_of(load_runs([path])).of_set("own")
    assert [card.is_fake for card in cards] == [False] * 6 + [True] * 6
    roles = [f"percentile {q}" for q in (0, 25, 50, 75, 100)]
    assert [card.role for card in cards[:6]] == [
        *roles[:4], "percentile 100, mistake 1", "mistake 2",
    ]  # fmt: skip
    assert [card.role for card in cards[6:]] == [
        "percentile 0, mistake 1", *roles[1:], "mistake 2",
    ]  # fmt: skip
    assert gallery_of(load_runs([path])).roles == [*roles, "mistakes"]


def test_equal_images_of_several_runs_are_stored_once(path, make_full_run, sets):
    one = gallery_of(load_runs([path]))
    runs = load_runs([path, make_full_run("b", sets, name="other", trained=False)])
    two = gallery_of(runs)
    assert len(two.cards) == 2 * len(one.cards)
    assert two.pictures == one.pictures
    page = page_html(contents_of(runs))
    assert page.count("data:image/jpeg") == len(one.pictures) < len(two.cards)


def test_a_full_page_leaves_out_mistakes_before_percentiles_and_says_so(path, monkeypatch):
    run = load_runs([path])[0]
    whole = gallery_of([run])
    most = _size(whole) * 9 // 10
    small = gallery_of([run], most_bytes=most)
    assert small.n_left_out == len(whole.cards) - len(small.cards) > 0
    left = {card.role for card in whole.cards} - {card.role for card in small.cards}
    assert all(role.startswith("mistake") for role in left)
    assert _size(small) <= most
    monkeypatch.setattr("jaxdet.report.contents.gallery_of", lambda runs: small)
    page = page_html(contents_of([run]))
    assert f"<b>Left out:</b> {small.n_left_out} of {len(whole.cards)} pictures" in page


def test_a_set_without_evidence_has_pictures_all_the_same(path):
    for name in ("own", "progan"):
        place = RunFolder(path).ranking(name)
        n = read_arrays(place, Ranked).id.size
        _change(place, Ranked, evidence=np.full((n, 7, 7), np.nan, np.float32))
    run = load_runs([path])[0]
    gallery = gallery_of([run])
    assert gallery.scales == (None,)
    assert {card.overlay for card in gallery.cards} == {""}
    assert 'class="seen"' not in page_html(contents_of([run]))


def test_names_of_images_are_text(path):
    place = RunFolder(path).ranking("own")
    ids = read_arrays(place, Ranked).id.astype("U60")
    ids[0] = '0_real/<script>"&\x1b.png'
    _change(place, Ranked, id=ids)
    page = page_html(contents_of(load_runs([path])))
    assert page.count("<script>") == 1
    assert "0_real/&lt;script&gt;&#34;&amp;\ufffd.png" in page


def _write_lineup(path, name="own", labels=(1, 0, 0, 1)):
    image = np.stack([np.full((8, 8, 3), 50 * i, np.uint8) for i in range(len(labels))])
    ids = np.array([f"{label}/{i}.png" for i, label in enumerate(labels)])
    logit = np.arange(len(labels), dtype=np.float32)
    record = Lineup(id=ids, label=np.array(labels, np.int32), logit=logit, image=image,
                    fingerprint="f")  # fmt: skip
    write_arrays(RunFolder(path).lineup(name), record)


def test_a_lineup_stands_in_the_order_of_its_scores_with_frames_by_label(path):
    _write_lineup(path)
    contents = contents_of(load_runs([path]))
    (sheet,) = contents.lineups
    side = 8 + 2 * 4 + 2
    assert sheet.picture.shape == (side, 10 * side, 3)
    frames = [tuple(sheet.picture[1, i * side + 1]) for i in range(4)]
    assert frames == [pictures.FAKE, pictures.REAL, pictures.REAL, pictures.FAKE]
    assert [sheet.picture[9, i * side + 9, 0] for i in range(4)] == [0, 50, 100, 150]
    page = page_html(contents)
    assert "own, from the most real to the most fake by score: fake, real, real, fake" in page
    assert "lineups" in [drawing.name for drawing in sheets(contents)]


def test_pictures_that_are_not_square_are_refused(path):
    _write_lineup(path)
    _change(RunFolder(path).lineup("own"), Lineup, image=np.zeros((4, 8, 4, 3), np.uint8))
    with pytest.raises(UserError, match="image is not square"):
        contents_of(load_runs([path]))
    RunFolder(path).lineup("own").unlink()
    place = RunFolder(path).spectrum("own")
    _change(place, Spectrum, fake=read_arrays(place, Spectrum).fake[:, :2])
    with pytest.raises(UserError, match="fake is not square"):
        contents_of(load_runs([path]))


@pytest.mark.parametrize("kind", ["spectrum", "ranking", "lineup"])
def test_damaged_files_are_named(path, kind):
    place = getattr(RunFolder(path), kind)("own")
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"no npz")
    with pytest.raises(UserError, match=re.escape(str(place))):
        contents_of(load_runs([path]))


# Figures as files.


def test_every_figure_is_a_file_in_vectors_and_in_pixels(path):
    drawings = sheets(contents_of(load_runs([path])))
    assert [drawing.name for drawing in drawings] == [
        "ap", "robustness_blur", "precision_recall", "spectra",
    ]  # fmt: skip
    for drawing in (drawings[0], drawings[1], drawings[-1]):
        files = to_files(drawing)
        assert files == to_files(drawing)
        assert files["pdf"].startswith(b"%PDF")
        assert b"CreationDate" not in files["pdf"]
        # Only spectra are made of pixels.
        assert (b"/Subtype /Image" in files["pdf"]) == (drawing.name == "spectra")
    png = to_files(drawings[0])["png"]
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    assert tuple(picture[0, 0]) == (255, 255, 255)
    assert (picture.reshape(-1, 3) == (0x00, 0x72, 0xB2)).all(-1).mean() > 0.05  # the bars


def test_files_name_the_runs(path, make_full_run, sets):
    runs = load_runs([path, make_full_run("b", sets, name="other", trained=False)])
    single, double = (
        [to_files(drawing)["pdf"] for drawing in sheets(contents_of(chosen))[:2]]
        for chosen in (runs[:1], runs)
    )
    heights = [
        [float(re.search(rb"/MediaBox \[ 0 0 \S+ (\S+) \]", pdf)[1]) for pdf in pdfs]
        for pdfs in (single, double)
    ]
    assert all(two > one for one, two in zip(*heights, strict=True))
