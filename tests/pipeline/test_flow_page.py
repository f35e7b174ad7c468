"""What `tina_kit/pipeline/README.md` draws is what happens."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, ClassVar

import pytest
from PIL import Image

from tests.conftest import RECIPE, plan_of
from tests.documents import FLOW, ROOT, Flowchart, blocks, quoted, rows, text_of
from tina_kit import api
from tina_kit.api.component import import_attribute
from tina_kit.cli.app import invoke
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stage import Stage, in_order
from tina_kit.recipe import ResolvedComponent
from tina_kit.store.sealing import ENTRY
from tina_kit.store.work import WORK

CORE, FOLDER = ROOT / "tina_kit", "pipeline/stages"
WALK, STAGES = (Flowchart.read(block.text) for block in blocks(FLOW, "mermaid"))
CONTRACTS = {
    *("Dataset", "TaskSampler", "Architecture", "Conditioner", "Generator", "Tokenizer"),
    *("Augmentation", "Study"),
}
ANYWHERE = {f"{c}.{m}" for c in CONTRACTS for m in ("files", "fingerprint")}  # for keys
# What components say of themselves.
ANYWHERE |= {"Conditioner.width", "Dataset.class_names", "Generator.learns"}
UNSEEN = {
    ("plan", "Dataset.superclasses"),  # an attribute, not a method
    # Once in a run, by the first stage that needs it, which is another one here.
    ("features", "Architecture.layout"),
    ("zoo", "Architecture.build"),
    ("fit", "Architecture.build"),
    ("rejection", "Architecture.build"),
}
WITH_ALL = """\
dataset: {use: image-folder, root: images, skip_damaged: true}
tasks: {classes: 4, id: 6, ood: 3}
architecture: {use: resnet20}
conditioner: {use: mini-clip, config: clip.json, steps: 2, batch_size: 8}
generic: {epochs: 1}
finetune: {epochs: 1, shard: 6}
evaluation: {id_tasks: 2, rejection: 5}
generators:
  - {use: oracle}
  - use: tina-dit
    name: first
    hidden_size: 16
    depth: 1
    heads: 2
    steps: 2
    sampler: ddim
    sampling_steps: 1
    tokenizer: {use: class-rows}
  - use: tina-dit
    name: heir
    prompts: image
    inherit: first
    hidden_size: 16
    depth: 1
    heads: 2
    steps: 2
    sampler: ddim
    sampling_steps: 1
    tokenizer: {use: class-rows}
studies:
  - {use: class-counts, counts: [3], generators: [first]}
  - {use: training-curves, generators: [first]}
"""
CLIP = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
}


def write_all(folder: Path) -> Path:
    """WITH_ALL and the files that it names; one of the images is damaged."""
    for name in "abcdefgh":
        (folder / "images" / name).mkdir(parents=True)
        for index in range(6):
            image = Image.new("RGB", (32, 32), (30 * index, 8 * ord(name) % 256, 0))
            image.save(folder / "images" / name / f"{index}.png")
    (folder / "images" / "a" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "clip.json").write_text(json.dumps(CLIP))
    path = folder / "all.yaml"
    path.write_text(WITH_ALL)
    return path


@dataclass
class Watched:
    """What a run of WITH_ALL did. read: pairs of stages (one whose result is read, by which it is
    read); trained: the stages that train; made: the file names of each stage's result."""

    read: set[tuple[str, str]] = field(default_factory=set)
    trained: set[str] = field(default_factory=set)
    made: dict[str, set[str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Each stage runs in a plan of its own, so that it finds nothing read before."""
    folder, done, running = tmp_path_factory.mktemp("all"), Watched(), [""]
    recipe = write_all(folder)
    with pytest.MonkeyPatch.context() as patch:
        entry, trainer = Stage.entry.fget, Runtime.trainer  # type: ignore[attr-defined]

        def reading(stage: Stage) -> Any:
            if running[0]:
                done.read.add((stage.kind, running[0]))
            return entry(stage)

        def training(runtime: Runtime, *given: Any, **named: Any) -> Any:
            done.trained.add(running[0])
            return trainer(runtime, *given, **named)

        patch.setattr(Stage, "entry", property(reading))
        patch.setattr(Runtime, "trainer", training)
        for number in range(len(plan_of(recipe, folder / "store").stages)):
            stage = plan_of(recipe, folder / "store").stages[number]
            running[0] = stage.kind
            assert stage.ensure() is not None, stage.name
            running[0] = ""
            names = {path.name for path in stage.entry.folder.iterdir()} - {ENTRY}
            if stage.kind == "fit":  # the others are those that a generator's `save` writes
                names &= {"losses.json"}
            done.made.setdefault(stage.kind, set()).update(names)
    return done


@pytest.fixture
def plans(tmp_path: Path) -> list[Plan]:
    """With and without all that is optional."""
    tiny = tmp_path / "tiny.yaml"
    tiny.write_text(RECIPE.replace("{id_tasks: 6}", "{id_tasks: 6, rejection: 5}"))
    return [plan_of(path, tmp_path / "store") for path in (tiny, write_all(tmp_path))]


def stages() -> dict[str, list[str]]:
    """The cells of the table of stages, by the stage."""
    return {name.strip("`"): cells for name, *cells in rows(FLOW, "The stages")}


def walk() -> list[str]:
    """The files from the recipe to the table, below `tina_kit/`."""
    files = [WALK.labels[WALK.arrows[0][0]]]
    for before, after in WALK.arrows:
        assert WALK.labels[before] == files[-1], "the walk is one line"
        files.append(WALK.labels[after])
    inside = [file.partition("<br>")[0] for file in files[1:-1]]
    return [file if "/" in file else f"{FOLDER}/{file}" for file in inside]


def test_the_walk_passes_each_file_of_a_stage_once() -> None:
    there = {f"{FOLDER}/{path.name}" for path in (CORE / FOLDER).glob("*.py")}
    passed = [file for file in walk() if file.startswith(FOLDER)]
    assert sorted(passed) == sorted(there - {f"{FOLDER}/__init__.py"})


def test_the_stages_of_a_row_run_in_the_order_of_the_walk(plans: list[Plan]) -> None:
    plan = plans[1]
    first = next(row for row in plan.recipe.generators if row.name == "first")
    last = [plan.experiments[0].evaluation(first), plan.experiments[0].rejection(first)]
    order = in_order([*plan.first, *last])
    files = dict.fromkeys(Path(inspect.getfile(type(stage))).name for stage in order)
    assert [f"{FOLDER}/{name}" for name in files] == [f for f in walk() if f.startswith(FOLDER)]


@pytest.mark.slow
def test_a_run_enters_the_files_in_the_order_of_the_walk(
    finished: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """From outside of the stages, whose order the test above holds."""
    drawn = [file for file in walk() if not file.startswith(FOLDER)]
    words = ["run", str(finished[0]), "--output", str(tmp_path / "runs")]
    assert invoke(words) == 0  # now that all is imported
    called: dict[str, None] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called.setdefault(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        assert invoke(words) == 0
    finally:
        sys.setprofile(None)
    paths = [Path(file) for file in called]
    entered = [path.relative_to(CORE).as_posix() for path in paths if path.is_relative_to(CORE)]
    assert [file for file in entered if file in drawn] == drawn


def test_the_arrows_are_the_plans(plans: list[Plan]) -> None:
    made = [stage for plan in plans for stage in plan.stages]
    found = {(before.kind, stage.kind) for stage in made for before in stage.after}
    assert set(STAGES.arrows) == found
    assert set(stages()) == {stage.kind for stage in made}


def test_the_file_of_a_stage_is_that_of_the_table(plans: list[Plan]) -> None:
    for stage in plans[1].stages:
        assert quoted(stages()[stage.kind][0]) == [Path(inspect.getfile(type(stage))).name]


def test_arrows_that_every_run_has_are_not_dotted(plans: list[Plan]) -> None:
    tiny = plans[0].stages
    found = {(before.kind, stage.kind) for stage in tiny for before in stage.after}
    assert set(STAGES.arrows) - STAGES.dotted <= found


def test_the_settings_in_a_key_are_those_of_the_table(plans: list[Plan]) -> None:
    found: dict[str, set[str]] = {}
    for stage in [stage for plan in plans for stage in plan.stages]:
        found.setdefault(stage.kind, set()).update(stage.settings)
    found["images"] = {"on"}  # the others are a component's
    found["evaluate"] -= {"split", "classes", "prompts", "conditioner"}  # a study's
    elsewhere = {"zoo": {"imported"}, "fit": {"tasks", "finetune"}}
    for kind, cells in stages().items():
        assert set(quoted(cells[2])) == found[kind] | elsewhere.get(kind, set()), kind


def test_a_stage_reads_what_an_arrow_leads_from(watched: Watched) -> None:
    """Or what leads to it by several arrows."""
    leads = set(STAGES.arrows)
    for between in stages():
        leads |= {(a, c) for a, b in leads for d, c in leads if b == d == between}
    assert watched.read - leads == set()
    assert watched.read >= {("images", "generic"), ("generic", "zoo"), ("zoo", "fit")}


def test_the_files_are_those_of_the_store(watched: Watched) -> None:
    told = {stage: set(quoted(cells[3])) - {"save"} for stage, cells in stages().items()}
    written = {stage: {name.strip("/") for name in names} for stage, names in told.items()}
    assert written == watched.made


def calls() -> dict[str, set[str]]:
    """What the last table says: `Contract.method` by the stage."""
    return {
        when.strip("`"): set(quoted(told)) for when, told in rows(FLOW, "Who calls which contract")
    }


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


def parts(part: ResolvedComponent) -> Iterator[ResolvedComponent]:
    yield part
    for child in part.children.values():
        for each in child if isinstance(child, tuple) else (child,):
            yield from parts(each)


def test_the_calls_are_those_of_a_run(plans: list[Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, set[str]] = {"plan": set()}
    place = ["plan"]

    def spied(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            seen.setdefault(place[0], set()).add(name)
            return function(*arguments, **named)

        return call

    top = []
    for recipe in (plan.recipe for plan in plans):
        rows = [row.component for row in (*recipe.generators, *recipe.studies)]
        top += [recipe.dataset, recipe.tasks, recipe.architecture, recipe.conditioner, *rows]
    for target in {import_attribute(p.entry.component.target) for t in top for p in parts(t)}:
        [contract] = [base for base in target.__mro__ if base.__name__ in CONTRACTS]
        for method in methods(contract):
            value, name = getattr(target, method), f"{contract.__name__}.{method}"
            getter = getattr(value, "fget", None) or getattr(value, "func", None)  # or cached
            if getter:
                monkeypatch.setattr(target, method, property(spied(name, getter)))
            else:
                monkeypatch.setattr(target, method, spied(name, value))
    for stage in [stage for plan in plans for stage in plan.stages]:
        place[0] = stage.kind
        assert stage.ensure() is not None
        place[0] = "plan"

    told = {(stage, name) for stage, names in calls().items() for name in names - ANYWHERE}
    told -= {(stage, name) for stage, name in told if stage == "tina-kit generate"}
    found = {(stage, name) for stage, names in seen.items() for name in names - ANYWHERE}
    assert (found - told, told - found) == (set(), UNSEEN)


def test_a_killed_stage_continues_where_the_page_says(watched: Watched) -> None:
    """Those that train."""
    [sentence] = re.findall(r"continues (.+?) at the\s+last\s+checkpoint", text_of(FLOW), re.S)
    assert set(quoted(sentence)) == watched.trained
    assert f"`{ENTRY}`" in text_of(FLOW) and f"`{WORK}/`" in text_of(FLOW)


class Made(Stage):
    settings: ClassVar = {}  # type: ignore[misc]
    after = ()  # type: ignore[assignment]

    def __init__(self, kind, name, tasks=1, version=1, after=(), seed=None) -> None:
        super().__init__(SimpleNamespace(recorded={}, variant=""), name, seed)  # type: ignore[arg-type]
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
    [told] = re.findall(r"A key is the hash of (.+?)\. ", text_of(FLOW), re.S)
    assert all(word in told for word in ("name", "version", "settings", "stages before it"))
