import json

from jaxdet.results import read_metrics
from jaxdet.runtime.logbook import Logbook


def test_lines_after_the_step_and_a_torn_line_are_cut_off(tmp_path):
    path = tmp_path / "metrics.jsonl"
    book = Logbook(path, keep_to_step=0)
    for step in (10, 20, 30):
        book.write(step, step / 10, {"train/loss": 0.1 + step})
    with open(path, "a") as file:
        file.write('{"step": 40, "ep')
    Logbook(path, keep_to_step=20).write(30, 3.0, {"train/loss": 1.0})
    lines = read_metrics(path)
    assert [line["step"] for line in lines] == [10, 20, 30]
    assert lines[2] == {"step": 30, "epoch": 3.0, "train/loss": 1.0}
    assert lines[0] == json.loads(json.dumps({"step": 10, "epoch": 1.0, "train/loss": 10.1}))


def test_the_line_of_a_validation_that_will_be_made_again_is_cut_off(tmp_path):
    path = tmp_path / "metrics.jsonl"
    book = Logbook(path, keep_to_step=0)
    book.write(10, 1.0, {"train/loss": 0.5})
    book.write(10, 1, {"val/accuracy": 0.5})
    Logbook(path, keep_to_step=10)
    assert len(read_metrics(path)) == 2
    Logbook(path, keep_to_step=10, validated=False)
    assert [list(line) for line in read_metrics(path)] == [["step", "epoch", "train/loss"]]
