"""An option that is given and has no effect is refused where it stands; a default never is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tina_architectures.options import TimmOptions
from tina_conditioners.options import MiniClipOptions, OpenClipOptions
from tina_datasets.options import UnseenClassesOptions
from tina_generators.options import HypernetworkOptions, TinaDiTOptions
from tina_studies.options import ScalingOptions, TrainingCurvesOptions

from tests.conftest import RECIPE
from tina_kit.api import Options, TrainingOptions, UserError
from tina_kit.cli.app import invoke
from tina_kit.plugins import discover
from tina_kit.recipe import load_recipe
from tina_kit.recipe.load import vary
from tina_kit.recipe.node import Where
from tina_kit.recipe.schema import FinetuneOptions, GenericOptions

FILE = Path("weights.pt")


@pytest.mark.parametrize(
    ("model", "options", "told"),
    [
        (GenericOptions, {"momentum": 0.5}, "momentum: has no effect with optimizer: adamw"),
        (FinetuneOptions, {"momentum": 0.9}, "momentum: has no effect with optimizer: adamw"),
        (TimmOptions, {"pretrained": True, "checkpoint": FILE}, "pretrained: .* checkpoint: wei"),
        (UnseenClassesOptions, {"shares": (), "tests": 5}, r"tests: .* with shares: \[\]"),
        (TinaDiTOptions, {"inherit_heads": 8}, "inherit_heads: .* without inherit_file"),
        (HypernetworkOptions, {"inherit_heads": 8}, "inherit_heads: .* without inherit_file"),
        (ScalingOptions, {"key": "a", "values": (1,), "series_label": "{}"}, "without series_key"),
        (TrainingCurvesOptions, {"generators": ("a",), "versus": "a"}, "versus: has no effect he"),
        (TrainingCurvesOptions, {"generators": ("a",), "published": {}}, "published: has no effe"),
        (OpenClipOptions, {"config": FILE, "model": "RN50"}, "model: .* with config: weights.pt"),
        (OpenClipOptions, {"config": FILE, "pretrained": "nonsense"}, "pretrained: .* config: wei"),
        (OpenClipOptions, {"config": FILE, "pretrained": "openai"}, "pretrained: .* config: wei"),
        (OpenClipOptions, {"weights": "random", "pretrained": "openai"}, "weights: random"),
        (OpenClipOptions, {"seed": 3}, "seed: has no effect with weights: pretrained"),
        (
            OpenClipOptions,
            {"model": "mini-clip", "checkpoint": FILE, "pretrained": "openai"},
            "pretrained: has no effect with model: mini-clip",
        ),
        (MiniClipOptions, {"pretrained": "openai"}, "pretrained: .* with weights: train"),
        (MiniClipOptions, {"config": FILE, "model": "RN50"}, "model: .* with config"),
        *(
            (MiniClipOptions, {"weights": "random", name: value}, f"{name}: .* weights: random")
            for name, value in {
                "steps": 5,
                "batch_size": 8,
                "learning_rate": 0.1,
                "weight_decay": 0.0,
            }.items()
        ),
    ],
    ids=str,
)
def test_what_nothing_reads_is_refused(
    model: type[Options], options: dict[str, object], told: str
) -> None:
    with pytest.raises(ValueError, match=f"{told}.*; leave it out"):
        model(**options)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (TrainingOptions, {"epochs": 1, "optimizer": "sgd", "momentum": 0.5}),
        (TimmOptions, {"pretrained": False, "checkpoint": FILE}),
        (TimmOptions, {"pretrained": True}),
        (UnseenClassesOptions, {"shares": ()}),
        (TinaDiTOptions, {"inherit_file": FILE, "inherit_heads": 8}),
        (TinaDiTOptions, {}),
        (TrainingCurvesOptions, {"generators": ("a",)}),
        (OpenClipOptions, {}),
        (OpenClipOptions, {"config": FILE, "pretrained": None, "checkpoint": FILE}),
        (OpenClipOptions, {"config": FILE, "checkpoint": FILE}),
        (OpenClipOptions, {"weights": "random", "seed": 3, "pretrained": None}),
        (OpenClipOptions, {"checkpoint": FILE, "pretrained": None}),
        (OpenClipOptions, {"checkpoint": FILE, "pretrained": "openai"}),
        (MiniClipOptions, {"seed": 3, "steps": 5}),
    ],
    ids=str,
)
def test_what_is_read_and_every_default_may_stand(
    model: type[Options], options: dict[str, object]
) -> None:
    model(**options)


@pytest.mark.parametrize("model", [OpenClipOptions, MiniClipOptions])
@pytest.mark.parametrize("name", ["ViT-B-32", "RN50"])
def test_the_tag_of_weights_in_a_file_must_be_given(
    model: type[OpenClipOptions], name: str
) -> None:
    with pytest.raises(ValueError, match=r"checkpoint: give pretrained too.*QuickGELU"):
        model(model=name, weights="pretrained", checkpoint=FILE)


# In recipes.


def refused(*words: object) -> None:
    assert invoke(["validate", *map(str, words)]) == 2


def write(folder: Path, text: str, name: str = "r.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


SGD = RECIPE.replace("{epochs: 1, shard: 6}", "{epochs: 1, optimizer: sgd, momentum: 0.7}")


def test_all_are_told_with_their_places(tmp_path: Path, capsys) -> None:
    (tmp_path / "tiny.json").write_text("{}")
    text = RECIPE.replace("{epochs: 1}", "\n  epochs: 1\n  momentum: 0.8")
    text = text.replace("hidden_size: 32", "inherit_heads: 4\n    hidden_size: 32")
    text = text.replace(
        "{use: hashed-ngrams}", "{use: open-clip, config: tiny.json, pretrained: nonsense}"
    )
    path = write(tmp_path, text)
    refused(path)
    told = capsys.readouterr().err
    assert f"{path}:8:3: generic.momentum: has no effect with optimizer: adamw; leave it" in told
    assert f"{path}:5:50: conditioner.pretrained: has no effect with config: {tmp_path}" in told
    assert ": generators.tina-dit.inherit_heads: has no effect without inherit_file" in told


def test_what_another_layer_has_made_useless_may_stay(tmp_path: Path) -> None:
    """There it could not be taken out."""
    base = write(tmp_path, SGD + "profiles: {adam: {finetune.optimizer: adamw}}\n", "base.yaml")
    over = write(tmp_path, "extends: base.yaml\nfinetune: {optimizer: adamw}\n", "over.yaml")
    sets = write(tmp_path, "extends: base.yaml\nset: {finetune.optimizer: adamw}\n", "set.yaml")
    found = discover()
    for path, options in (
        (over, {}),
        (sets, {}),
        (base, {"profile": "adam"}),
        (base, {"sets": ["finetune.optimizer=adamw"]}),
    ):
        assert load_recipe(path, found, **options).core.finetune.optimizer == "adamw"
    varied = vary(load_recipe(base, found), {"finetune.optimizer": "adamw"}, _STUDY)
    assert varied.core.finetune.momentum == 0.7


_STUDY = Where("study", 1, 1, Path())


SCALING = """\
studies:
  - {use: scaling, key: finetune.optimizer, values: [sgd, adamw], also: %s}
"""
VARIANTS = """\
studies:
  - use: variants
    variants: {a: {}, b: {%s: value}}
"""


@pytest.mark.parametrize("also", ["{}", "{finetune.momentum: 0.6}"])
def test_what_has_an_effect_in_another_trial_of_a_study_may_stand(
    tmp_path: Path, also: str
) -> None:
    text = RECIPE.replace("{epochs: 1, shard: 6}", "{epochs: 1, momentum: 0.7}") + SCALING % also
    recipe = load_recipe(write(tmp_path, text), discover())
    for optimizer in ("sgd", "adamw"):
        overrides = {"finetune.optimizer": optimizer, "finetune.momentum": 0.6}
        assert vary(recipe, overrides, _STUDY).core.finetune.momentum == 0.6


@pytest.mark.parametrize(
    ("key", "stays"),
    [
        ("generators.tina-dit.inherit_file", True),
        ("generators.mine.inherit_file", True),
        ("generators.mine", True),
        ("generators.mine.depth", False),
        ("finetune.inherit_file", False),
    ],
)
def test_only_a_study_that_varies_the_reason_lets_an_option_stand(
    tmp_path: Path, key: str, stays: bool, capsys
) -> None:
    text = RECIPE.replace(
        "hidden_size: 32", "name: mine\n    inherit_heads: 4\n    hidden_size: 32"
    )
    path = write(tmp_path, text + VARIANTS % key)
    assert (invoke(["validate", str(path)]) == 0) is stays
    assert ("generators.mine.inherit_heads: has no effect" in capsys.readouterr().err) is not stays


def test_what_was_given_on_the_same_layer_or_above_is_refused(tmp_path: Path, capsys) -> None:
    base = write(tmp_path, RECIPE + "profiles: {p: {finetune.momentum: 0.8}}\n", "base.yaml")
    both = "{finetune.optimizer: adamw, finetune.momentum: 0.8}"
    over = write(tmp_path, "extends: base.yaml\nfinetune: {momentum: 0.8}\n", "over.yaml")
    sets = write(tmp_path, f"extends: base.yaml\nset: {both}\n", "set.yaml")
    profile = write(tmp_path, f"{SGD}profiles: {{p: {both}}}\n", "profile.yaml")
    for words in (
        (over,),
        (sets,),
        (base, "--profile", "p"),
        (profile, "--profile", "p"),
        (base, "--set", "finetune.momentum=0.8"),
        (base, "--set", "finetune={epochs: 1, momentum: 0.8}"),
    ):
        refused(*words)
        assert "finetune.momentum: has no effect with optimizer: adamw" in capsys.readouterr().err
    recipe = load_recipe(write(tmp_path, RECIPE), discover())
    with pytest.raises(UserError, match=r"^study:1:1: finetune\.momentum: has no effect"):
        vary(recipe, {"finetune.momentum": 0.8}, _STUDY)


def test_a_resolved_recipe_is_one_that_may_be_run_again(tmp_path: Path) -> None:
    found = discover()
    plain = load_recipe(write(tmp_path, RECIPE), found).plain()
    assert "momentum" not in plain["finetune"] and plain["finetune"]["weight_decay"] == 0
    assert "inherit_heads" not in plain["generators"][2]
    path = write(tmp_path, yaml.safe_dump(plain), "resolved.yaml")
    assert load_recipe(path, found).plain() == plain


def test_what_earlier_versions_wrote_into_a_run_folder_is_read(tmp_path: Path) -> None:
    found = discover()
    recipe = load_recipe(write(tmp_path, RECIPE), found)
    plain = recipe.plain()
    plain["finetune"]["momentum"] = 0.9
    plain["generators"][2]["inherit_heads"] = 16
    path = write(tmp_path, json.dumps(plain), "resolved.yaml")
    with pytest.raises(UserError, match="has no effect"):
        load_recipe(path, found)
    again = load_recipe(path, found, recorded=True)
    assert again.core == recipe.core
    assert [row.component.settings() for row in again.generators] == [
        row.component.settings() for row in recipe.generators
    ]
