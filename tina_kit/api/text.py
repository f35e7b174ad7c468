"""Reads text files that people write: lists, tables, descriptions."""

from __future__ import annotations

import codecs
from pathlib import Path

from tina_kit.api.errors import UserError
from tina_kit.api.files import FileProblem, open_regular

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path, limit: int | None = None) -> str:
    r"""The text of a UTF-8 file, with or without a byte order mark; line ends become "\n".

    limit: maximum size in bytes. Raises UserError (`PATH: what is wrong`) if the file cannot be
    read, is larger, or is not UTF-8.
    """
    try:
        with open_regular(path) as file:
            content = file.read(-1 if limit is None else limit + 1)
    except FileProblem as problem:
        raise UserError(f"{path}: {problem}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    if limit is not None and len(content) > limit:
        raise UserError(f"{path}: larger than {limit:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reason = "it is UTF-16" if content.startswith(_UTF_16) else str(error)
        raise UserError(f"{path}: not UTF-8 text ({reason}). Save it as UTF-8") from None
    if "\0" in text:  # UTF-16 without a byte order mark, or a binary file
        raise UserError(f"{path}: not UTF-8 text (it contains zero bytes). Save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")
