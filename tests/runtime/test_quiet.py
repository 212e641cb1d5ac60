"""What a failed save says besides the line of ours."""

import asyncio
import gc
import sys

import pytest

from jaxdet.runtime.quiet import hush_orbax


@pytest.fixture
def hushed(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    hush_orbax()


def forget(error):
    """A future that ends with an error which nobody asks for."""

    async def end():
        asyncio.get_running_loop().create_future().set_exception(error)

    asyncio.run(end())
    gc.collect()


@pytest.mark.usefixtures("hushed")
def test_writes_that_fail_together_are_told_once(caplog):
    forget(
        ValueError('Error writing "a/.zarray" at "run/checkpoints/6.tmp.orbax-checkpoint-tmp/x"')
    )
    assert caplog.messages == []


@pytest.mark.usefixtures("hushed")
def test_what_others_forget_is_told(caplog):
    forget(ValueError("something else"))
    (message,) = caplog.messages
    assert "something else" in message
