"""A recipe is checked whole, and every mistake is told with file, line, key and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tina_kit.api import ComponentSpec, UserError
from tina_kit.plugins import discover
from tina_kit.recipe import Recipe, load_recipe

GOOD = """\
name: mine
dataset: {use: shapes}
architecture: {use: cnn}
conditioner: {use: hashed-ngrams}
generators:
  - {use: classifier-selection}
  - use: tina-dit
    name: small
    hidden_size: 64
    heads: 4
    tokenizer: {use: class-rows, size: 100}
"""


@pytest.fixture(scope="module")
def registry():
    return discover()


@pytest.fixture
def load(tmp_path: Path, registry):
    def load(text: str = GOOD, **options) -> Recipe:
        path = tmp_path / "r.yaml"
        path.write_text(text)
        return load_recipe(path, registry, **options)

    return load


def complaint(load, text: str, **options) -> str:
    with pytest.raises(UserError) as caught:
        load(text, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_defaults_are_filled_in(load) -> None:
    plain = load().plain()
    assert plain["tasks"] == {
        "use": "tina-kit/balanced-permutations",
        "classes": 10,
        "smallest": None,
        "id": 1000,
        "ood": 150,
    }
    assert [row["name"] for row in plain["generators"]] == ["classifier-selection", "small"]
    assert plain["generators"][1]["tokenizer"] == {"use": "tina-kit/class-rows", "size": 100}
    assert plain["generators"][1]["depth"] == 12


def test_a_resolved_recipe_says_the_same_again(load) -> None:
    import yaml

    plain = load().plain()
    again = load(yaml.safe_dump(plain, sort_keys=False)).plain()
    assert again == plain


def test_a_parts_options_hold_what_the_recipe_nests_in_it(load) -> None:
    text = GOOD.replace("size: 100}", "size: 100}\n    augmentations: [neuron-permutation]")
    options = load(text).generators[1].component.build().options
    assert options.tokenizer == ComponentSpec(use="tina-kit/class-rows", size=100)
    assert [part.use for part in options.augmentations] == ["tina-kit/neuron-permutation"]
    defaults = load(GOOD.replace("    tokenizer: {use: class-rows, size: 100}\n", ""))
    assert defaults.generators[1].component.options.tokenizer.settings == {"size": 576}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ("use: shapes", "use: shape"),
            "r.yaml:2:11: dataset.use: unknown dataset 'shape'; did you mean 'shapes'?",
        ),
        (
            ("name: mine", "nmae: mine"),
            "r.yaml:1:1: nmae: unknown key; did you mean 'name'?",
        ),
        (
            ("hidden_size: 64", "hiden_size: 64"),
            "r.yaml:9:5: generators.small.hiden_size: unknown option; did you mean 'hidden_size'?",
        ),
        (
            ("hidden_size: 64", "hidden_size: wide"),
            "r.yaml:9:5: generators.small.hidden_size: input should be a valid integer, not 'wide'",
        ),
        (("hidden_size: 64", "hidden_size: '64'"), "generators.small.hidden_size: input should be"),
        (("hidden_size: 64", "hidden_size: true"), "generators.small.hidden_size: input should be"),
        (
            ("size: 100", "size: 0"),
            "r.yaml:11:34: generators.small.tokenizer.size: input should be "
            "greater than or equal to 1",
        ),
        (
            ("use: class-rows", "use: rows"),
            "r.yaml:11:17: generators.small.tokenizer.use: unknown tokenizer 'rows'",
        ),
        (("architecture: {use: cnn}\n", ""), "architecture: this key is required"),
        (("{use: cnn}", "{widths: 3}"), "r.yaml:3:1: architecture: write the architecture as"),
        (("    name: small\n", "    name: classifier-selection\n"), "duplicate row name"),
        (("name: mine", "name: mine\nseed: 1\nseeds: [1]"), "give either seed or seeds"),
        (("name: mine", "name: mine\nseeds: []"), "r.yaml:2:1: seeds"),
        (("name: mine", "name: a b"), "name: 'a b' does not match '^[\\w.+-]+$' (name of the run"),
        (("name: mine", "name: ../up"), "r.yaml:1:1: name"),
        (("name: mine", "name: mine\ngeneric: {epochs: 0}"), "r.yaml:2:11: generic.epochs"),
        (("name: mine", "name: mine\ngeneric: fast"), "generic: input should be an object"),
        (
            ("name: mine", "requires: [tina-kit>=99]"),
            "r.yaml:1:12: requires: requires tina-kit>=99",
        ),
        (("name: mine", "requires: [no-such-thing]"), "pip install 'no-such-thing'"),
        (("name: mine", "plugins: [none.py]"), "plugins: there is no"),
        (
            ("{use: shapes}", "{use: image-folder, root: nowhere}"),
            "r.yaml:2:30: dataset.root: there is no",
        ),
        (("{use: shapes}", "{use: image-folder}"), "dataset.root: this option is required"),
        (("generators:", "generators: none\nx:"), "generators: must be a list"),
        (
            ("name: mine", "name: mine\nresources: {fits: {}}"),
            "r.yaml:2:13: resources.fits: input should be 'images', 'conditioner', ",
        ),
        (
            ("name: mine", "name: mine\nresources: {fit: {cpu: 1}}"),
            "r.yaml:2:19: resources.fit.cpu: unknown option; did you mean 'cpus'?",
        ),
        (
            ("name: mine", "name: mine\nresources: {fit: {gpus: 1.5}}"),
            "resources.fit.gpus: give a share of one GPU, like 0.5, or a whole number",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(load, change: tuple[str, str], told: str) -> None:
    assert change[0] in GOOD
    assert told in complaint(load, GOOD.replace(*change))


def test_all_mistakes_are_told_together_in_order(load) -> None:
    text = GOOD.replace("use: cnn", "use: cmm").replace("heads: 4", "heads: x")
    lines = complaint(load, text).splitlines()
    assert [line.split(":")[1] for line in lines] == ["3", "10"]


def test_set_overrides_by_generator_name_and_reads_yaml(load) -> None:
    recipe = load(
        sets=["generators.small.learning_rate=3e-4", "tasks.id=20", "name=a=b".replace("=b", "b")]
    )
    assert recipe.generators[1].component.options.learning_rate == 3e-4
    assert recipe.tasks.options.id == 20
    assert recipe.core.name == "ab"


def test_a_component_that_names_no_row_means_all_rows_that_use_it(load) -> None:
    two = "  - {use: tina-dit, name: big, heads: 4}\n"
    assert GOOD.count("name: small\n") == 1
    text = GOOD.rstrip() + "\n"
    head, tail = text.split("  - use: tina-dit", 1)
    recipe = load(head + two + "  - use: tina-dit" + tail, sets=["generators.tina-dit.depth=3"])
    depths = {row.name: getattr(row.component.options, "depth", None) for row in recipe.generators}
    assert (depths["small"], depths["big"]) == (3, 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("generators.smal.depth=3", "there is no row 'smal'; did you mean 'small'?"),
        (
            "generators.small.deep=3",
            "--set generators.small.deep=3: generators.small.deep: unknown option",
        ),
        ("depth", "write it as key=value"),
        ("name.first=x", "name.first: 'first' cannot be set here"),
        ("tasks.id=[", "invalid YAML: expected the node content"),
    ],
)
def test_a_wrong_set_is_told_as_it_was_written(load, text: str, told: str) -> None:
    assert told in complaint(load, GOOD, sets=[text])


def test_a_key_that_is_wrong_from_python_is_told_once(load) -> None:
    told = "set generators.small.deep: unknown option; did you mean 'depth'?"
    assert complaint(load, GOOD, sets={"generators.small.deep": 3}) == told


def test_a_wrong_member_is_told_once(load) -> None:
    told = "--seeds: seeds.0: input should be greater than or equal to 0, not -1"
    assert complaint(load, GOOD, seeds=[-1]) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("extends: bsae.yaml", "/bsae.yaml; did you mean 'base.yaml'?"),
        ("extends: images", "/images (it is a folder)"),
        ("extends: elsewhere/base.yaml", "/elsewhere/base.yaml (nor its folder)"),
        (GOOD + "plugins: [bse.yaml]\n", "/bse.yaml; did you mean 'base.yaml'?"),
        (
            GOOD.replace("{use: shapes}", "{use: image-folder, root: image}"),
            "/image; did you mean 'images'?",
        ),
    ],
)
def test_the_nearest_file_is_told(load, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "base.yaml").write_text(GOOD)
    (tmp_path / "images").mkdir()
    assert complaint(load, text).endswith(f"there is no {tmp_path}{told}")


def test_a_folder_that_may_not_be_listed_is_not_told_to_be_missing(
    load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.listdir", refuse)
    assert complaint(load, "zoo: nowhere\n" + GOOD).endswith(f"there is no {tmp_path}/nowhere")


def test_a_missing_zoo_is_told_by_its_key(load) -> None:
    assert "r.yaml:1:1: zoo: there is no" in complaint(load, "zoo: nowhere\n" + GOOD)


def test_a_part_that_does_not_take_its_options_is_told_with_its_place(
    load, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UserError("there is no such model")

    recipe = load()
    monkeypatch.setattr("tina_kit.recipe.component.import_attribute", lambda _: refuse)
    for part in (recipe.architecture.build, recipe.architecture.settings):
        with pytest.raises(UserError, match=r"^\S*r\.yaml:3:1: there is no such model$"):
            part()


def test_seeds_replace_the_recipes_own(load) -> None:
    assert load("seed: 7\n" + GOOD).core.seeds == (7,)
    assert load("seed: 7\n" + GOOD, seeds=[1, 2]).core.seeds == (1, 2)


def test_a_profile_overrides_and_a_set_overrides_the_profile(load) -> None:
    text = GOOD + "profiles:\n  tiny: {tasks.id: 5, generators.small.depth: 1}\n"
    recipe = load(text, profile="tiny", sets=["tasks.id=6"])
    assert (recipe.profile, recipe.sets) == ("tiny", ("tasks.id=6",))
    assert (recipe.tasks.options.id, recipe.generators[1].component.options.depth) == (6, 1)
    assert load(text).tasks.options.id == 1000
    assert "unknown profile 'tin'; did you mean 'tiny'?" in complaint(load, text, profile="tin")


def test_a_recipe_extends_another(load, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "b.yaml").write_text(GOOD + "profiles: {p: {tasks.id: 9}}\n")
    recipe = load(
        "extends: base/b.yaml\ntasks: {classes: 5}\nset: {generators.small.depth: 2}\n", profile="p"
    )
    assert recipe.core.name == "r"  # a run is named after its own file, not after its base
    assert (recipe.tasks.options.classes, recipe.tasks.options.id) == (5, 9)
    assert recipe.generators[1].component.options.depth == 2


def test_another_component_replaces_the_base_ones_options(load, tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(GOOD.replace("use: cnn", "use: cnn, widths: [8, 8]"))
    (tmp_path / "images").mkdir()
    recipe = load("extends: b.yaml\ndataset: {use: image-folder, root: images}\n")
    assert recipe.dataset.options.root == tmp_path / "images"
    assert recipe.architecture.options.widths == (8, 8)


def test_extending_nothing_or_oneself_is_told(load) -> None:
    assert "extends: there is no" in complaint(load, "extends: gone.yaml")
    assert "extend each other" in complaint(load, "extends: r.yaml")


def test_a_missing_recipe_is_told(registry, tmp_path: Path) -> None:
    (tmp_path / "nine.yaml").write_text(GOOD)
    with pytest.raises(UserError, match=r"^there is no \S+/none\.yaml; did you mean 'nine.yaml'\?"):
        load_recipe(tmp_path / "none.yaml", registry)


def test_paths_stay_out_of_cache_keys_and_content_goes_in(load, tmp_path: Path) -> None:
    def settings(folder: str) -> dict:
        for name in ("one", "two"):
            for index in range(5):
                image(tmp_path / folder / name / f"{index}.png", index)
        text = GOOD.replace("{use: shapes}", f"{{use: image-folder, root: {folder}}}")
        return load(text).dataset.settings()

    assert settings("a") == settings("b")
    image(tmp_path / "b" / "one" / "9.png", 9)
    assert (
        settings("a")
        != load(GOOD.replace("{use: shapes}", "{use: image-folder, root: b}")).dataset.settings()
    )


def image(path: Path, shade: int) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(path)


def test_a_local_file_serves_as_a_plugin(load, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from tina_kit.api import Component, Dataset, Options, hookimpl\n"
        "class DotsOptions(Options):\n    size: int = 3\n"
        "class Dots(Dataset):\n    class_names = load = None\n"
        "    def __init__(self, options): self.size = options.size\n"
        "@hookimpl\ndef tina_kit_components():\n"
        "    return [Component('dataset', 'dots', f'{__name__}:Dots', f'{__name__}:DotsOptions', "
        "'Dots.')]\n"
    )
    recipe = load("plugins: [mine.py]\n" + GOOD.replace("use: shapes", "use: dots, size: 4"))
    assert recipe.dataset.build().size == 4


def test_a_missing_extra_is_told_with_its_remedy(load, monkeypatch) -> None:
    monkeypatch.setattr("tina_kit.plugins.registry.find_spec", lambda name: None)
    told = complaint(load, GOOD.replace("hashed-ngrams", "sentence-transformer"))
    assert "needs sentence_transformers: pip install 'tina-kit[text]'" in told
