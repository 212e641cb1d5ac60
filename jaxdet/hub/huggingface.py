"""Reads and writes repositories of Hugging Face by its own client: nobody else imports it.

The client reads HF_TOKEN or its own login, HF_ENDPOINT for another server, and HF_HUB_OFFLINE.
"""

import contextlib
import dataclasses
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxdet.errors import MissingLibraryError, RunFailedError, UserError

# Python's Path makes one slash of two.
_ADDRESS = re.compile(
    r"hf:/{1,2}(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>\w[\w.-]*(?:/\w[\w.-]*)*))?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclasses.dataclass(frozen=True)
class Address:
    """Names a repository, and the branch, tag or commit of it; the newest where that is None."""

    repo: str
    revision: str | None = None

    @classmethod
    def of(cls, text: str | Path) -> "Address | None":
        """Returns the address that a text is; None where it is the name of a file or folder.

        Raises:
          UserError: where it begins as an address and is none.
        """
        match = _ADDRESS.fullmatch(str(text))
        if match is None and str(text).startswith("hf:"):
            raise UserError(f"{text}: write hf://OWNER/NAME or hf://OWNER/NAME@REVISION")
        return match and cls(match["repo"], match["revision"])

    def __str__(self) -> str:
        """Returns the text that `of` reads."""
        return f"hf://{self.repo}" + (f"@{self.revision}" if self.revision else "")


def upload(
    address: Address, files: Mapping[str, Path], message: str, *, private: bool, update: bool
) -> str:
    """Adds files to a repository, made where there is none, as one commit; returns its address.

    Args:
      address: of the repository.
      files: by their names there.
      message: of the commit.
      private: whether the repository must be closed to others, made or there already.
      update: whether files of these names may get a new version; the old one stays in the history.

    Raises:
      UserError: where this is not allowed, files of these names are there, or everybody could read
        what is to be private.
      RunFailedError: where the network fails.
    """
    if address.revision:
        raise UserError(f"{address}: a push goes to the newest state; leave @REVISION out")
    library = _library()
    api = library.HfApi()
    with _asking(address):
        api.create_repo(address.repo, private=private or None, exist_ok=True)
        info = api.model_info(address.repo)
    if private and not info.private:
        raise UserError(
            f"{address}: is there already and open to everybody; make it private on the hub, or "
            "give another name"
        )
    taken = sorted({one.rfilename for one in info.siblings or ()} & {*files})
    if taken and not update:
        raise UserError(
            f"{address}: has {', '.join(taken)} already; --update makes a new version of them, or "
            "give another name"
        )
    added = [
        library.CommitOperationAdd(path_in_repo=name, path_or_fileobj=file)
        for name, file in files.items()
    ]
    with _asking(address):
        # Of that state alone: what somebody adds meanwhile is not overwritten either.
        commit = api.create_commit(
            address.repo, added, commit_message=message, parent_commit=info.sha
        )
    return str(Address(address.repo, _checked(commit.oid, address)))


def download(address: Address, names: Collection[str]) -> dict[str, Path]:
    """Returns those of some files that a repository has, in the client's own cache, by name.

    Raises:
      UserError: where there is no such repository, or the first file is not in it.
      RunFailedError: where the network fails.
    """
    api, (first, *_) = _library().HfApi(), names
    with _asking(address):
        info = api.model_info(address.repo, revision=address.revision)
        there = {one.rfilename for one in info.siblings or ()}
        if first not in there:
            raise UserError(
                f"{address}: no detector of jaxdet, which has {first}; other weights are brought "
                "in by `python -m jaxdet.convert to-jax`"
            )
        commit = _checked(info.sha, address)
        return {
            name: Path(api.hf_hub_download(address.repo, name, revision=commit))
            for name in names
            if name in there
        }


def commit_of(address: Address) -> str:
    """Returns the commit that an address means, 40 hex digits; asks nobody where it names one.

    Raises:
      UserError: where there is none.
      RunFailedError: where the network fails.
    """
    if address.revision and _COMMIT.fullmatch(address.revision):
        return address.revision
    with _asking(address):
        info = _library().HfApi().model_info(address.repo, revision=address.revision)
    return _checked(info.sha, address)


def _checked(commit: Any, address: Address) -> str:
    """Returns what a server gave as a commit, of which paths are made, where it is one."""
    if not _COMMIT.fullmatch(str(commit)):
        raise RunFailedError(
            f"{address}: the server answers with {commit!r:.50} in place of a commit"
        )
    return str(commit)


def _library() -> Any:
    try:
        import huggingface_hub
        from huggingface_hub.utils import disable_progress_bars
    except ImportError:
        raise MissingLibraryError(
            "hf://: needs the package huggingface_hub; in the checkout: pip install -e '.[hub]'"
        ) from None
    if not sys.stderr.isatty():
        disable_progress_bars()
    return huggingface_hub


@contextlib.contextmanager
def _asking(address: Address) -> Iterator[None]:
    """Turns what the client raises, in kinds of several libraries, into one line."""
    try:
        yield
    except (UserError, RunFailedError):
        raise
    except Exception as error:
        reason = f"{address}: {' '.join(str(error).split())[:300] or type(error).__name__}"
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403, 404):
            raise UserError(
                f"{reason}; is the name right, and is HF_TOKEN of somebody who may do this?"
            ) from None
        if isinstance(error, ValueError):  # a name, or a card, that the hub does not take
            raise UserError(reason) from None
        raise RunFailedError(f"{reason}; start the same command again to continue") from None
