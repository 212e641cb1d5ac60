import itertools
import os
import subprocess

from jaxdet.data.walk import walk


def make(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def files(root, **options):
    return [
        os.path.join(visit.path, name) for visit in walk(root, **options) for name in visit.names
    ]


def test_files_come_in_sorted_order_a_folder_before_those_inside_it(tmp_path):
    make(tmp_path, "b/2", "b/1", "a/z/3", "a/y", "c")
    assert files(tmp_path) == ["c", "a/y", "a/z/3", "b/1", "b/2"]
    assert files(tmp_path, skip=["b"]) == ["c", "a/y", "a/z/3"]
    assert files(tmp_path, start="a", skip=["z"]) == ["a/y", "a/z/3"]


def test_links_are_followed_as_python_follows_them_but_for_circles(tmp_path):
    make(tmp_path / "root", "a/1", "b/2")
    make(tmp_path / "elsewhere", "deep/3")
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "a" / "again").symlink_to(tmp_path / "elsewhere" / "deep")
    (tmp_path / "root" / "nowhere").symlink_to("nothing")
    expected = {
        os.path.relpath(os.path.join(parent, name), tmp_path / "root")
        for parent, _, names in os.walk(tmp_path / "root", followlinks=True)
        for name in names
    }
    assert len(expected) == 5
    assert set(files(tmp_path / "root")) == expected
    (tmp_path / "elsewhere" / "deep" / "up").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "b" / "itself").symlink_to(".")
    assert set(files(tmp_path / "root")) == expected
    circular = [path for visit in walk(tmp_path / "root") for path in visit.circular]
    assert circular == ["a/again/up", "b/itself", "linked/deep/up"]


def test_folders_that_all_link_to_each_other_come_to_an_end(tmp_path):
    names = "abcdef"
    for name in names:
        make(tmp_path, f"{name}/file")
    for one, other in itertools.permutations(names, 2):
        (tmp_path / one / other).symlink_to(tmp_path / other)
    visits = list(walk(tmp_path))
    # Ways through other folders: six choices of the first, five of the next, up to five folders.
    assert sum(len(visit.names) for visit in visits) == 6 + 30 + 120 + 360 + 720
    assert sum(len(visit.distant) for visit in visits) == 720


def test_a_tree_deeper_than_python_recurses_is_walked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(1100):
        os.mkdir("d")
        os.chdir("d")
    open("last", "w").close()
    *_, last = walk(tmp_path)
    monkeypatch.chdir(tmp_path)
    subprocess.run(["rm", "-r", "d"], check=True)  # pytest would recurse into it
    assert last.names == ("last",)
    assert last.path.count("d") == 1100
