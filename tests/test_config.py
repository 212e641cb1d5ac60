import argparse
import dataclasses
import json
import math
import re
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from jaxdet import config as schema
from jaxdet.bench import commands as bench_commands
from jaxdet.config import Config
from jaxdet.config.augment import USUAL_OPERATIONS
from jaxdet.config.forms import list_options
from jaxdet.conversion import command as convert_command
from jaxdet.datasets import commands as data_command
from jaxdet.errors import UserError
from jaxdet.predict.options import get_parser
from jaxdet.ranges import Range
from tests.golden import configs as golden
from tests.golden import options


@pytest.mark.parametrize(("preset", "argument"), golden.PRESETS)
def test_preset_is_its_golden_text(preset, argument):
    config = golden.load(preset, argument)
    assert golden.render(config) == golden.path(preset, argument).read_text()


@pytest.mark.parametrize(("preset", "argument"), golden.PRESETS)
def test_preset_is_valid_and_says_command_source_and_result(preset, argument):
    config = golden.load(preset, argument)
    if config.task == "eval":
        config = dataclasses.replace(
            config, model=dataclasses.replace(config.model, init="weights")
        )
    schema.validate(config)
    text = (golden.REPOSITORY / "configs" / f"{preset}.py").read_text()
    assert all(word in text for word in ("Command:", "Source:", "Expected:"))


def test_presets_and_their_variants_have_names_and_so_folders_of_their_own():
    variants = [*golden.PRESETS, ("fgts", "dinov3_b16"), ("vfm_probe", "dinov3_b16")]
    names = [golden.load(*variant).name for variant in variants]
    assert sorted(names) == sorted(set(names))


def test_every_option_has_a_type_and_a_text():
    def walk(cls):
        for field in dataclasses.fields(cls):
            if dataclasses.is_dataclass(field.default):
                walk(type(field.default))
            else:
                assert field.metadata["doc"], field.name
                assert field.metadata["source"], field.name

    walk(Config)


def test_the_list_of_options_is_the_schema_s():
    assert options.PATH.read_text() == options.render()


def test_config_goes_through_json_and_config_dict():
    config = Config(data=schema.Data(classes=("a", "b"), fraction=0.25), seed=3)
    assert schema.from_json_dict(json.loads(json.dumps(schema.to_json_dict(config)))) == config
    assert schema.from_config_dict(schema.to_config_dict(config)) == config


def test_comma_separated_words_become_a_tuple():
    options = schema.to_config_dict(Config())
    options.data.classes = ("horse,cat",)
    options.evaluation.analyses = ("",)  # --config.evaluation.analyses=
    config = schema.from_config_dict(options)
    assert (config.data.classes, config.evaluation.analyses) == (("horse", "cat"), ())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"nope": 1}, "nope"),
        ({"data": {"rot": "x"}}, "data.rot"),
        ({"data": 3}, "data"),
        ({"seed": "x"}, "seed"),
        ({"seed": True}, "seed"),
        ({"augment": {"jpeg_quality": [30]}}, "augment.jpeg_quality"),
        ({"augment": {"jpeg_quality": [30, 50.5]}}, "augment.jpeg_quality"),
    ],
)
def test_wrong_options_are_named(options, named):
    with pytest.raises(UserError, match=named):
        schema.from_config_dict(ConfigDict(options))


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("--config.augment.crp=3", "--config.augment.crp: no such option; did you mean "
         "--config.augment.crop? see docs/configuration.md"),
        ("--config.optim.crop=3", "--config.optim.crop: no such option; did you mean "
         "--config.augment.crop or --config.evaluation.crop? see docs/configuration.md"),
        ("--config.nothing.of=3", "--config.nothing.of: no such option; see docs/configuration.md"),
        ("--config.seed.x=1", "--config.seed.x: no such option; did you mean --config.seed? "
         "see docs/configuration.md"),
        ("--config.=3", "--config.: no such option; see docs/configuration.md"),
        ("--config.data.classes[0]=3", "--config.data.classes[0]: no such option; did you mean "
         "--config.data.classes? see docs/configuration.md"),
        ("--config.data=3", "--config.data is a section; give its options, as --config.data.root"),
        ("--config.augment.crop=1.5", "--config.augment.crop=1.5: not a whole number"),
        ("--config.optim.learning_rate=a: b", "--config.optim.learning_rate=a: b: not a number"),
        ("--config.runtime.deterministic=x", "--config.runtime.deterministic=x: neither true nor "
         "false"),
        ("--config.augment.blur_sigma=(1", "config: augment.blur_sigma=(1 must have 2 values"),
        ("--config.data.classes", "Missing value for flag --config.data.classes; see --help"),
        ("--workdr=x", "--workdr: no such option; did you mean --workdir? see --help"),
    ],
)  # fmt: skip
def test_a_mistyped_option_is_one_line_without_escapes(argument, says):
    with pytest.raises(UserError) as refusal:
        schema.parse_options(schema.to_config_dict(Config()), ["main", argument])
    assert str(refusal.value) == says


OWN = ("crop", "mine.ops:Gamma")


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (["=crop,mine.ops:Gamma"], OWN),
        (["=(crop, mine.ops:Gamma,)"], OWN),
        (["=('crop', 'mine.ops:Gamma')"], OWN),
        (["", "crop,mine.ops:Gamma"], OWN),
        (["", "crop,flip", "--config.optim.loss=mine.ops:hinge"], ("crop", "flip")),
    ],
)
def test_a_value_is_the_same_with_a_colon_or_without_behind_a_sign_or_a_space(given, value):
    option, *others = given
    arguments = ["main", f"--config.augment.operations{option}", *others]
    config, _ = schema.parse_options(schema.to_config_dict(Config()), arguments)
    assert config.augment.operations == value


def test_words_need_no_quotes_whatever_signs_they_hold():
    config, _ = schema.parse_options(
        schema.to_config_dict(Config()),
        ["main", "--config.augment.views=clean,blur:1+jpeg:75",
         "--config.evaluation.benchmarks=one=/a/b-c,two=d.csv"],
    )  # fmt: skip
    assert config.augment.views == ("clean", "blur:1+jpeg:75")
    assert config.evaluation.benchmarks == ("one=/a/b-c", "two=d.csv")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("augment.blur_probability", 1.5),
        ("augment.jpeg_quality", (90, 30)),
        ("augment.jpeg_codecs", ("gif",)),
        ("augment.blur_sigma", (2.0, 1.0)),
        ("augment.rescale_factor", (1.0, 0.5)),
        ("augment.resize", 200),
        ("augment.decode", "scaled"),
        ("augment.coupling", "both"),
        ("data.fraction", 0.0),
        ("data.on_bad_image", "ignore"),
        ("evaluation.weights", "first"),
        ("model.name", "resnet51"),
        ("model.norm_groups", 3),
        ("optim.accumulate", 0),
        ("optim.accumulate", 3),
        ("optim.batch_size", 0),
        ("optim.schedule", "cosine"),
        ("plateau.factor", 1.0),
        ("task", "eval"),
    ],
)
def test_impossible_values_are_refused_by_name(key, value):
    nested = schema.to_json_dict(Config())
    *sections, name = key.split(".")
    node = nested[sections[0]] if sections else nested
    node[name] = value
    with pytest.raises(UserError, match=key if key != "task" else "model.init"):
        schema.validate(schema.from_json_dict(nested))


@pytest.mark.parametrize("operation", [name for name in USUAL_OPERATIONS if name != "crop"])
def test_what_is_asked_for_is_among_the_operations(operation):
    name = f"{operation}_probability"
    option = {name: 0.9} if hasattr(Config().augment, name) else {operation: 256}
    others = tuple(name for name in USUAL_OPERATIONS if name != operation)
    schema.validate(Config(augment=schema.Augment(operations=others)))
    schema.validate(Config(augment=schema.Augment(operations=USUAL_OPERATIONS, **option)))
    with pytest.raises(UserError, match=rf"augment\.{next(iter(option))}=.* lacks {operation}"):
        schema.validate(Config(augment=schema.Augment(operations=others, **option)))


NUMBERS = {
    name: field
    for name, field in list_options().items()
    if re.search(r"\b(int|float)\b", str(field.type))
}


def test_every_number_has_a_range_and_its_default_lies_in_it():
    for name, field in NUMBERS.items():
        within = Range.of(field.metadata["within"])
        values = field.default if isinstance(field.default, tuple) else (field.default,)
        assert all(value in within for value in values), name


def test_no_option_takes_a_number_without_end():
    for name, field in NUMBERS.items():
        endless = (math.nan, math.inf, -math.inf, 1e300, -2.0, 10**5000, -(10**5000))
        if "float" not in str(field.type):
            endless = (2**64, -2, 10**5000, -(10**5000))
        for value in endless:
            nested = schema.to_json_dict(Config())
            *sections, last = name.split(".")
            node = nested[sections[0]] if sections else nested
            node[last] = [value] * max(len(node[last]), 1) if "tuple" in str(field.type) else value
            with pytest.raises(UserError, match=name) as refusal:
                schema.validate(schema.from_json_dict(nested))
            assert len(str(refusal.value)) < 200


def _number_options():
    for parser in _parsers():
        nested = [a.choices for a in parser._actions if isinstance(a.choices, dict)]
        for command in [*(nested[0].values() if nested else ()), parser]:
            for action in command._actions:
                if action.type is not None and action.type is not Path:
                    yield f"{command.prog} {action.option_strings[0]}", action.type


def _parsers():
    convert = convert_command._parser()
    bench, data = argparse.ArgumentParser("bench"), argparse.ArgumentParser("data")
    bench_commands.add_commands(bench.add_subparsers())
    commands = data.add_subparsers()
    for name, command in data_command.COMMANDS.items():
        command.add_flags(commands.add_parser(name))
    return convert, bench, data, get_parser()


def test_no_command_takes_a_number_without_end():
    tried = 0
    for option, kind in _number_options():
        if option.rpartition(" ")[2] in ("--classes", "--only", "--base-url"):
            continue  # words
        for text in ("nan", "inf", "-1e300", "1e400", "9" * 5000, "-3", "", "1_0", "\u0663"):
            with pytest.raises((argparse.ArgumentTypeError, UserError)) as refusal:
                kind(text)
            assert len(str(refusal.value)) < 200, option
        tried += 1
    assert tried > 40


@pytest.mark.parametrize(
    ("views", "validation", "option"),
    [
        (("clean",), "clean", {"jpeg_probability": 0.5}),
        (("clean", "jpeg:90"), "training", {"jpeg_quality": (50, 60)}),
        (("blur:1",), "clean", {"flip_probability": 0.0}),
        (("clean",), "clean", {"operations": ("resize", "crop")}),
    ],
)
def test_what_views_without_a_draw_would_leave_out_is_refused(views, validation, option):
    def check(views, validation):
        augment = schema.Augment(views=views, resize=256, crop=200, **option)
        schema.validate(Config(augment=augment, validation=schema.Validation(augment=validation)))

    for drawn in ((), (*views, "augmented:1")):
        check(drawn, validation)
    check(views, "published")
    with pytest.raises(UserError, match=rf"augment\.{next(iter(option))}=.* changes nothing: "):
        check(views, validation)


def test_a_saved_run_with_options_that_change_nothing_opens_with_a_note(tmp_path, capsys):
    augment = schema.Augment(views=("clean",), jpeg_probability=0.5)
    saved, path = Config(augment=augment), tmp_path / "config.json"
    with pytest.raises(UserError, match=r"augment\.jpeg_probability=0\.5 changes nothing"):
        schema.validate(saved)
    path.write_text(json.dumps(schema.to_json_dict(saved)))
    assert [schema.read_config(path), schema.read_config(path)] == [saved, saved]
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(r"config\.json: augment\.jpeg_probability=0\.5 changes nothing", line)
    broken = dataclasses.replace(saved, augment=schema.Augment(views=("sharp",)))
    path.write_text(json.dumps(schema.to_json_dict(broken)))
    with pytest.raises(UserError, match=r"newer jaxdet, or damaged; .*'sharp' is not one of"):
        schema.read_config(path)


def test_hash_follows_what_changes_a_result_and_nothing_else():
    base = Config()
    same = dataclasses.replace(
        base,
        runtime=schema.Runtime(workers=3, devices=2),
        data=schema.Data(root="elsewhere"),
        name="b",
    )
    other = dataclasses.replace(base, seed=1)
    assert schema.config_hash(base) == schema.config_hash(same)
    assert schema.config_hash(base) != schema.config_hash(other)
    assert schema.differences(base, same) == []
    assert schema.differences(base, other) == ["seed: 0 -> 1"]


def test_where_benchmarks_lie_is_no_difference_and_which_they_are_is_one():
    def config(*benchmarks):
        return Config(evaluation=schema.Evaluation(benchmarks=benchmarks))

    base, moved = config("one=/a", "two=/b"), config("one=/c=d", "two=e.csv")
    other = config("one=/a", "three=/b")
    for form in (schema.config_hash, schema.common_options):
        assert form(base) == form(moved)
        assert form(base) != form(other)
    assert schema.differences(base, moved) == []
    assert schema.differences(base, other) == [
        "evaluation.benchmarks: ('one', 'two') -> ('one', 'three')"
    ]


def test_where_negatives_lie_is_no_difference_and_whether_there_are_any_is_one():
    def config(negatives, weight=1):
        return Config(data=schema.Data(negatives=negatives, negatives_weight=weight))

    for form in (schema.config_hash, schema.common_options):
        assert form(config("/a")) == form(config("/b")) != form(config(""))
        assert form(config("/a", 2)) != form(config("/a"))
    assert schema.config_hash(config("")) == schema.config_hash(Config())


def test_results_of_before_an_option_was_added_are_still_those_of_the_run(tmp_path):
    # As saved and hashed by jaxdet of before there was any of the options that it lacks.
    saved = json.loads((Path(golden.__file__).parent / "config_of_before.json").read_text())
    before = "bfe1438b5fb01217"
    config = schema.from_json_dict(saved)
    assert config == Config(augment=schema.Augment(blur_probability=0.5))
    path = tmp_path / "config.json"
    path.write_text(json.dumps(saved))
    now = schema.config_hash(config)
    assert now != before
    assert schema.own_hash(path) == before
    assert schema.is_hash_of(before, path)
    assert schema.is_hash_of(now, path)
    saved["seed"] = 1
    path.write_text(json.dumps(saved))
    assert not schema.is_hash_of(before, path)
    assert not schema.is_hash_of(now, path)


@pytest.mark.parametrize(
    "name",
    ["augment.jpeg_codecs", "runtime.trackers", "evaluation.protocols", "evaluation.analyses"],
)
def test_no_message_repeats_a_long_word(name):
    section, option = name.split(".")
    nested = schema.to_json_dict(Config())
    nested[section][option] = ["x" * 5000, "x" * 5000]
    with pytest.raises(UserError, match=rf"^config: {section}\.{option}") as refusal:
        schema.validate(schema.from_json_dict(nested))
    assert len(str(refusal.value)) < 400
