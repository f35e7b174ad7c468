"""What the suites of all kinds share: how a component is built, and checks of its declaration."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeVar

import pytest
import torch
from pydantic import ValidationError

from tina_kit.api.component import ENTRY_POINTS
from tina_kit.api.fingerprint import Fingerprinted
from tina_kit.plugins import Registry, discover
from tina_kit.plugins.discovery import load_file
from tina_kit.recipe import ResolvedComponent
from tina_kit.recipe.node import RecipeError
from tina_kit.recipe.resolve import resolve_plain
from tina_kit.store import content_of
from tina_kit.testing import expect

T = TypeVar("T")
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
UNKNOWN = "no-such-option"
LOCAL = "local"  # who owns the components of a local plugin file

_LISTING = """\
import re, sys
from importlib import import_module
from importlib.metadata import entry_points
from tina_kit.api.component import ENTRY_POINTS

options, owner = sys.argv[1:]
for point in entry_points(group=ENTRY_POINTS):
    if point.dist and re.sub(r"[-_.]+", "-", point.dist.name).lower() == owner:
        point.load()
import_module(options)
print("torch" if "torch" in sys.modules else "plain")
"""


class ComponentSuite:
    """Checks of one component. A subclass sets `use`, or overrides `component` to build it by hand.

    kind: of the component. use: what a recipe would write, `{"use": NAME, option: value, ...}`; a
        fixture may set `self.use` where options name files. plugins: local plugin files.
    contract: the class that the component must be a subclass of.
    seconds: how long `fingerprint()` and `files()` may take.
    """

    kind: ClassVar[str]
    contract: ClassVar[type]
    use: Mapping[str, Any] | None = None
    plugins: Sequence[str | Path] = ()
    seconds: float = 2.0
    _kept: ClassVar[dict[tuple[type, str, str], Any]] = {}
    _told: ClassVar[set[str]] = set()

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        """A plugin that cannot be found fails one check; the others are skipped."""
        if self.use is None or self.plugins:
            return
        test = Path(inspect.getfile(type(self)))
        told = not_installed(self.kind, str(self.use.get("use")), test)
        if told is None:
            return
        if told in self._told:
            pytest.skip(told)
        self._told.add(told)
        pytest.fail(told, pytrace=False)

    def component(self, **changes: Any) -> Any:
        """A fresh component. changes: options in place of those in `use`."""
        return self._resolved(changes).build()

    def read(self, component: Any) -> None:
        """Make the component read its files."""
        component.fingerprint()
        content_of(component.files())

    def accelerator(self) -> torch.device:
        """Skips the check where there is none."""
        if not torch.accelerator.is_available():
            pytest.skip("torch finds no accelerator here")
        device = torch.accelerator.current_accelerator()
        assert device is not None
        return device

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """What `make` gives, made once for all checks of this component."""
        key = (type(self), name, repr(self.use))
        if key not in self._kept:
            self._kept[key] = make()
        value: T = self._kept[key]
        return value

    def folder(self) -> Path:
        """A new one, kept as long as the process."""
        made = self.kept("folders", list[TemporaryDirectory[str]])
        made.append(TemporaryDirectory())
        return Path(made[-1].name)

    @property
    def shared(self) -> Any:
        """One component for all checks that need no fresh one."""
        return self.kept("component", self.component)

    # The declaration.

    def test_the_part_keeps_the_contract_of_its_kind(self) -> None:
        component = self.component()
        assert isinstance(component, self.contract), (
            f"the target gives a {type(component).__name__}; a {self.kind} must be a subclass of "
            f"tina_kit.api.{self.contract.__name__}"
        )

    def test_name_and_summary_are_fit_to_be_listed(self) -> None:
        component = self._resolved().entry.component
        assert NAME.fullmatch(component.name), (
            f"the name {component.name!r} must be lower-case words joined by hyphens"
        )
        summary = component.summary
        assert summary.strip() and "\n" not in summary, (
            f"the summary {summary!r} must be one line that says what the component is"
        )

    def test_listing_imports_no_torch(self) -> None:
        assert self._listing()[-1] == "plain", (
            f"importing the declaration and the options ({self._options_at()}) imports torch; "
            "`tina-kit list` must not wait for it: keep options in a module without torch and "
            "name the target as text"
        )

    def test_listing_prints_nothing(self) -> None:
        printed = self._listing()[:-1]
        assert not printed, (
            f"importing the declaration and the options ({self._options_at()}) prints "
            f"{printed[0]!r}; an import must have no side effect"
        )

    # The options.

    def test_options_are_frozen(self) -> None:
        options = self._resolved().options
        assert options.model_config.get("frozen"), (
            f"{type(options).__name__} can be changed; options are frozen, for cache keys are "
            "made of them"
        )

    def test_unknown_options_are_refused(self) -> None:
        options = self._resolved().options
        try:
            type(options).model_validate({**dict(options), UNKNOWN: 1})
        except ValidationError as error:
            if any(detail["type"] == "extra_forbidden" for detail in error.errors()):
                return
        raise AssertionError(
            f"{type(options).__name__} takes the unknown option {UNKNOWN!r}; a misspelt option "
            "must be refused (extra='forbid')"
        )

    def test_every_option_has_a_description(self) -> None:
        fields = type(self._resolved().options).model_fields
        silent = [name for name, field in fields.items() if not (field.description or "").strip()]
        assert not silent, (
            f"the options {', '.join(silent)} have no description; `tina-kit show` tells it"
        )

    def test_options_survive_json(self) -> None:
        resolved = self._resolved()
        try:
            written = json.loads(json.dumps(resolved.plain(), allow_nan=False))
            again = self._resolve(written)
        except (RecipeError, TypeError, ValueError) as error:
            raise AssertionError(
                f"the options do not come back from JSON ({error}); a saved p-Model and a run "
                "folder keep them as JSON"
            ) from error
        assert again.plain() == resolved.plain() and again.options == resolved.options, (
            f"the options come back from JSON as {again.plain()}, not {resolved.plain()}; a saved "
            "p-Model and a run folder keep them as JSON"
        )

    # The content that results depend on.

    def test_fingerprint_and_files_are_stable(self) -> None:
        first, second = self.component(), self.component()
        told, again = first.fingerprint(), second.fingerprint()
        assert isinstance(told, str) and told == again == first.fingerprint(), (
            f"fingerprint() gives {told!r} and then {again!r}; it must be one string while "
            "nothing has changed, for it goes into cache keys"
        )
        files, same = dict(first.files()), dict(second.files())
        assert files == same, "files() differs between two equal components; it must be the same"
        lost = [str(path) for path in files.values() if not Path(path).is_file()]
        assert not lost, f"files() names {lost[0]}, which is not a file; the core hashes them"
        moved = [name for name in files if os.path.isabs(name)]
        assert not moved, (
            f"files() calls a file {moved[0]!r}; names must stay the same when the whole is moved"
        )

    def test_facts_are_plain(self) -> None:
        facts = self.component().facts()
        try:
            json.dumps(dict(facts), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AssertionError(
                f"facts() gives {facts!r}, which JSON does not hold ({error}); `run.json` keeps it"
            ) from None

    def test_options_without_effect_are_options(self) -> None:
        options = self._resolved().options
        named = dict(options.without_effect())
        unknown = {*named, *filter(None, named.values())} - set(type(options).model_fields)
        assert not unknown, (
            f"without_effect() names {', '.join(sorted(unknown))}, which are no options of "
            f"{type(options).__name__}"
        )

    def test_fingerprint_and_files_are_cheap(self) -> None:
        component: Fingerprinted = self.component()
        start = time.perf_counter()
        component.fingerprint()
        component.files()
        took = time.perf_counter() - start
        assert took < self.seconds, (
            f"fingerprint() and files() take {took:.2f} s, more than {self.seconds}; they are "
            "asked for in every run, so they must not read what the core hashes"
        )

    def test_missing_files_are_told(self, tmp_path: Path) -> None:
        resolved = self._resolved()
        given = [name for name, value in resolved.options if isinstance(value, Path)]
        if not given:
            pytest.skip("no option of `use` names a file")
        for name in given:
            with expect.user_error(f"{name}: a path where nothing is"):
                self.read(resolved.built_with(**{name: tmp_path / "nothing-is-here"}))

    # Building.

    def _resolved(self, changes: Mapping[str, Any] | None = None) -> ResolvedComponent:
        if self.use is None:
            if type(self).component is ComponentSuite.component:
                raise TypeError(f"{type(self).__name__}: set `use`, or override `component`")
            pytest.skip("built by hand (`component`), so there is no declaration to check")
        return self._resolve({**self.use, **(changes or {})})

    def _resolve(self, settings: Mapping[str, Any]) -> ResolvedComponent:
        registry = registry_with(tuple(map(str, self.plugins)))
        return resolve_plain(settings, self.kind, type(self).__name__, registry)

    def _options_at(self) -> str:
        return self._resolved().entry.component.options

    def _listing(self) -> list[str]:
        """What the import of the declaration and the options prints, and at last its verdict."""
        entry = self._resolved().entry
        if entry.owner == LOCAL:
            pytest.skip("a local plugin file is loaded by recipes that name it, not by `list`")
        return listing(entry.component.options.partition(":")[0], entry.owner)


@lru_cache
def not_installed(kind: str, use: str, test: Path) -> str | None:
    """How to install the plugin that a test belongs to, if `use` names no component that is there;
    None if it does, or if no folder above the test is that of a plugin."""
    registry = registry_with(())
    if use in {n for e in registry.of_kind(kind) for n in (e.component.name, e.full_name)}:
        return None
    for folder in test.resolve().parents:
        project = folder / "pyproject.toml"
        if project.is_file() and ENTRY_POINTS in (text := project.read_text(encoding="utf-8")):
            break
    else:
        return None
    broken = [f for f in registry.failures if re.search(rf'^name = "{f.owner}"$', text, re.M)]
    if broken:
        return f"{broken[0]}; {broken[0].remedy}"
    return f"the plugin in {folder} is not installed: run pip install -e . there"


@lru_cache
def registry_with(plugins: tuple[str, ...]) -> Registry:
    """All installed components and those of local plugin files."""
    registry = discover()
    for path in plugins:
        failure = load_file(registry, Path(path))
        assert failure is None, str(failure)
    return registry


@lru_cache
def listing(options: str, owner: str) -> list[str]:
    """What a process prints that imports an owner's declarations and one module of options."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", _LISTING, options, owner],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert not done.returncode, f"{options} cannot be imported by itself:\n{done.stderr}"
    return done.stdout.splitlines()
