import dataclasses

import pytest

from jaxdet import config as schema
from jaxdet.config import Config, Data, Model
from jaxdet.errors import UserError
from jaxdet.evals.published import find_published, published_rows
from jaxdet.experiments import Table, sized
from jaxdet.experiments.state import least_epochs, least_hours
from jaxdet.experiments.table import make_row
from jaxdet.models.architectures import check_sides
from tests.golden import configs, tables

# Published rows that no training here stands beside, and why.
EXCEPTIONS = {
    "cnndetection_readme; readme; ": "released weights, scored by configs/eval_forensynths.py",
    "wang2020; table1; ": "counts of images",
}
# Printed by Frank and Holz from table 2 of Wang et al.
COPIED = tuple(f"frank2020re; table{n}; " for n in (1, 2))
ALL = [(name, arg) for name in tables.NAMES for arg in ("", "tiny")]


def every_row():
    return [row for name in tables.NAMES for row in tables.load(name).rows]


def test_every_published_row_has_a_training_or_a_stated_exception():
    preset = {published for row in every_row() for published in row.published}
    missing = {
        row
        for row in set(published_rows()) - preset
        if not row.startswith(tuple(EXCEPTIONS))
        and not (row.startswith(COPIED) and row.endswith("; Wang et al."))
    }
    assert missing == set()


def test_no_exception_is_idle_and_no_preset_names_a_row_that_is_not_there():
    preset = {published for row in every_row() for published in row.published}
    assert preset <= set(published_rows())
    for prefix in EXCEPTIONS:
        assert any(row.startswith(prefix) for row in set(published_rows()) - preset), prefix


def test_rows_that_print_one_run_print_the_same_numbers():
    for row in every_row():
        printed = [
            {(metric, column): value for metric, column, value in published_rows()[one]}
            for one in row.published
        ]
        for other in printed[1:]:
            for key in set(other) & set(printed[0]):
                assert other[key] == pytest.approx(printed[0][key], abs=0.051), (row.name, key)


def test_rows_of_one_name_are_one_training_within_a_paper():
    for paper in ("wang", "re", "eecs", "xuan"):
        found = {}
        for name in (name for name in tables.NAMES if name.startswith(paper)):
            for row in tables.load(name).rows:
                assert found.setdefault(row.name, row) == row


@pytest.mark.parametrize(("name", "argument"), ALL)
def test_every_row_of_every_table_is_valid(name, argument):
    table = tables.load(name, argument)
    assert table.tiny == bool(argument)
    for row in table.rows:
        config = row.config
        schema.validate(config)
        check_sides(config.model, trained=config.augment.crop, scored=config.eval_crop, whole=False)
        assert config.evaluation.published == (row.published[0] if row.published else "none")
        assert schema.from_config_dict(schema.to_config_dict(config)) == config


@pytest.mark.parametrize("name", tables.NAMES)
def test_table_is_its_golden_text(name):
    assert tables.render(tables.load(name)) == tables.path(name).read_text()


@pytest.mark.parametrize("name", tables.NAMES)
def test_table_says_command_source_and_result(name):
    text = tables.FILES[name].read_text()
    assert all(word in text for word in ("Command:", f"{name}.py", "Source:", "Expected:"))
    assert name in (configs.REPOSITORY / "docs" / "experiments.md").read_text()


def test_report_has_the_published_numbers_of_every_row_that_prints_ap():
    for row in every_row():
        if row.published and not row.published[0].startswith("xuan"):
            assert len(find_published(row.config.resolved_evaluation, weights="").ap) >= 11, (
                row.name
            )


def test_augmentation_rows_of_wang_are_the_single_presets():
    rows = {row.name: row.config for row in tables.load("wang_table2").rows}
    for preset, name in {
        "resnet_20cls": "20cls_blur_jpeg_0.5",
        "resnet_20cls_blur_jpeg_01": "20cls_blur_jpeg_0.1",
        "resnet_20cls_blur": "20cls_blur",
        "resnet_20cls_jpeg": "20cls_jpeg",
        "resnet_20cls_noaug": "20cls_noaug",
    }.items():
        assert dataclasses.replace(configs.load(preset), name=name) == rows[name]


def test_tiny_keeps_what_a_row_is_about():
    full = {row.name: row.config for row in tables.load("re_supplement_a").rows}
    tiny = {row.name: row.config for row in tables.load("re_supplement_a", "tiny").rows}
    for name, config in tiny.items():
        before = full[name]
        kept = dataclasses.replace(config.augment, crop=before.augment.crop)
        assert (kept, config.validation) == (before.augment, before.validation)
        assert config.plateau.keep_best
        assert config.model.name == "resnet18"
    shares = [tiny[f"{n}cls_noaug"].data.fraction for n in (2, 4, 8, 16, 20)]
    whole = full["2cls_noaug"].data.fraction
    assert shares == pytest.approx([whole * n / 20 for n in (2, 4, 8, 16, 20)])


def test_an_argument_that_is_not_there_is_told():
    with pytest.raises(UserError, match="no argument but :tiny, got :small"):
        tables.load("re_table1", "small")


@pytest.mark.parametrize("names", [("a", "a"), ("12",), ("a/b",), ("..",), ("report",)])
def test_rows_have_names_of_folders_of_their_own(names):
    with pytest.raises(ValueError, match="names of rows"):
        Table(
            title="t",
            source="s",
            rows=tuple(make_row(name, Config(), published=["p"]) for name in names),
        )


def test_hours_are_those_of_the_fewest_epochs():
    row = {row.name: row for row in tables.load("wang_table2").rows}
    assert least_epochs(row["20cls_noaug"]) == 18
    assert least_epochs(row["2cls_blur_jpeg_0.5"]) == 153
    assert least_hours(row["20cls_noaug"], 1000.0) == pytest.approx(720_120 * 18 / 3.6e6)
    assert least_hours(row["zhang_cyc_im"], 1000.0) is None
    # Frank and Holz keep the best: a phase without any gain has five epochs, but the first six.
    assert least_epochs(tables.load("re_table1").rows[0]) == 16


def test_each_detector_stays_itself_in_its_tiny_form():
    tiny = {row.name: row.config for row in tables.load("detectors", "tiny").rows}
    assert [config.model.name for config in tiny.values()] == list(tiny)
    own = tiny.pop("dcgan").optim
    assert (own.learning_rate, own.beta1, own.max_epochs) == (2e-4, 0.5, 12)
    for config in tiny.values():
        assert (config.optim.beta1, config.optim.max_epochs) == (0.9, 6)


def test_tiny_leaves_out_what_only_full_data_has():
    row = make_row(
        "a",
        Config(data=Data(train_root="x", classes=("cat",)), model=Model(init="weights/w.pth")),
        published=["p"],
    )
    config = sized(Table(title="t", source="s", rows=(row,)), "tiny").rows[0].config
    assert (config.data.train_root, config.data.classes, config.model.init) == ("", (), "")
    assert config.data.fraction == 1 / 20
