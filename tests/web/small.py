"""Fetches a small set in a process of its own, so that a test may kill it.

python -m tests.web.small ROOT URL CONTAINER FILE,FILE FOLDER,FOLDER [CLASS,CLASS]
"""

import sys
from pathlib import Path

from jaxdet.errors import guard
from jaxdet.fetch.catalog import Address, Container, Dataset, Folder
from jaxdet.fetch.choice import Options
from jaxdet.fetch.remote import Patience
from jaxdet.fetch.run import fetch


def main(root, url, container, files, folders, classes=""):
    dataset = Dataset(
        name="small",
        title="",
        files=tuple(Address(name=name, url=f"{url}/{name}") for name in files.split(",")),
        container=Container[container],
        split="train",
        folders=tuple(Folder(name=name, real=4, fake=4) for name in folders.split(",") if name),
    )
    wanted = tuple(name for name in classes.split(",") if name)
    options = Options(patience=Patience(timeout=60), classes=wanted)
    with guard():
        fetch(dataset, Path(root), options=options, say=print)


if __name__ == "__main__":
    main(*sys.argv[1:])
