from tests import house


def test_docstrings_open_with_a_verb():
    assert [f"{path}:{line}: {text}" for path, line, text in house.fragments()] == []


def test_functions_are_short():
    assert len(list(house.long_functions())) <= 1


def test_few_files_name_the_whole_config():
    assert len(house.config_files()) <= 12
