"""A wrong result of somebody else's component is one message, where it is made."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tina_kit.api import Classes, Request, TinaKitError
from tina_kit.cli.app import invoke
from tina_kit.plugins import discover
from tina_kit.plugins.discovery import load_file
from tina_kit.recipe.resolve import resolve_plain
from tina_kit.testing import SmallNetwork

HEAD = """\
import torch
from torch import tensor
from tina_kit.api import *
from tina_kit.api import TaskOptions
from tina_kit.testing import SmallNetwork


class MineOptions(Options):
    pass


class MineTaskOptions(TaskOptions):
    pass


"""
TAIL = """

@hookimpl
def tina_kit_components():
    code = f"{__name__}:Mine"
    options = code + ("TaskOptions" if KIND == "task-sampler" else "Options")
    return [Component(KIND, "mine", code, options, "Wrong.")]
"""
CLASSES = {
    "dataset": """\
class Mine(Dataset):
    class_names = property(lambda self: ["a", "b"])
    def __init__(self, options): pass
    def load(self, split): return Images(torch.zeros(4, 3, 2, 2).byte(), torch.tensor([0, 1, 0, 1]))
    def load_larger(self, index, side): return torch.zeros(len(index), 3, side, side).byte()
""",
    "task-sampler": """\
class Mine(TaskSampler):
    def __init__(self, options): self.options = options
    def draw(self, classes, seed): return {"id": tensor([[0, 1]]), "ood": tensor([[1, 2]])}
    def seen(self, classes, seed): return None
""",
    "architecture": """\
class Mine(SmallNetwork):
    def __init__(self, options): pass
    def build(self, classes): return super().build(classes)
    def layout(self, classes): return super().layout(classes)
    def normalise(self, images): return super().normalise(images)
    def arrange(self, images): return super().arrange(images)
    def inputs(self, module, images): return super().inputs(module, images)
    def forward_many(self, *given): return super().forward_many(*given)
""",
    "tokenizer": """\
class Mine(Tokenizer):
    def __init__(self, options): pass
    def tokens(self, layout): return (Token(tuple(range(layout.size)), "all", "all"),)
""",
    "conditioner": """\
class Mine(Conditioner):
    width = property(lambda self: 4)
    def __init__(self, options): pass
    def embed(self, prompts): return torch.zeros(len(prompts), 4)
    def embed_images(self, images): return torch.zeros(len(images), 4)
    def gibberish(self, count, seed): return torch.zeros(count, 4)
""",
    "generator": """\
class Mine(Generator):
    def __init__(self, options): pass
    def generate(self, request): return torch.zeros(len(request.conditions), self.size(request))
    def size(self, request): return self.context.architecture.layout(4).size
""",
    "augmentation": """\
class Mine(Augmentation):
    def __init__(self, options): pass
    def __call__(self, vectors, conditions, mask, layout, random): return vectors, conditions, mask
""",
    "study": """\
class Mine(Study):
    def __init__(self, options): pass
    def trials(self, generators): return [Trial(name, 1, name) for name in generators]
""",
}
SAMPLER = {"classes": 2, "id": 1, "ood": 1}
LAYOUT, IMAGES = SmallNetwork().layout(4), torch.zeros(2, 3, 8, 8).byte()
THREE = Classes(["a", "b", "c"])
VECTORS, INPUTS = torch.zeros(2, LAYOUT.size), torch.zeros(2, 5, 3, 8, 8)
FROZEN = {"scale": torch.ones(())}
PAIR = (torch.zeros(2, 7), torch.zeros(2, 4, 3), torch.ones(2, 4).bool(), LAYOUT, torch.Generator())
CALLS: dict[tuple[str, str], Any] = {
    ("dataset", "class_names"): lambda mine: mine.class_names,
    ("dataset", "load"): lambda mine: mine.load("train"),
    ("dataset", "load_larger"): lambda mine: mine.load_larger(torch.arange(2), side=16),
    ("task-sampler", "draw"): lambda mine: mine.draw(THREE, 0),
    ("task-sampler", "seen"): lambda mine: mine.seen(THREE, 0),
    ("architecture", "build"): lambda mine: mine.build(4),
    ("architecture", "layout"): lambda mine: mine.layout(4),
    ("architecture", "normalise"): lambda mine: mine.normalise(IMAGES),
    ("architecture", "arrange"): lambda mine: mine.arrange(IMAGES.float()),
    ("architecture", "inputs"): lambda mine: mine.inputs(mine.build(4), IMAGES),
    ("architecture", "forward_many"): lambda mine: mine.forward_many(VECTORS, INPUTS, 4, FROZEN),
    ("tokenizer", "tokens"): lambda mine: mine.tokens(LAYOUT),
    ("conditioner", "width"): lambda mine: mine.width,
    ("conditioner", "embed"): lambda mine: mine.embed(["x", "y"]),
    ("conditioner", "embed_images"): lambda mine: mine.embed_images(IMAGES),
    ("conditioner", "gibberish"): lambda mine: mine.gibberish(3, 0),
    ("generator", "generate"): lambda mine: mine.generate(Request(torch.zeros(2, 4, 3), None)),
    ("augmentation", "__call__"): lambda mine: mine(*PAIR),
    ("study", "trials"): lambda mine: mine.trials(["oracle"]),
}
WRONG = [
    ("dataset", "class_names", '["a", "b"]', '"ab"', "a sequence of strings, not a str"),
    ("dataset", "load", ".byte(), ", ", ", "Images.images as a tensor, uint8 (any, 3, any, any), "
     "not float32 (4, 3, 2, 2)"),
    ("dataset", "load", "[0, 1, 0, 1]", "[0, 1, 0]", "Images.labels as a tensor, int64 (4,), not "
     "int64 (3,)"),
    ("dataset", "load", "[0, 1, 0, 1]", "[0, 1, 0, 2]", "Images.labels in [0, 2), the number of "
     "classes, not 0 to 2"),
    ("dataset", "load", "Images(", "(", "Images, not a tuple of 2 (Tensor)"),
    ("dataset", "load_larger", "3, side, side", "side, side, 3", "a tensor, uint8 (2, 3, 16, 16), "
     "not uint8 (2, 16, 16, 3)"),
    ("task-sampler", "draw", '"ood"', '"test"', "a dict with 'id' and 'ood', not a dict with 'id', "
     "'test'"),
    ("task-sampler", "draw", "[[0, 1]]", "[[0.0, 1]]", "for 'id' a tensor, int64 (1, 2), not "
     "float32 (1, 2)"),
    ("task-sampler", "draw", "[[1, 2]]", "[[1, 3]]", "for 'ood' class indices below 3 (-1 for "
     "none), not 1 to 3"),
    ("task-sampler", "seen", "None", "[0, 1]", "a tensor, int64 (any,), not a list of 2 (int)"),
    ("architecture", "build", "super().build(classes)", "torch.nn.Linear(2, 2)", "a module whose "
     "conv1.weight is (4, 3, 3, 3) as in its layout, not none of this name"),
    ("architecture", "layout", "super().layout(classes)", "{}", "a Layout, not a dict"),
    ("architecture", "normalise", "super().normalise(images)", "images", "a tensor, float32 "
     "(2, 3, 8, 8), not uint8 (2, 3, 8, 8)"),
    ("architecture", "arrange", "super().arrange(images)", "images.flatten(1)", "a tensor, "
     "floating (2, any, any, any), not float32 (2, 192)"),
    ("architecture", "inputs", "super().inputs(module, images)", "images[:1].float()", "a tensor, "
     "floating (2, any, any, any), not float32 (1, 3, 8, 8)"),
    ("architecture", "forward_many", "forward_many(*given)", "forward_many(*given).flatten(0, 1)",
     "a tensor, floating (2, 5, 4), not float32 (10, 4)"),
    ("tokenizer", "tokens", "range(layout.size)", "range(1, layout.size)", f"tokens that hold each "
     f"of the {LAYOUT.size} entries once, not {LAYOUT.size - 1} entries, of which 1 are missing"),
    ("tokenizer", "tokens", "(Token(", "((", "a sequence of Tokens, not a tuple of 1 (tuple)"),
    ("conditioner", "width", "4)", "4.0)", "an int, not a float"),
    ("conditioner", "embed", "4)", "4).double()", "a tensor, float32 (2, 4), not float64 (2, 4)"),
    ("conditioner", "embed", "len(prompts), 4", "4", "a tensor, float32 (2, 4), not float32 (4,)"),
    ("conditioner", "embed_images", "(images), 4", "(images), 5", "a tensor, float32 (2, 4), not "
     "float32 (2, 5)"),
    ("conditioner", "gibberish", "count, 4", "4, count", "a tensor, float32 (3, 4), not float32 "
     "(4, 3)"),
    ("generator", "generate", "torch.zeros", "print", "a tensor, float32 (2, any), not None"),
    ("generator", "generate", "self.size(request)", "self.size(request) + 1", "a tensor, float32 "
     f"(2, {LAYOUT.size}) for 4 classes, not float32 (2, {LAYOUT.size + 1})"),
    ("augmentation", "__call__", "return vectors, ", "return ", "(vectors, conditions, mask), not "
     "a tuple of 2 (Tensor)"),
    ("augmentation", "__call__", "return vectors", "return vectors[:1]", "as vectors a tensor, "
     "float32 (2, 7), not float32 (1, 7)"),
    ("study", "trials", "Trial(name, 1, name)", "name", "a sequence of Trials, not a list of 1 "
     "(str)"),
]  # fmt: skip


def built(kind: str, code: str, file: Path) -> Any:
    """The component of a plugin file with this class."""
    file.write_text(HEAD + code + TAIL.replace("KIND", repr(kind)))
    registry = discover()
    assert load_file(registry, file) is None
    settings = {"use": "mine", **(SAMPLER if kind == "task-sampler" else {})}
    mine = resolve_plain(settings, kind, "test", registry).build()
    if kind == "generator":
        mine.context = SimpleNamespace(architecture=SmallNetwork())
    return mine


def line_of(method: str, file: Path) -> int:
    lines = file.read_text().splitlines()
    first = {f"    def {method}(", f"    {method} = "}
    [number] = [n for n, line in enumerate(lines, 1) if line.startswith(tuple(first))]
    return number


@pytest.mark.parametrize(
    ("kind", "method", "right", "wrong", "message"), WRONG, ids=lambda value: value[:20]
)
def test_a_wrong_result_names_plugin_part_method_and_line(
    kind: str, method: str, right: str, wrong: str, message: str, tmp_path: Path
) -> None:
    lines = CLASSES[kind].splitlines(keepends=True)
    [at] = [n for n, line in enumerate(lines) if f" {method}(" in line or f" {method} =" in line]
    assert right in lines[at]
    lines[at] = lines[at].replace(right, wrong, 1)
    file = tmp_path / "mine.py"
    mine = built(kind, "".join(lines), file)
    with pytest.raises(TinaKitError) as caught:
        CALLS[kind, method](mine)
    assert str(caught.value) == (
        f"plugin local: {kind} mine: Mine.{method} must return {message} "
        f"({file}:{line_of(method, file)})"
    )


@pytest.mark.parametrize(("kind", "method"), CALLS)
def test_a_right_result_is_passed_on(kind: str, method: str, tmp_path: Path) -> None:
    result = CALLS[kind, method](built(kind, CLASSES[kind], tmp_path / "mine.py"))
    assert (result is None) == (method == "seen")


def test_there_is_a_wrong_one_of_each_kind_and_method() -> None:
    assert {(kind, method) for kind, method, *_ in WRONG} == set(CALLS)


def test_files_fingerprint_and_facts_are_checked_of_every_kind(tmp_path: Path) -> None:
    code = CLASSES["tokenizer"] + "    def facts(self): return 'three'\n"
    file = tmp_path / "mine.py"
    mine = built("tokenizer", code, file)
    assert (mine.files(), mine.fingerprint()) == ({}, "")
    with pytest.raises(TinaKitError, match=r"Mine\.facts must return a mapping, not a str \(.*:\d"):
        mine.facts()


def test_a_method_may_be_static_or_called_by_name(tmp_path: Path) -> None:
    static = "    @staticmethod\n    def embed(prompts): return torch.zeros(len(prompts), 5)\n"
    mine = built("conditioner", CLASSES["conditioner"] + static, tmp_path / "mine.py")
    with pytest.raises(TinaKitError, match=r"Mine\.embed must return a tensor, float32 \(1, 4\)"):
        mine.embed(prompts=["x"])


def test_an_object_without_the_contract_lacks_its_methods(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    code = "class Mine:\n    def __init__(self, options): pass\n    def load(self, split): pass\n"
    with pytest.raises(TinaKitError) as caught:
        built("dataset", code, file)
    message = str(caught.value)
    assert message.startswith("plugin local: dataset mine: Mine lacks class_names, drawn, facts, ")
    assert "load," not in message and "derive it from tina_kit.api.Dataset" in message
    assert message.endswith(f"({file}:{line_of('__init__', file)})")


def test_a_checked_component_is_what_it_was(tmp_path: Path) -> None:
    mine = built("dataset", CLASSES["dataset"], tmp_path / "mine.py")
    own = type(mine).__mro__[1]
    assert (type(mine).__name__, type(mine).__module__) == (own.__name__, own.__module__)
    sys.modules[own.__module__].Mine = own  # where pickle looks for it
    assert type(pickle.loads(pickle.dumps(mine))) is own
    assert copy.deepcopy(mine).class_names == ["a", "b"]


def test_tina_kit_s_own_components_are_as_they_are() -> None:
    shapes = resolve_plain({"use": "shapes"}, "dataset", "test", discover()).build()
    assert "__reduce_ex__" not in vars(type(shapes))


def test_other_forms_of_a_class_are_checked_and_work_as_before(tmp_path: Path) -> None:
    code = """\
from dataclasses import dataclass
from functools import cached_property

@dataclass(frozen=True)
class Mine(Conditioner):
    options: object
    @cached_property
    def width(self): return 4
    def embed(self, prompts, batch=1): return torch.zeros(len(prompts), 5 - (batch > 1))
    def twice(self): return self.embed(["x"], 2)
"""
    mine = built("conditioner", code, tmp_path / "mine.py")
    assert mine.width == mine.width == 4 and mine.twice().shape == (1, 4)
    with pytest.raises(TinaKitError, match=r"Mine\.embed must return"):
        mine.embed(["x"])
    mine = built("conditioner", code.replace("return 4", "return '4'"), tmp_path / "other.py")
    with pytest.raises(TinaKitError, match=r"Mine\.width must return an int, not a str"):
        mine.width  # noqa: B018


OF_A_RUN = {
    "dataset": ("dataset: {use: shapes, train: 10, test: 5, size: 16}", "dataset: {use: mine}"),
    "task-sampler": ("tasks: {id:", "tasks: {use: mine, id:"),
    "architecture": ("{use: cnn, widths: [4, 6]}", "{use: mine}"),
    "tokenizer": ("{use: class-rows}", "{use: mine}"),
    "conditioner": ("{use: hashed-ngrams}", "{use: mine}"),
    "generator": ("- {use: oracle}", "- {use: mine}"),
    "augmentation": ("augmentations: []", "augmentations: [{use: mine}]"),
    "study": ("- {use: oracle}", "- {use: oracle}\nstudies: [{use: mine}]"),
}
"""For each kind, what its component takes the place of in a recipe."""
IN_A_RUN = {
    "architecture": ("super().normalise(images)", "images"),
    "generator": ("self.size(request))", "3)"),
    "augmentation": ("return vectors, conditions, mask", "return vectors"),
    "conditioner": ("(prompts), 4)", "(prompts), 5)"),
    "dataset": ("[0, 1, 0, 1]", "[0, 1, 0]"),
    "study": ("Trial(name, 1, name)", "name"),
    "task-sampler": ("[[0, 1]]", "[0, 1]"),
    "tokenizer": ("range(layout.size)", "range(3)"),
}


@pytest.mark.parametrize("kind", CLASSES)
def test_a_run_ends_with_the_message_alone(
    kind: str, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = CLASSES[kind].replace(*IN_A_RUN[kind])
    # 25 names, as many as tasks of ten need.
    code = code.replace('["a", "b"]', 'list("abcdefghijklmnopqrstuvwxy")')
    assert code != CLASSES[kind]
    file = tmp_path / "mine.py"
    file.write_text(HEAD + code + TAIL.replace("KIND", repr(kind)))
    old, new = OF_A_RUN[kind]
    assert old in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(old, new))
    words = ["run", str(recipe), "--plugin", str(file), "--output", str(tmp_path / "runs")]
    assert invoke(words) == 1
    [error] = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert error.startswith(f"error: plugin local: {kind} mine: Mine.")
    assert " must return " in error and f"({file}:" in error and error.endswith(")")
