"""What all suites check of a declaration, its options and its files."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tina_kit.api import Augmentation, Dataset
from tina_kit.testing import AugmentationSuite, ComponentSuite, DatasetSuite
from tina_kit.testing.base import listing, registry_with

PLUGIN = """
from pathlib import Path
from pydantic import ConfigDict, Field, field_serializer
from tina_kit.api import Augmentation, Component, Options, UserError, hookimpl

class PlainOptions(Options):
    {options}

class Plain(Augmentation):
    def __init__(self, options):
        self.options = options

    def __call__(self, vectors, conditions, mask, layout, generator):
        return vectors, conditions, mask

    {methods}

@hookimpl
def tina_kit_components():
    return [Component(kind="augmentation", name="{name}", target=f"{{__name__}}:Plain",
                      options=f"{{__name__}}:PlainOptions", summary={summary!r})]
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[..., Path]:
    """`plugin(options=..., methods=..., name=..., summary=...)`: a local file with one part."""

    def plugin(
        options: str = "pass", methods: str = "", name: str = "plain", summary: str = "Nothing."
    ) -> Path:
        path = tmp_path / "mine.py"
        methods = dedent(methods).strip().replace("\n", "\n    ")
        path.write_text(PLUGIN.format(options=options, methods=methods, name=name, summary=summary))
        return path

    return plugin


FILES = """
def files(self):
    return {"data": self.options.path}

def fingerprint(self):
    %s
"""
LOCAL = {
    "test_name_and_summary_are_fit_to_be_listed": ({"name": "Plain_One"}, "joined by hyphens"),
    "test_options_are_frozen": (
        {"options": "model_config = ConfigDict(frozen=False)"},
        "PlainOptions can be changed; options are frozen",
    ),
    "test_unknown_options_are_refused": (
        {"options": "model_config = ConfigDict(extra='ignore')"},
        "takes the unknown option 'no-such-option'",
    ),
    "test_every_option_has_a_description": (
        {"options": "size: int = 3"},
        "the options size have no description",
    ),
    "test_options_survive_json": (
        {
            "options": "size: int = 3\n\n    @field_serializer('size')\n"
            "    def _text(self, size):\n        return str(size)"
        },
        "do not come back from JSON",
    ),
    "test_options_without_effect_are_options": (
        {"options": "def without_effect(self):\n        return {'sise': 'mode'}"},
        "without_effect.. names mode, sise, which are no options of PlainOptions",
    ),
}
"""Check → what is wrong with a local plugin's part, and the message."""


@pytest.mark.parametrize("check", LOCAL)
def test_a_wrong_declaration_is_caught(
    check: str, caught: Callable[..., None], plugin: Callable[..., Path]
) -> None:
    fault, message = LOCAL[check]
    path = plugin(**fault)
    use = {"use": fault.get("name", "plain")}
    caught(AugmentationSuite, check, None, message, use=use, plugins=[path])


def test_a_summary_of_two_lines_is_caught(caught, plugin) -> None:  # type: ignore[no-untyped-def]
    path = plugin(summary="One.\nTwo.")
    check = "test_name_and_summary_are_fit_to_be_listed"
    told = {"use": {"use": "plain"}, "plugins": [path]}
    caught(AugmentationSuite, check, None, "must be one line", **told)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return self.options.path.read_text()", "raises FileNotFoundError .*must raise UserError"),
        (
            "raise UserError('missing') if not self.options.path.exists() else UserError('x')",
            r"UserError\('missing'\); its message must say what, where and what to do",
        ),
    ],
)
def test_a_part_that_does_not_tell_of_a_missing_file_is_caught(
    body: str, message: str, caught: Callable[..., None], plugin: Callable[..., Path]
) -> None:
    path = plugin(options="path: Path = Field(description='x')", methods=FILES % body)
    told = {"use": {"use": "plain", "path": str(path)}, "plugins": [path]}
    caught(AugmentationSuite, "test_missing_files_are_told", None, message, **told)


class Still(Augmentation):
    def __call__(self, vectors, conditions, mask, layout, generator):  # type: ignore[no-untyped-def]
        return vectors, conditions, mask


class Restless(Still):
    numbers: Iterator[int] = iter(range(1000))

    def fingerprint(self) -> str:
        return str(next(self.numbers))


class Lost(Still):
    def files(self) -> dict[str, str | Path]:
        return {"data": "/nowhere/at/all"}


class Absolute(Still):
    def files(self) -> dict[str, str | Path]:
        return {__file__: __file__}


class Slow(Still):
    def files(self) -> dict[str, str | Path]:
        time.sleep(0.05)
        return {}


class Verbose(Still):
    def facts(self) -> dict[str, object]:
        return {"folder": Path("/x")}


FACTS = "test_facts_are_plain"
STABLE, CHEAP = "test_fingerprint_and_files_are_stable", "test_fingerprint_and_files_are_cheap"


@pytest.mark.parametrize(
    ("check", "wrong", "message"),
    [
        (STABLE, Restless, "fingerprint.. gives '0' and then '1'"),
        (STABLE, Lost, "names /nowhere/at/all, which is not a file"),
        (STABLE, Absolute, "names must stay the same when the whole is moved"),
        (FACTS, Verbose, "facts.. gives .*, which JSON does not hold"),
        (CHEAP, Slow, "take 0.0. s, more than 0.04"),
    ],
)
def test_wrong_content_is_caught(
    check: str, wrong: type, message: str, caught: Callable[..., None]
) -> None:
    caught(AugmentationSuite, check, wrong, message, seconds=0.04)


def test_a_part_of_another_kind_is_caught(caught: Callable[..., None]) -> None:
    check = "test_the_part_keeps_the_contract_of_its_kind"
    message = "gives a Still; a dataset must be a subclass of tina_kit.api.Dataset"
    caught(DatasetSuite, check, Still, message)
    assert DatasetSuite.contract is Dataset


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """`installed(code)`: a distribution whose plugin is imported with this code."""

    def install(code: str) -> None:
        (tmp_path / "noisy_plugin.py").write_text(
            code + PLUGIN.format(options="pass", methods="", name="noisy", summary="Nothing.")
        )
        facts = tmp_path / "noisy_plugin-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: noisy_plugin\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text("[tina_kit.plugins]\nnoisy = noisy_plugin\n")
        (tmp_path / "torch.py").write_text("")  # stands in for one that takes seconds
        monkeypatch.syspath_prepend(tmp_path)

    registry_with.cache_clear()
    yield install
    sys.modules.pop("noisy_plugin", None)
    registry_with.cache_clear()
    listing.cache_clear()


@pytest.mark.parametrize(
    ("check", "code", "message"),
    [
        (
            "test_listing_imports_no_torch",
            "import torch",
            "noisy_plugin.* imports torch; `tina-kit",
        ),
        ("test_listing_prints_nothing", "print('hello')", "prints 'hello'; an import must have no"),
    ],
)
def test_an_import_that_costs_or_prints_is_caught(
    check: str,
    code: str,
    message: str,
    caught: Callable[..., None],
    installed: Callable[[str], None],
) -> None:
    installed(code)
    caught(AugmentationSuite, check, None, message, use={"use": "noisy"})


class TestARightDeclaration(AugmentationSuite):
    """A local plugin file that is right but for its augmentation, which does nothing."""

    @pytest.fixture(autouse=True)
    def _mine(self, plugin: Callable[..., Path]) -> None:
        path = plugin(
            options="path: Path = Field(description='x')",
            methods=FILES % "return ''",
        )
        self.use, self.plugins = {"use": "plain", "path": str(path)}, [path]

    def test_other_draws_give_others(self) -> None:
        with pytest.raises(AssertionError, match="draw afresh"):
            super().test_other_draws_give_others()


def test_a_suite_without_a_part_says_what_to_write(tmp_path: Path) -> None:
    class Nothing(AugmentationSuite):
        pass

    with pytest.raises(TypeError, match="Nothing: set `use`, or override `component`"):
        Nothing().component()


def test_every_shared_check_can_fail(checks: Callable[..., set[str]]) -> None:
    shown = {
        *LOCAL,
        STABLE,
        CHEAP,
        FACTS,
        "test_missing_files_are_told",
        "test_the_part_keeps_the_contract_of_its_kind",
        "test_listing_imports_no_torch",
        "test_listing_prints_nothing",
    }
    assert checks(ComponentSuite) == shown


def test_without_pytest_the_room_says_what_is_missing() -> None:
    code = "import sys; sys.modules['pytest'] = None; import tina_kit.testing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "tina_kit.testing needs pytest: pip install pytest" in done.stderr
