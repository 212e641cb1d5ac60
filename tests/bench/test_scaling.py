import argparse
import json

import pytest

from jaxdet.bench.__main__ import main
from jaxdet.bench.scaling import add_scaling, reckon

RUN = ("--images=6400", "--epochs=2", "--validation=100", "--test=300", "--batch-size=64",
       "--parameters=25e6")  # fmt: skip


def reckoned(*machine, devices=1):
    parser = argparse.ArgumentParser()
    add_scaling(parser)
    return reckon(parser.parse_args([*RUN, *machine]), devices)


def test_one_device_is_added_up_by_hand():
    found = reckoned(
        "--step-rate=100", "--input-rate=1000", "--eval-rate=500", "--disk=1e8", "--price=2"
    )
    # 2 x (100 steps of 0.64 s + 3 s of checkpoint) + 500 images scored.
    assert found["hours"] == pytest.approx((2 * (64 + 3) + 1) / 3600)
    assert found["cost"] == pytest.approx(2 * found["hours"])
    assert (found["limit"], found["waiting"]) == ("compute", 0)


def test_links_and_input_bound_what_many_devices_gain():
    of_eight = ("--step-rate=100", "--input-rate=400")
    eight = reckoned(*of_eight, "--link=1e9", devices=8)
    # 0.08 s of computing and 2 x 7/8 x 0.1 s of links; 0.16 s of input are less.
    assert eight["images_per_second"] == pytest.approx(64 / (0.08 + 0.175))
    assert eight["limit"] == "links"
    starved = reckoned(*of_eight, devices=8)
    assert starved["images_per_second"] == pytest.approx(400)
    assert starved["waiting"] == pytest.approx(0.5)
    # However short the wait: the devices would be faster with more input.
    waits = reckoned("--step-rate=1000", "--input-rate=700")
    assert (waits["limit"], waits["waiting"]) == ("input", pytest.approx(0.3))


def test_on_shared_cores_input_and_steps_add_up():
    found = reckoned("--step-rate=10", "--input-rate=40", "--shared-cores")
    assert found["images_per_second"] == pytest.approx(1 / (1 / 10 + 1 / 40))


def test_command_prints_a_line_a_number_of_devices(tmp_path, capsys):
    out = tmp_path / "s.json"
    rates = ["--step-rate=2500", "--input-rate=20000"]
    main(["scaling", *rates, f"--json={out}", "--devices", "1", "8"])
    rows = json.loads(out.read_text())["rows"]
    assert [(row["devices"], row["ratio_to_reference"]) for row in rows] == [(1, 1), (8, 8)]
    assert "limited by compute" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [["--devices", "7"], ["--step-rate=0"], ["--step-rate=nan"], ["--link=fast"], ["--images=9"]],
)
def test_mistakes_are_one_line(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["scaling", "--step-rate=1", "--input-rate=1", *wrong])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
