"""What shows of a class before it is built: methods it lacks, and those it has otherwise."""

from __future__ import annotations

from functools import cached_property, wraps
from pathlib import Path

import pytest

from tests.cli.test_commands import PLUGIN
from tina_kit.api import Conditioner, Dataset, Generator
from tina_kit.api.component import import_attribute
from tina_kit.cli.app import invoke
from tina_kit.plugins import discover
from tina_kit.plugins.contract import broken_promises


def passes(function):
    @wraps(function)
    def passing(*given, **named):
        return function(*given, **named)

    return passing


class Torn(Generator):
    def __init__(self):
        pass

    def fit(self, zoo, extra):
        pass

    @passes
    def generate(self):
        pass


class Lacking(Generator):
    pass


class Called(Conditioner):
    def __init__(self, options, **parts):
        pass

    def width(self):
        return 3

    @staticmethod
    def embed(self, prompts):
        pass

    @classmethod
    def embed_images(cls):
        pass


class Fine(Dataset):
    larger_than = None

    def __init__(self, *given):
        pass

    @cached_property
    def class_names(self):
        return ("a", "b")

    @passes
    def load(self, which="train", *more, **named):
        pass

    @staticmethod
    def fingerprint():
        return ""

    def load_larger(self, *given):
        pass


def told(kind: str, target: object) -> list[str]:
    return [reason for reason, _ in broken_promises(kind, target)]


def test_each_promise_that_a_class_breaks_is_told() -> None:
    assert told("generator", Torn) == [
        "Torn.__init__ must take (self, options), not (self)",
        "Torn.fit must take (self, zoo), not (self, zoo, extra)",
        "Torn.generate must take (self, request), not (self)",
    ]
    assert told("generator", Lacking) == [
        "Lacking lacks the method generate(self, request)",
        "Lacking lacks the method __init__(self, options)",
    ]
    assert told("conditioner", Called) == [
        "Called.embed must take (prompts), not (self, prompts)",
        "Called.embed_images must take (images), not ()",
        "Called.width must be marked with @property",
    ]
    assert told("generator", 3) == ["it is not callable"]


def test_each_is_told_with_its_line() -> None:
    lines = Path(__file__).read_text().splitlines()
    places = [place.rpartition(":") for _, place in broken_promises("generator", Torn)]
    assert {file for file, _, _ in places} == {__file__}
    numbers = [
        lines.index(text) + 1
        for text in ("    def __init__(self):", "    def fit(self, zoo, extra):")
    ]
    assert [int(number) for _, _, number in places[:2]] == numbers
    [(_, place), _] = broken_promises("generator", Lacking)
    assert place == f"{__file__}:{lines.index('class Lacking(Generator):') + 1}"


def test_other_ways_to_keep_a_promise_are_right() -> None:
    assert not told("dataset", Fine)
    assert not told("generator", lambda options: Fine())


def test_a_local_part_that_breaks_one_is_refused_before_anything_runs(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN.replace("def generate(self, request)", "def generate(self)"))
    recipe.write_text(recipe.read_text().replace("  - {use: oracle}", "  - {use: mine}"))
    assert invoke(["run", str(recipe), "--plugin", str(file), "--dry-run"]) == 1
    line = file.read_text().splitlines().index("    def generate(self):") + 1
    assert capsys.readouterr().err == (
        f"running code from {file} (named by --plugin)\n"
        f"error: local/mine: Mine.generate must take (self, request), not (self) ({file}:{line})\n"
    )


def test_the_components_of_tina_kit_keep_theirs() -> None:
    components = [entry.component for entry in discover().registered]
    assert [broken for c in components for broken in told(c.kind, import_attribute(c.target))] == []
