"""Pushes, pulls and checks detectors as four files.

What is shared is a folder of `jaxdet.convert` with a README.md: safetensors and JSON, nothing that
could run code. Whatever else lies in a repository or folder is left there.
"""

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

from jaxdet.config.dotted import is_dotted
from jaxdet.convert.architectures import CONVERTIBLE
from jaxdet.convert.card import Card, network_options, read_card
from jaxdet.convert.card_text import readme
from jaxdet.convert.folder import FILES, Source, detector_card, is_detector, write_detector
from jaxdet.convert.load import LoadedWeights
from jaxdet.convert.rules import Coverage, flatten
from jaxdet.errors import UserError
from jaxdet.hub import huggingface
from jaxdet.hub.find import cache
from jaxdet.hub.huggingface import Address
from jaxdet.train.weights import find_run, open_weights, sha256_of
from jaxdet.workdir.drafts import new_folder, passing_folder, refuse_existing
from jaxdet.workdir.files import check_regular, write_bytes

README = "README.md"
_SHARED = (*FILES, README)
# An identifier of Hugging Face's list: lower-case words, as `apache-2.0`, or `other`.
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")


def push(
    what: Any,
    target: str | Path,
    *,
    licence: str | None = None,
    checkpoint: str | None = None,
    private: bool = False,
    update: bool = False,
) -> str:
    """Pushes a detector with its card, thresholds and calibration; returns where it is then.

    Of absolute paths, the last name alone is shared.

    Args:
      what: a run folder, converted folder or file of weights, or a `LoadedDetector`.
      target: a new folder, or a repository of Hugging Face, hf://OWNER/NAME.
      licence: of the weights, as Hugging Face writes it ("apache-2.0"); may be left out where the
        weights have one already.
      checkpoint: of a run; the one that it was measured with where left out.
      private: whether the repository must be closed to others, made here or there already.
      update: whether a repository that holds a detector already gets a new version of it.

    Raises:
      UserError: where the weights cannot be read or shared, the target is taken or lies in them,
        no licence is given or it is not that of the weights, or an option does not fit the target.
      RunFailedError: where the network fails.
    """
    address = Address.of(target)
    if address is None:
        _check_target(what, Path(target), private=private, update=update)
    loaded, card = _opened(what, checkpoint)
    card = _public(dataclasses.replace(card, licence=_licence(licence, card.licence)))
    if address is None:
        with new_folder(Path(target)) as draft:
            _write(draft, loaded, card)
        return str(target)
    with passing_folder(cache() / "hub" / "push") as draft:
        _write(draft, loaded, card)
        files = {name: draft / name for name in _SHARED}
        message = f"{loaded.model.title}, digest {card.digest}"
        return huggingface.upload(address, files, message, private=private, update=update)


def pull(source: str | Path, folder: str | Path, *, digest: str | None = None) -> str:
    """Brings a shared detector into a new folder, for `--weights`, and returns its digest.

    Args:
      source: hf://OWNER/NAME, or hf://OWNER/NAME@REVISION, or a folder that `push` wrote.
      folder: where to; there must be nothing yet.
      digest: that of the weights that are wanted, 16 hex digits or more; any where left out.

    Raises:
      UserError: where there is no detector of jaxdet, or it is damaged, or not the one wanted.
      RunFailedError: where the network fails.
    """
    address, folder = Address.of(source), Path(folder)
    refuse_existing(folder)
    if address is not None:
        files = huggingface.download(address, _SHARED)
    else:
        files = _files_of(_named(source))
        _refuse_within(Path(source), folder)
    with new_folder(folder) as draft:
        for name, file in files.items():
            # Whoever caches files keeps them under links: their content is wanted.
            shutil.copyfile(file, draft / name)
        return _check(draft, address or source, digest)


def _check_target(what: Any, target: Path, *, private: bool, update: bool) -> None:
    """Raises UserError where a folder is taken, lies in what is shared, or is no repository."""
    if private or update:
        option = "--private" if private else "--update"
        raise UserError(f"{option}: is for repositories, {target} is a folder; leave it out")
    refuse_existing(target)
    if isinstance(what, str | Path):
        run, _ = find_run(_named(what))
        _refuse_within(run.path if run else Path(what), target)


def _refuse_within(source: Path, folder: Path) -> None:
    """Raises UserError where a new folder lies in that of a detector, which stays as it is."""
    if source.resolve() in folder.resolve().parents:
        raise UserError(f"{folder}: lies in {source}, which stays as it is; give another folder")


def _named(path: str | Path) -> Path:
    """Returns a path; Python would take an empty one for the working folder."""
    if not str(path):
        raise UserError("an empty path names no detector; give a folder or file")
    return Path(path)


def _opened(what: Any, checkpoint: str | None) -> tuple[LoadedWeights, Card]:
    """Returns the weights that are to be shared, with what is known of them."""
    if isinstance(what, str | Path):
        loaded, card = open_weights(_named(what), checkpoint=checkpoint)
    elif checkpoint is not None:
        raise UserError(f"checkpoint={checkpoint}: a loaded detector has one alone; leave it out")
    else:
        loaded = LoadedWeights(
            model=what.model,
            variables=what.variables,
            source=what.card.origin,
            crop=what.protocol.crop,
            spelling=what.card.spelling,
        )
        card = what.card
    if is_dotted(loaded.model.name) or loaded.model.name not in CONVERTIBLE:
        raise UserError(
            f"{loaded.source}: {loaded.model.name} cannot be shared as arrays alone; "
            "`python -m jaxdet.convert export` gives a program of it"
        )
    sha256 = sha256_of(loaded.variables)
    return loaded, dataclasses.replace(card, sha256=sha256, model=network_options(loaded.model))


def _licence(given: str | None, known: str) -> str:
    """Returns the licence of weights; nobody else's is ever put in its place."""
    if given is None and not known:
        raise UserError(
            "--licence=ID is missing: say under which licence others get the weights, as "
            "apache-2.0 or cc-by-nc-sa-4.0, or other"
        )
    if given is not None and not _LICENCE.fullmatch(given):
        raise UserError(f"--licence={given:.50}: write it as Hugging Face does, as apache-2.0")
    if known and given not in (None, known):
        raise UserError(f"--licence={given}: the weights come under {known}; leave it out")
    return given or known


def _public(card: Card) -> Card:
    """Returns a card that says nothing of the folders of this machine."""
    plain = _last_names(dataclasses.asdict(card))
    source = card.source if "://" in card.source else Path(card.source).name
    return read_card({**plain, "source": source}, place=Path(README))


def _last_names(value: Any) -> Any:
    """Returns plain values with the last name alone of each absolute path, NAME=PATH's too."""
    if isinstance(value, dict):
        return {key: _last_names(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_last_names(one) for one in value]
    if isinstance(value, str):
        if value.startswith(("/", "~")):
            return Path(value).name
        head, _, path = value.partition("=")
        return f"{head}={Path(path).name}" if path.startswith(("/", "~")) else value
    return value


def _write(folder: Path, loaded: LoadedWeights, card: Card) -> None:
    write_detector(
        folder,
        flatten(loaded.variables),
        model=loaded.model,
        source=Source(file=card.source, sha256=card.file_sha256),
        coverage=Coverage(used=(), ignored={}, replaced=()),
        spelling=loaded.spelling or card.spelling,
        crop=loaded.crop,
        card=card,
    )
    write_bytes(folder / README, readme(loaded.model, card).encode())
    _check(folder, folder, card.digest)


def _files_of(folder: Path) -> dict[str, Path]:
    """Returns the files of a shared folder, regular ones alone."""
    if not is_detector(folder):
        raise UserError(f"{folder}: no folder with a detector, which has {FILES[0]}")
    files = {name: folder / name for name in _SHARED if (folder / name).exists()}
    for file in files.values():
        try:
            check_regular(file)
        except (OSError, ValueError) as error:
            raise UserError(f"{file}: cannot be read: {error}") from None
    return files


def _check(folder: Path, source: str | Path | Address, digest: str | None) -> str:
    """Opens what was brought, as every command will, and returns its digest.

    Raises:
      UserError: where a sum is not that of the card, or of the weights that are wanted.
    """
    try:
        _, card = open_weights(folder)
    except UserError as error:
        # The draft's name would tell nobody anything.
        raise UserError(f"{str(error).replace(str(folder), str(source))}; not taken") from None
    if detector_card(folder).sha256 not in ("", card.sha256):
        raise UserError(f"{source}: its arrays are not those of its card; not taken")
    if digest is not None and (len(digest) < 16 or not card.sha256.startswith(digest.lower())):
        raise UserError(f"{source}: its digest is {card.digest}, not {digest:.64}; not taken")
    return card.digest
