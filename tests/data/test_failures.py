"""What goes wrong in an input worker, in words: threads of both kinds, and grain's processes."""

import pytest

from jaxdet.config import Runtime
from jaxdet.data.failures import named_failures
from jaxdet.data.pipeline import open_batches
from jaxdet.errors import BadImageError, RunFailedError
from jaxdet.scoring.ahead import in_order


class Failing:
    batch_bytes = 1

    def __init__(self, error):
        self.error = error

    def __call__(self, step):
        if step == 2:
            raise self.error
        return step


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unknown_error_in_a_thread_is_named_with_its_place(workers):
    load, seen = Failing(OverflowError("too far")), []
    runtime = Runtime(workers=workers, worker_kind="threads")
    says = r"raised OverflowError: too far \(.*test_failures.py, line \d+\)"
    with (
        pytest.raises(RunFailedError, match=says),
        open_batches(load, start=0, stop=9, runtime=runtime) as batches,
    ):
        seen.extend(batches)
    ahead = in_order(load, range(9), cost=lambda _: 1, budget=9, workers=workers)
    with pytest.raises(RunFailedError, match=says):
        seen.extend(named_failures(ahead))
    assert set(seen) <= {0, 1}


def test_our_errors_stay_as_they_are():
    error = BadImageError("x.png: no image")
    ahead = in_order(Failing(error), range(9), cost=lambda _: 1, budget=9, workers=2)
    with pytest.raises(BadImageError) as caught:
        list(named_failures(ahead))
    assert caught.value is error


def died(code):
    # The words of grain 0.2.18's process_prefetch.py.
    raise RuntimeError(
        f"Worker process was terminated unexpectedly with exit code {code}. Search the logs above "
        "for the source of the crash."
    )
    yield


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (-9, "killed by SIGKILL: where memory ran out"),
        (-7, "killed by SIGBUS: /dev/shm may be full"),
        (-11, "killed by SIGSEGV$"),
        (3, "ended with status 3"),
    ],
)
def test_the_death_of_a_process_is_named(code, says):
    with pytest.raises(RunFailedError, match=says):
        list(named_failures(died(code)))
