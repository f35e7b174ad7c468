"""A plugin is found through its entry point, and one that fails costs nobody else anything."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tests.plugins.installed import PART as GOOD
from tina_kit.api import Component
from tina_kit.plugins import Registered, Registry, discover, discovery
from tina_kit.plugins.registry import UnknownComponent

BAD = {
    "import": "raise RuntimeError('no GPU')",
    "register": GOOD + "\n@hookimpl\ndef tina_kit_unheard_of(): pass\n",
    "components": GOOD.replace("return [", "return ['dots', "),
}


class Distribution:
    def __init__(self, name: str) -> None:
        self.name, self.version = name, "1.0"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Pretend that a distribution with one plugin module is installed."""
    points: list[EntryPoint] = []
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(discovery, "entry_points", lambda group: list(points))

    def add(distribution: str, code: str) -> None:
        module = f"plugin_{tmp_path.name}_{len(points)}".replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        point = EntryPoint(f"point{len(points)}", module, "tina_kit.plugins")
        vars(point).update(dist=Distribution(distribution))
        points.append(point)

    return add


def test_a_plugin_of_another_distribution_is_found(install) -> None:
    install("Some_Plugin", GOOD)
    registry = discover()
    assert not registry.failures
    assert registry.get("dataset", "dots").full_name == "some-plugin/dots"


@pytest.mark.parametrize("stage", BAD)
def test_a_failing_plugin_is_reported_and_the_others_work(install, stage: str) -> None:
    install("bad", BAD[stage])
    install("good", GOOD)
    registry = discover()
    assert [(f.owner, f.stage) for f in registry.failures] == [("bad", stage)]
    assert "Traceback" in registry.failures[0].traceback
    assert [e.full_name for e in registry.registered] == ["good/dots"]


def test_two_parts_of_one_name_are_told_apart_by_owner(install) -> None:
    install("one", GOOD)
    install("two", GOOD)
    registry = discover()
    assert registry.get("dataset", "two/dots").owner == "two"
    with pytest.raises(UnknownComponent, match="write one/dots or two/dots"):
        registry.get("dataset", "dots")


def test_a_plugin_with_the_same_part_twice_is_refused_whole(install) -> None:
    install("twice", GOOD.replace("[Component", "[*tina_kit_parts(), Component") + TWICE)
    registry = discover()
    assert not registry.registered
    assert "two datasets named twice/dots" in str(registry.failures[0])


TWICE = """
def tina_kit_parts():
    return [Component("dataset", "dots", "m:A", "m:O", "Dots.")]
"""


@pytest.mark.parametrize("value", ["all", "one", "point0", "x, one"])
def test_plugins_can_be_switched_off(install, monkeypatch, value: str) -> None:
    install("one", GOOD)
    monkeypatch.setenv("TINA_KIT_DISABLE_PLUGINS", value)
    assert not discover().registered


def test_an_unknown_name_is_answered_with_the_nearest_and_with_failed_plugins(install) -> None:
    install("good", GOOD)
    install("bad", BAD["import"])
    with pytest.raises(UnknownComponent, match=r"did you mean 'dots'\? \(plugin point1 of bad"):
        discover().get("dataset", "dotts")


def test_a_local_file_is_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    registry = Registry()
    assert discovery.load_file(registry, tmp_path / "mine.py") is None
    assert registry.get("dataset", "local/dots").origin.endswith("mine.py")
    (tmp_path / "broken.py").write_text("import nothing_of_this_name")
    failure = discovery.load_file(registry, tmp_path / "broken.py")
    assert failure is not None and "nothing_of_this_name" in str(failure)


def test_the_shortest_name_is_bare_while_it_is_unique() -> None:
    part = Component("dataset", "dots", "m:A", "m:O", "Dots.")
    one, two = (Registered(part, owner, owner) for owner in ("one", "two"))
    assert Registry([one]).shortest_name(one) == "dots"
    assert Registry([one, two]).shortest_name(one) == "one/dots"


def test_a_component_of_an_unknown_kind_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="kind 'optimiser' is not one of"):
        Component("optimiser", "x", "m:A", "m:O", "X.")


def test_a_plugin_may_have_any_of_the_hooks(install) -> None:
    install("commands", HOOK.format(hook="tina_kit_commands(app)", gives="app.append('dots')"))
    install("observers", HOOK.format(hook="tina_kit_observers(run)", gives="return [run]"))
    install("neither", HOOK.format(hook="tina_kit_observers()", gives="return []"))
    registry = discover()
    assert not registry.failures and not registry.registered
    commands, neither, observers = registry.plugins
    assert [one.has("tina_kit_commands") for one in registry.plugins] == [True, False, False]
    app: list[str] = []
    commands.hooks.tina_kit_commands(app=app)
    assert app == ["dots"]
    assert observers.hooks.tina_kit_observers(run="run") == [["run"]]
    assert neither.hooks.tina_kit_observers(run="run") == [[]]


HOOK = """
from tina_kit.api import hookimpl

@hookimpl
def {hook}:
    {gives}
"""
