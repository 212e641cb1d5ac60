import subprocess
import sys

import pytest

TINY = ["--size=32", "--train-images=4", "--val-images=2", "--test-images=2", "--steps=1"]


def run(*arguments):
    command = [sys.executable, "-m", "jaxdet.data", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.slow
def test_synth_makes_the_dataset_then_says_that_it_is_there(tmp_path):
    first = run("synth", f"--root={tmp_path}/set", *TINY)
    assert (first.returncode, first.stderr) == (0, "")
    assert "pixelshuffle" in first.stdout
    assert len(list(tmp_path.glob("set/test/*/1_fake/*.png"))) == 10
    again = run("synth", f"--root={tmp_path}/set", *TINY)
    assert (again.returncode, again.stdout) == (0, f"{tmp_path}/set: already there\n")


def test_synth_by_a_method(tmp_path):
    few = ["--size=32", "--train-images=2", "--val-images=1", "--test-images=1", "--width=2"]
    made = ["--method=dip", "--network=hourglass", "--levels=1", "--iterations=6"]
    done = run("synth", f"--root={tmp_path}/set", *made, *few)
    assert (done.returncode, done.stderr) == (0, "")
    assert "psnr" in done.stdout
    assert len(list(tmp_path.glob("set/test/dip/iteration_*/1_fake/*.png"))) == 6


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "COMMAND"),
        (("synht",), "synht"),
        (("synth",), "--root"),
        (("synth", "--root=set", "--seed=x"), "argument --seed: 'x': give a whole number"),
        (("synth", "--root=set", "--size=33"), "multiple of 4"),
        (("synth", "--root=set", "--method=gan"), "--method"),
        (("synth", "--root=set", "--blocks=3"), "--blocks: --method=builtin has no such option"),
        (("synth", "--root=set", "--method=dip", "--steps=3"), "it has --photos, --seed, --size"),
        (("synth", "--root=set", "--method=dcgan", "--size=72"), "must be one of 32, 64"),
        (("synth", "--root=set", "--photos=missing"), "no such folder"),
        (("synth", "--root=../set", "--photos=."), "6 or more are needed"),
        (("synth", "--root=set", "--photos=."), "set: lies in ., which is read"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert word in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("--help",), ("synth", "--help")])
def test_help(arguments):
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "synth" in done.stdout


def test_the_command_itself_starts_without_jax():
    code = "import sys, jaxdet.datasets.commands; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
