"""A run that goes on under another config."""

import dataclasses
import json

import pytest

from jaxdet import config as schema
from jaxdet.errors import UserError
from jaxdet.results import RunFolder
from jaxdet.runtime.changes import check_changes, find_changes, note_changes
from jaxdet.workdir.files import read_json, write_json

CONFIG = schema.Config()


def other(section, **values):
    changed = dataclasses.replace(getattr(CONFIG, section), **values)
    return dataclasses.replace(CONFIG, **{section: changed})


@pytest.fixture
def begun(tmp_path):
    folder = RunFolder(tmp_path)
    write_json(folder.config, schema.to_json_dict(CONFIG))
    folder.metrics.write_text('{"step": 12, "epoch": 2.0, "train/loss": 0.5}\n')
    return folder


def test_a_change_is_refused_and_where_accepted_noted(begun):
    slower = other("optim", learning_rate=1e-5)
    with pytest.raises(UserError, match=r"optim.learning_rate: 0.0001 -> 1e-05.*--accept-config"):
        check_changes(slower, {}, begun, accept_changes=False)
    check_changes(slower, {}, begun, accept_changes=True)
    note_changes(slower, {}, begun)
    assert read_json(begun.config)["optim"]["learning_rate"] == 1e-5
    assert read_json(begun.earlier_config(1))["optim"]["learning_rate"] == 1e-4
    (note,) = map(json.loads, begun.changes.read_text().splitlines())
    assert (
        note.items()
        >= {
            "after_step": 12,
            "changed": ["optim.learning_rate: 0.0001 -> 1e-05"],
            "earlier": "config.1.json",
        }.items()
    )

    check_changes(slower, {}, begun, accept_changes=False)
    note_changes(slower, {}, begun)
    assert len(begun.changes.read_text().splitlines()) == 1
    note_changes(CONFIG, {}, begun)
    assert begun.earlier_config(2).exists()


@pytest.mark.parametrize(
    "config",
    [
        other("model", width=32),
        other("data", classes=("cat",)),
        other("optim", batch_size=32),
        other("optim", name="sgd"),
        dataclasses.replace(CONFIG, seed=1),
    ],
)
def test_what_a_run_counts_in_cannot_change(begun, config):
    with pytest.raises(UserError, match="a run cannot go on with another"):
        check_changes(config, {}, begun, accept_changes=True)


def test_a_folder_without_work_has_nothing_to_change(begun):
    begun.metrics.unlink()
    assert find_changes(other("model", width=32), begun) == []


@pytest.mark.parametrize("config", [CONFIG, other("optim", learning_rate=1e-5)])
def test_other_code_is_refused_and_where_accepted_noted(begun, config, capsys):
    then, now = {"own.parts:build": "1", "own.gone:hinge": "1"}, {"own.parts:other": "2"}
    options = schema.differences(CONFIG, config)
    write_json(begun.env, {"outside": then})
    check_changes(CONFIG, then, begun, accept_changes=False)
    with pytest.raises(UserError, match=r"code of own.parts: 1 -> 2\).*--accept-config"):
        check_changes(config, now, begun, accept_changes=False)
    check_changes(config, now, begun, accept_changes=True)
    note_changes(config, now, begun)
    (note,) = map(json.loads, begun.changes.read_text().splitlines())
    assert note["changed"] == [*options, "code of own.parts: 1 -> 2"]
    told = capsys.readouterr().err.splitlines()
    assert [line.partition("a change: ")[2] for line in told] == note["changed"]
    check_changes(config, now, begun, accept_changes=False)
