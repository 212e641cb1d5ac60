"""The folder of a work is removed while a command works in it, or has a name that is no UTF-8."""

import os
import re
import shutil
import time

import pytest

from tests.e2e.conftest import main_arguments


def removed_during(process, folder, sign):
    """The last line of a command whose folder goes when a file is there."""
    deadline = time.monotonic() + 240
    while not (folder / sign).exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{sign} did not come"
        time.sleep(0.01)
    while folder.exists():  # it may be written to meanwhile
        shutil.rmtree(folder, ignore_errors=True)
        (folder.parent / "looked").touch()
    _, err = process.communicate(timeout=240)
    assert (process.returncode, "Traceback" in err) == (1, False), err
    return err.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sign", "every_steps", "log_every", "says"),
    [
        ("metrics.jsonl", 1000, 1, r"metrics\.jsonl: No such file or directory; was it, or its"),
        # Whichever comes first, the next checkpoint or the line of the epoch that ends with it.
        (
            "checkpoints/3",
            3,
            1000,
            r"cannot be written: |\.jsonl: No such file or directory; was it",
        ),
    ],
)
def test_a_run_whose_folder_goes(command, dataset, tmp_path, sign, every_steps, log_every, says):
    options = {"model__width": 4, "optim__max_epochs": 50, "runtime__log_every": log_every}
    arguments = main_arguments(
        dataset, tmp_path / "run", checkpoint__every_steps=every_steps, **options
    )
    line = removed_during(command("jaxdet.main", *arguments), tmp_path / "run", sign)
    assert line.startswith(f"error: {tmp_path}/run")
    assert re.search(says, line)


def test_a_workdir_that_is_no_utf8_is_refused_before_any_work(finish, dataset, tmp_path):
    workdir = os.path.join(tmp_path, os.fsdecode(b"w\xff"))
    status, _, err = finish("jaxdet.main", *main_arguments(dataset, workdir))
    assert status == 2
    assert err.splitlines()[-1].startswith(f"error: {tmp_path}/w\ufffd: checkpoints need a path in")
    assert not os.path.exists(workdir)
