import jax

from jaxdet.runtime.hangs import watch_run
from jaxdet.workdir import watchdog


def test_a_compilation_is_a_sign_of_life_and_may_take_long_until_it_ends(tmp_path, monkeypatch):
    signs = []
    monkeypatch.setattr(watchdog, "expect_compilation", lambda: signs.append("traced"))
    monkeypatch.setattr(watchdog, "end_compilation", lambda: signs.append("compiled"))
    with watch_run(limit=60, folder=tmp_path):
        jax.jit(lambda x: x + 1)(1.0)
    heard = list(signs)
    jax.jit(lambda x: x + 2)(1.0)
    assert (heard[0], heard[-1], signs) == ("traced", "compiled", heard)
