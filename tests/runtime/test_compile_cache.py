"""Compiled programs kept in one's own folder, and nowhere else."""

import os
import subprocess
import sys

import jax
import pytest

from jaxdet.errors import UserError
from jaxdet.runtime.compile_cache import use_compile_cache

VARIABLE = "JAX_COMPILATION_CACHE_DIR"


@pytest.fixture(autouse=True)
def configuration(monkeypatch):
    """JAX's configuration as it was, whatever the test does with it."""
    monkeypatch.delenv(VARIABLE, raising=False)
    names = ("jax_enable_compilation_cache", "jax_compilation_cache_dir")
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_a_new_folder_is_private(tmp_path):
    folder = tmp_path / "deep" / "compiled"
    assert use_compile_cache(str(folder)) == str(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert jax.config.jax_compilation_cache_dir == str(folder)
    assert jax.config.jax_enable_compilation_cache


def test_none_and_the_default_on_cpus(monkeypatch, tmp_path):
    assert use_compile_cache("") is None
    monkeypatch.setenv(VARIABLE, str(tmp_path / "given"))
    assert use_compile_cache("") == str(tmp_path / "given")
    assert use_compile_cache("none") is None
    assert not jax.config.jax_enable_compilation_cache


def test_a_folder_of_others_is_refused(monkeypatch, tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o1777)  # as /tmp
    with pytest.raises(UserError, match=r"drwxrwxrwt.*a folder of your own with mode 0700"):
        use_compile_cache(str(folder))
    monkeypatch.setenv(VARIABLE, str(folder))
    with pytest.raises(UserError, match="others may put programs there"):
        use_compile_cache("")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"give another runtime\.compile_cache, or none"):
        use_compile_cache(str(tmp_path / "file"))


def test_programs_are_kept_and_found_again(tmp_path):
    code = (
        "import sys, jax; from jaxdet.runtime.compile_cache import use_compile_cache;"
        "use_compile_cache(sys.argv[1]); hits = [];"
        "jax.monitoring.register_event_listener(lambda e, **_: hits.append(e));"
        "f = jax.jit(lambda x: x * 3 + 1); f(2.0); jax.clear_caches(); f(2.0);"
        "print(hits.count('/jax/compilation_cache/cache_hits'))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "compiled")]
    given = {**os.environ, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    done = subprocess.run(command, env=given, capture_output=True, check=True)
    assert int(done.stdout) == 1
    assert list((tmp_path / "compiled").iterdir())
