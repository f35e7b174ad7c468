"""Bundles on the Hugging Face Hub, as a model's repository with the card as its README."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tina_kit.api import UserError, first_line, printable
from tina_kit.store.disk import OUTPUT_REMEDY, explaining
from tina_kit.store.files import replacing
from tina_kit.store.output import check_output, is_stream, write_output
from tina_kit.zoo.bundle_file import CARD, BundleFile

FILE = "bundle.tina"
"""A bundle's name in a repository."""
_PLACE = re.compile(r"hf:(\w[\w.-]{0,95}/\w[\w.-]{0,95})(?:@([\w./-]{1,200}))?", re.ASCII)
_TAGS = ("text-to-model", "weight-generation", "personalisation")


@dataclass(frozen=True)
class Place:
    """A repository, and a branch, tag or commit of it, None for the newest."""

    repository: str
    revision: str | None

    @classmethod
    def read(cls, text: str) -> Place:
        """From `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`. Raises UserError for anything else."""
        found = _PLACE.fullmatch(text)
        if not found:
            raise UserError(
                f"{printable(text)}: not a place on the Hub; write hf:OWNER/NAME, and "
                "hf:OWNER/NAME@REVISION for a certain version"
            )
        return cls(found[1], found[2])

    def __str__(self) -> str:
        return f"hf:{self.repository}" + (f"@{self.revision}" if self.revision else "")


def push(path: Path, place: str, private: bool = False) -> str:
    """Upload a bundle and its card, in one commit; returns the address of that commit.

    The repository is made if it does not exist; private: then for its owner alone. Raises UserError
    for a file that is no bundle, without a token that may write, and if the Hub refuses it or
    cannot be reached.
    """
    where = Place.read(place)
    if where.revision is not None:
        raise UserError(f"{place}: a bundle is pushed to the newest version; leave out the @")
    bundle = BundleFile(path)
    readme = _readme(bundle, where)
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    if get_token() is None:
        raise UserError(
            f"{where}: no token to write to the Hub with. Make one at "
            "https://huggingface.co/settings/tokens, then set HF_TOKEN or run `hf auth login`"
        )
    with _told(where, "pushed"):
        api = HfApi()
        api.create_repo(where.repository, private=private or None, exist_ok=True)
        done = api.create_commit(
            where.repository,
            [
                CommitOperationAdd(CARD, readme.encode()),
                CommitOperationAdd(FILE, str(path)),
            ],
            commit_message=f"Upload {bundle.manifest.name} with tina-kit",
        )
    return str(done.commit_url)


def pull(place: str, output: Path) -> None:
    """Download a bundle to a file, which is replaced only by a whole bundle.

    Raises UserError if there is none, if it is damaged, and if the Hub refuses it or cannot be
    reached.
    """
    where = Place.read(place)
    check_output(output)
    from huggingface_hub import hf_hub_download

    with TemporaryDirectory(prefix="tina-kit-pull-") as folder:
        with _told(where, "pulled"):
            # Into a folder of its own: the cache would keep it a second time.
            found = Path(
                hf_hub_download(where.repository, FILE, revision=where.revision, local_dir=folder)
            )
        try:
            BundleFile(found)
        except UserError as error:
            raise UserError(f"{where}: {str(error).removeprefix(f'{found}: ')}") from None
        if is_stream(output):
            write_output(output, found.read_bytes())
            return
        try:
            with explaining(output.parent, OUTPUT_REMEDY), replacing(output.resolve()) as draft:
                shutil.copyfile(found, draft)
        except OSError as error:
            raise UserError(f"{output}: cannot be written: {error.strerror or error}") from None


def _readme(bundle: BundleFile, where: Place) -> str:
    """The card with what the Hub reads of it in front, and how to get the bundle at its end."""
    lines = [
        "---",
        "library_name: tina-kit",
        "pipeline_tag: image-classification",
        "tags:",
        *(f"- {tag}" for tag in _TAGS),
        "---",
        "",
        bundle.card.strip(),
        "",
        "## Get it",
        "",
        "```sh",
        f"tina-kit bundle pull hf:{where.repository} -o {FILE}",
        "```",
        "",
    ]
    return "\n".join(lines)


@contextmanager
def _told(where: Place, done: str) -> Iterator[None]:
    """Turn whatever huggingface_hub raises into one message."""
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns of every attempt before the last one fails
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:  # of the network's library too, which differs between versions
        raise UserError(f"{where}: not {done}: {_reason(error, where)}") from None
    finally:
        logger.setLevel(level)


def _reason(error: Exception, where: Place) -> str:
    from huggingface_hub import errors

    chain = list(_chain(error))
    status = next((code for each in chain if (code := _status(each)) is not None), None)
    if any(isinstance(each, errors.GatedRepoError) for each in chain):
        return "its owner lets only those in who have asked on its page, and whose token says so"
    if any(isinstance(each, errors.RevisionNotFoundError) for each in chain):
        return f"it has no version {where.revision}"
    if any(isinstance(each, errors.RepositoryNotFoundError) for each in chain):
        return (
            "there is no such model on the Hub, or it is private and the token in HF_TOKEN (or of "
            "`hf auth login`) may not read it"
        )
    if status in (401, 403):
        return f"the Hub refuses the token (HTTP {status}); it must be valid, and may have to write"
    if status is None and any(isinstance(each, errors.OfflineModeIsEnabled) for each in chain):
        return "HF_HUB_OFFLINE is set, which forbids to ask the Hub"
    if status == 404:
        return f"it has no {FILE}; was it made by `tina-kit bundle push`?"
    if status is not None:
        return f"the Hub answers with an error (HTTP {status}): {_text(error)}"
    if any(isinstance(each, ConnectionError) or _is_of_network(each) for each in chain):
        return f"the Hub cannot be reached ({_text(chain[-1])})"
    return _text(error)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
    response: Any = getattr(error, "response", None)
    code = getattr(response, "status_code", None)
    return code if isinstance(code, int) else None


def _is_of_network(error: BaseException) -> bool:
    return type(error).__module__.startswith(("httpx", "httpcore", "requests", "urllib3"))


def _text(error: BaseException) -> str:
    return printable(first_line(error)[:300])
