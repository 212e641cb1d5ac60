import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests import environment, tmpfs


def pytest_sessionfinish():
    environment.remove_cache()


LABELS = ("0_real", "1_fake")


def draw_image(rng, size, fake):
    """Smooth noise; a fake carries the fine checkerboard of a transposed convolution."""
    height, width = (size, size) if isinstance(size, int) else size
    coarse = rng.integers(60, 190, (height // 8 + 2, width // 8 + 2, 3))
    image = np.kron(coarse, np.ones((8, 8, 1)))[:height, :width]
    image += rng.normal(0, 6, image.shape)
    if fake:
        image += 12 * ((np.indices((height, width)).sum(0) % 2)[..., None] - 0.5)
    return np.clip(image, 0, 255).astype(np.uint8)


def exit_status(main, *arguments):
    """Returns the exit status of a command, run here."""
    try:
        main([str(one) for one in arguments])
    except SystemExit as ended:
        return ended.code or 0
    return 0


def write_images(folder, *, count, size=40, seed=0, suffix="png"):
    """`count` images under each of folder/0_real and folder/1_fake."""
    rng = np.random.default_rng(seed)
    for fake, label in enumerate(LABELS):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            pixels = draw_image(rng, size, bool(fake))
            Image.fromarray(pixels).save(folder / label / f"{number:03d}.{suffix}")
    return folder


def write_dataset(root):
    """A small data root: two training classes, val, and three test sets of unlike shapes."""
    for number, name in enumerate(("cat", "horse")):
        write_images(root / "train" / name, count=12, seed=number)
    write_images(root / "val" / "cat", count=5, seed=10)
    write_images(root / "test" / "alpha", count=7, seed=20)
    write_images(root / "test" / "beta" / "x", count=3, size=(24, 50), seed=21, suffix="jpg")
    write_images(root / "test" / "beta" / "y", count=4, size=(60, 33), seed=22)
    write_images(root / "test" / "gamma", count=2, seed=23)
    return root


@pytest.fixture
def dataset(tmp_path):
    return write_dataset(tmp_path / "data root")


@pytest.fixture
def disk(tmp_path):
    """A disk of 64 MiB of its own: a mounted tmpfs."""
    folder = tmp_path / "disk"
    folder.mkdir()
    complaint = tmpfs.mount(folder)
    if complaint:
        pytest.skip(f"a tmpfs cannot be mounted here: {complaint}")
    yield folder
    tmpfs.unmount(folder)


KILLED = """
import os, signal, sys
from pathlib import Path
from jaxdet.workdir.drafts import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_while_writing(path):
    """Returns the draft that a process left which was killed while it wrote a file."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    (draft,) = path.parent.glob(f".{path.name[:40]}.*.tmp")
    return draft
