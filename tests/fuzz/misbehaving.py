"""A reader that crashes, hangs, or raises: what the fuzzer has to see."""

import faulthandler
import time


def kinds():
    return ()


def make_case(number, seed, folder):
    return "nothing", number


def readers(what):
    return {"reader": _misbehave}


def _misbehave(number):
    if number == 0:
        faulthandler._sigsegv()
    if number == 1:
        time.sleep(600)
    if number == 2:
        1 / 0  # noqa: B018
