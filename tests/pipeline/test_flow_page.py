"""What `tina_kit/pipeline/README.md` draws is what happens."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from tests.conftest import RECIPE, plan_of
from tests.documents import ROOT, blocks
from tina_kit import api
from tina_kit.api.component import import_attribute
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.stage import Stage
from tina_kit.recipe import ResolvedPart
from tina_kit.store.store import _WORK, ENTRY

PAGE = "tina_kit/pipeline/README.md"
STAGES, KEY, KILLED, CALLS = (block.text for block in blocks(PAGE, "mermaid"))
CONTRACTS = {
    *("Dataset", "TaskSampler", "Architecture", "Conditioner", "Generator", "Tokenizer"),
    *("Augmentation", "Study"),
}
ANYWHERE = {f"{c}.{m}" for c in CONTRACTS for m in ("files", "fingerprint")}  # for keys
# What components say of themselves.
ANYWHERE |= {"Conditioner.width", "Dataset.class_names", "Generator.learns"}
UNSEEN = {  # in the tiny recipe; most is asked for by a part that it does not have
    ("conditions", "Conditioner.load"),
    ("conditions", "Conditioner.embed_images"),
    ("features", "Architecture.build"),
    ("features", "Architecture.layout"),
    ("features", "Architecture.inputs"),
    ("conditioner", "Conditioner.fit"),
    ("conditioner", "Conditioner.save"),
    ("plan", "Study.trials"),
    ("plan", "Dataset.superclasses"),  # is no method, and so not seen
    ("zoo", "Architecture.build"),  # once in a run, by the first stage that needs it
    ("fit", "Architecture.build"),
}
WITH_ALL = """\
dataset: {use: shapes, train: 10, test: 5}
tasks: {classes: 5, id: 12, ood: 6}
architecture: {use: resnet20}
conditioner: {use: mini-clip}
generators:
  - {use: oracle}
  - {use: tina-dit, name: first}
  - {use: tina-dit, prompts: image, inherit: first}
studies: [{use: class-counts, counts: [3]}, {use: training-curves, generators: [first]}]
"""


@pytest.fixture
def plans(tmp_path: Path) -> list[Plan]:
    """With and without all that is optional."""
    made = []
    for name, text in (("tiny", RECIPE), ("all", WITH_ALL)):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        made.append(plan_of(path, tmp_path / "store"))
    return made


def drawn_arrows() -> set[tuple[str, str]]:
    return set(re.findall(r"^ *(\w+) -\.?->(?:\|[^|]*\|)? (\w+)$", STAGES, re.M))


def rows() -> dict[str, list[str]]:
    """The cells of the table of stages, by the stage."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in cells}


def words(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_the_arrows_are_the_plans(plans: list[Plan]) -> None:
    stages = [stage for plan in plans for stage in plan.stages]
    found = {(before.kind, stage.kind) for stage in stages for before in stage.after}
    assert drawn_arrows() == found
    assert set(rows()) == {stage.kind for stage in stages}


def test_arrows_that_every_run_has_are_not_dotted(plans: list[Plan]) -> None:
    plain = set(re.findall(r"^ *(\w+) --> (\w+)$", STAGES, re.M))
    tiny = plans[0].stages
    assert plain <= {(before.kind, stage.kind) for stage in tiny for before in stage.after}


def test_the_settings_in_a_key_are_those_of_the_table(plans: list[Plan]) -> None:
    found: dict[str, set[str]] = {}
    for stage in [stage for plan in plans for stage in plan.stages]:
        found.setdefault(stage.kind, set()).update(stage.settings)
    found["images"] = {"on"}  # the others are a part's
    found["evaluate"] -= {"split", "classes", "prompts", "conditioner"}  # a study's
    elsewhere = {"zoo": {"imported"}, "fit": {"finetune"}}
    for room, row in rows().items():
        assert words(row[1]) == found[room] | elsewhere.get(room, set()), room


def test_the_files_are_those_of_the_store(finished: tuple[Path, Path, Path]) -> None:
    store = finished[1]
    for room in (path for path in store.iterdir() if not path.name.startswith(".")):
        for entry in room.iterdir():
            names = {path.name for path in entry.iterdir()} - {"entry.json"}
            told = words(rows()[room.name][2])
            assert names <= told or room.name == "fit", room.name
            assert "losses.json" not in told or "losses.json" in names
    code = "".join(path.read_text() for path in (ROOT / "tina_kit" / "pipeline").rglob("*.py"))
    for row in rows().values():
        for name in words(row[2]) - {"save"}:
            assert f'"{name.strip("/")}"' in code, name


def calls() -> dict[str, set[str]]:
    """What the last diagram says: `Contract.method` by the stage."""
    told: dict[str, set[str]] = {}
    for line in CALLS.splitlines():
        if note := re.fullmatch(r" *Note over core: (.+)", line):
            told[note[1]] = current = set()
        elif call := re.fullmatch(r" *\w+->>(\w+): (.+)", line):
            current |= {f"{call[1]}.{method}" for method in call[2].split(", ")}
    return told


def methods(contract: type) -> Iterator[str]:
    """What of a contract can be called, on the part or its kind."""
    for name, value in inspect.getmembers(contract):
        called = inspect.isfunction(value) or isinstance(value, property)
        if called and (name == "__call__" or not name.startswith("_")):
            yield name


def test_every_method_that_is_drawn_exists_and_no_contract_is_left_out() -> None:
    drawn = set().union(*calls().values())
    for name in drawn:
        contract, _, method = name.partition(".")
        assert contract in CONTRACTS and hasattr(getattr(api, contract), method), name
    for name in CONTRACTS:
        own = {f"{name}.{method}" for method in getattr(api, name).__abstractmethods__}
        assert own - ANYWHERE <= drawn


def parts(part: ResolvedPart) -> Iterator[ResolvedPart]:
    yield part
    for child in part.children.values():
        for each in child if isinstance(child, tuple) else (child,):
            yield from parts(each)


def test_the_calls_are_those_of_a_run(recipe: Path, tmp_path: Path, monkeypatch) -> None:
    recipe.write_text(recipe.read_text().replace("    augmentations: []\n", ""))
    plan = plan_of(recipe, tmp_path / "store")
    seen: dict[str, set[str]] = {"plan": set()}
    place = ["plan"]

    def spied(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            seen.setdefault(place[0], set()).add(name)
            return function(*arguments, **named)

        return call

    r = plan.recipe
    top = [r.dataset, r.tasks, r.architecture, r.conditioner, *(row.part for row in r.generators)]
    for target in {import_attribute(p.entry.component.target) for t in top for p in parts(t)}:
        [contract] = [base for base in target.__mro__ if base.__name__ in CONTRACTS]
        for method in methods(contract):
            value, name = getattr(target, method), f"{contract.__name__}.{method}"
            if isinstance(value, property):
                monkeypatch.setattr(target, method, property(spied(name, value.fget)))  # type: ignore[arg-type]
            else:
                monkeypatch.setattr(target, method, spied(name, value))
    for stage in plan.stages:
        place[0] = stage.kind
        assert stage.ensure() is not None
        place[0] = "plan"

    told = {(stage, name) for stage, names in calls().items() for name in names if stage in seen}
    found = {(stage, name) for stage, names in seen.items() for name in names - ANYWHERE}
    assert (found - told, told - found - UNSEEN) == (set(), set())


def test_a_killed_stage_continues_where_the_page_says() -> None:
    """Those that train, which alone write checkpoints."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    [sentence] = re.findall(r"Inside a stage (.+?) go on at the last checkpoint", text, re.S)
    code = "".join(path.read_text() for path in (ROOT / "tina_kit" / "pipeline").rglob("*.py"))
    training = set(re.findall(r"trainer\(self.name, draft, \"(\w+)\"", code))
    assert words(sentence) == training
    assert ENTRY in KILLED and f"`{_WORK}/`" in text


class Made(Stage):
    settings: ClassVar = {}  # type: ignore[misc]
    after = ()  # type: ignore[assignment]

    def __init__(self, kind, name, tasks=1, version=1, after=(), seed=None) -> None:
        super().__init__(SimpleNamespace(recorded={}), name, seed)  # type: ignore[arg-type]
        self.kind, self.settings, self.version, self.after = kind, {"tasks": tasks}, version, after  # type: ignore[misc]

    def compute(self, draft) -> None:
        raise NotImplementedError


def test_a_key_is_made_of_what_the_page_says() -> None:
    stage = Made("zoo", "zoo/id")
    others = [
        Made("fit", "zoo/id"),
        Made("zoo", "zoo/id", version=2),
        Made("zoo", "zoo/id", tasks=2),
        Made("zoo", "zoo/id", after=(stage,)),
    ]
    alike = Made("zoo", "another name", seed=3)
    assert len({stage.key, *(other.key for other in others)}) == 5 and alike.key == stage.key
    assert all(word in KEY for word in ("name", "version", "settings", "stages before it"))
