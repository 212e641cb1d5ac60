import jinja2
import pytest

from jaxdet.pages import render
from jaxdet.streams import printable


def _template(tmp_path, text):
    (tmp_path / "part.j2").write_text("<i>{{ name }}</i>")
    (tmp_path / "page.j2").write_text(text)
    return tmp_path / "page.j2"


def test_names_are_escaped_in_the_page_and_in_its_parts(tmp_path):
    template = _template(tmp_path, '{{ name | printable }}{% include "part.j2" %}')
    assert render(template, {"name": "<b>"}, filters={}) == "&lt;b&gt;<i>&lt;b&gt;</i>\n"


def test_filters_are_those_that_are_given(tmp_path):
    template = _template(tmp_path, "{{ name | twice }}")
    assert render(template, {"name": "a"}, filters={"twice": lambda x: 2 * x}) == "aa\n"


def test_a_name_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(jinja2.UndefinedError):
        render(_template(tmp_path, "{{ other }}"), {"name": "a"}, filters={})


def test_printable_marks_what_moves_a_cursor():
    assert printable("a\x1b[2J\n\udc80\N{EN DASH}") == "a\ufffd[2J\ufffd\ufffd\N{EN DASH}"
