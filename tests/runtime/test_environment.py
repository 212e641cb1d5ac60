import shutil
from pathlib import Path

import jaxdet
from jaxdet.runtime import environment


def test_a_copy_without_git_is_known_by_its_code(tmp_path, monkeypatch):
    code, package = environment.code(), Path(jaxdet.__file__).parent
    copy = shutil.copytree(package, tmp_path / "jaxdet", ignore=shutil.ignore_patterns("*.pyc"))
    monkeypatch.setattr(environment, "__file__", str(copy / "runtime" / "environment.py"))
    described = environment.describe()
    assert (described["commit"], described["code"]) == ("", code)
    (copy / "errors.py").write_text("")
    assert environment.code() != code
