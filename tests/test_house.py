from tests import house


def test_docstrings_open_with_a_verb():
    assert [f"{path}:{line}: {text}" for path, line, text in house.fragments()] == []


def test_no_config_is_copied_from_another():
    assert [f"{path}:{line}: {text}" for path, line, text in house.copies()] == []


def test_files_and_functions_are_short():
    assert [*house.long_files(), *house.long_functions()] == []


def test_the_training_loop_reads_without_the_rest():
    files = house.imported(house.LOOP)
    assert sum(len(path.read_text().splitlines()) for path in files) < 9000


def test_few_files_name_the_whole_config():
    assert len(house.config_files()) <= 12
