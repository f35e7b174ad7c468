"""Descriptions written by a language model."""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tina_conditioners.chat import Chat, NoUsableAnswer
from tina_conditioners.described import Described
from tina_conditioners.options import LlmDescriptionsOptions
from tina_kit.api import Conditioner, TinaKitError, cache_folder

SHORTEST_WORD = 3  # letters; shorter ones of a name, like "of", may be used


class LlmDescriptions(Described):
    """A language model describes each class in a sentence that does not use its name.

    The answers depend on a model that others run and may change. Each is stored by model name,
    prompt and class in a folder next to the store, so that runs can be repeated and no question is
    asked twice. To let others repeat a run, share that folder, or write the sentences to a file for
    the conditioner `descriptions`. Answers do not enter cache keys, since there are none before
    the first run: after editing one by hand, change `prompt`, too.

    An answer that is empty, too long or uses a word of the class's name is rejected and never
    stored; the model is asked again with the reason.
    """

    def __init__(self, options: LlmDescriptionsOptions, text: Conditioner) -> None:
        super().__init__(text)
        self.options = options
        self.chat = Chat(options)

    def sentences(self, names: Sequence[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        refused: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            try:
                found[name] = self._sentence(name)
            except NoUsableAnswer as error:
                refused.setdefault(str(error), []).append(f"'{name}'")
        if refused:
            each = [f"{', '.join(names)} ({reason})" for reason, names in refused.items()]
            raise TinaKitError(
                f"llm-descriptions: {self.options.model} gave no usable sentence for "
                f"{', '.join(each)}. Change `prompt`, `model` or `words`; the other classes' "
                "answers are kept"
            )
        return found

    def _sentence(self, name: str) -> str:
        path = answers_folder() / f"{self._address(name)}.json"
        kept = _read(path)
        if kept is not None and not self._objection(name, kept):
            return kept
        question = self.options.prompt.replace("{}", name)
        sentence = self.chat.ask(question, lambda answer: self._objection(name, answer))
        _write(path, self._subject(name) | {"sentence": sentence})
        return sentence

    def _subject(self, name: str) -> dict[str, Any]:
        """Everything that an answer depends on."""
        asked = self.options.model_dump(include={"endpoint", "model", "prompt", "temperature"})
        return {**asked, "class": name}

    def _address(self, name: str) -> str:
        text = json.dumps(self._subject(name), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _objection(self, name: str, answer: str) -> str:
        """What is wrong with an answer; "" for nothing."""
        if not re.search(r"\w", answer):
            return "says nothing"
        if not all(unicodedata.category(letter) not in ("Cc", "Cs") for letter in answer):
            return "contains control characters"
        if len(answer.split()) > self.options.words:
            return f"is longer than {self.options.words} words"
        if used := _words_of(name, answer):
            return f"uses {', '.join(repr(word) for word in used)}"
        return ""


def _words_of(name: str, answer: str) -> list[str]:
    """The words of a name that an answer uses, in the singular or a regular plural form."""
    words = [w for w in _words(name) if len(w) >= SHORTEST_WORD] or _words(name)
    used = set(_words(answer))
    return [w for w in words if used & _forms(w)]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _forms(word: str) -> set[str]:
    return {word, f"{word}s", f"{word}es", word.removesuffix("s"), word.removesuffix("es")}


def answers_folder() -> Path:
    """The folder of the stored answers, next to the store."""
    return cache_folder("descriptions")


def _read(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["sentence"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # asked for again


def _write(path: Path, answer: Mapping[str, str]) -> None:
    """Write an answer atomically, so that a reader never sees half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(answer, indent=2, ensure_ascii=False), encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise TinaKitError(f"{path.parent}: cannot be written: {error.strerror}") from error
