"""Whatever in a recipe is a path follows one rule, however deep in an option it stands."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tina_kit.api import UserError
from tina_kit.plugins import discover
from tina_kit.recipe import load_recipe
from tina_kit.recipe.component import ResolvedComponent

RECIPE = """\
dataset: {use: shapes}
architecture: {use: cnn}
conditioner: {use: hashed-ngrams}
generators: [{use: generic}]
"""
PLUGIN = """\
from pathlib import Path
from typing import Annotated
from pydantic import BaseModel
from tina_kit.api import Component, Conditioner, Options, hookimpl

class Inner(BaseModel):
    file: Path
    size: int = 1

class HolderOptions(Options):
    one: Annotated[Path, "what it is for"] | None = None
    several: tuple[Path, ...] = ()
    pair: tuple[str, Path] = ("a", Path("b"))
    by_name: dict[str, Path] = {}
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()
    model: str | Path = "a-name"
    text: str = ""
    texts: tuple[str, ...] = ()

class Holder(Conditioner):
    width = 1
    def __init__(self, options): self.options = options
    def embed(self, prompts): raise NotImplementedError

@hookimpl
def tina_kit_components():
    return [Component("conditioner", "holder", f"{__name__}:Holder", f"{__name__}:HolderOptions",
                      "Holds paths.")]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder; the recipe's folder and the working directory are others."""
    for name in ("home", "elsewhere", "recipe"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    for folder, name in (("home", "here"), ("recipe", "there"), ("elsewhere", "cwd")):
        (tmp_path / folder / name).write_text("x")
    (tmp_path / "recipe" / "holder.py").write_text(PLUGIN)
    return tmp_path / "home"


@pytest.fixture
def load(home: Path, tmp_path: Path):
    def load(text: str, **options: Any):
        path = tmp_path / "recipe" / "r.yaml"
        path.write_text(text)
        return load_recipe(path, discover(), **options)

    return load


@pytest.fixture
def held(load):
    """The part of a recipe whose conditioner holds paths in its options."""

    def held(options: str, **more: Any) -> ResolvedComponent:
        text = RECIPE.replace("{use: hashed-ngrams}", f"{{use: holder, {options}}}")
        return load("plugins: [holder.py]\n" + text, **more).conditioner

    return held


# An option that holds PATH, and how to find it there.
PLACES = [
    ("one: PATH", lambda o: o.one),
    ("several: [there, PATH]", lambda o: o.several[1]),
    ("pair: [$x, PATH]", lambda o: o.pair[1]),
    ("by_name: {a: PATH}", lambda o: o.by_name["a"]),
    ("inner: {file: PATH}", lambda o: o.inner.file),
    ("inners: [{file: PATH}]", lambda o: o.inners[0].file),
    ("model: PATH", lambda o: o.model),
]
TEXT = pytest.mark.skipif(
    find_spec("sentence_transformers") is None, reason="the extra `text` is not installed"
)
EACH = pytest.mark.parametrize(("option", "found"), PLACES, ids=[p[0][:8] for p in PLACES])


@EACH
def test_a_path_is_relative_to_the_recipe_or_to_the_home_folder(
    held, home: Path, tmp_path: Path, option: str, found
) -> None:
    for text, path in [
        ("there", tmp_path / "recipe" / "there"),
        ("./there", tmp_path / "recipe" / "there"),
        ("../recipe/there", tmp_path / "recipe" / "there"),
        ("~/here", home / "here"),
        (str(home / "here"), home / "here"),
    ]:
        assert found(held(option.replace("PATH", text)).options) == path


@EACH
@pytest.mark.parametrize("text", ["$HOME/here", "${HOME}/here", "/tmp/$USER"])
def test_a_variable_in_a_path_is_refused_with_its_place(held, option: str, found, text) -> None:
    with pytest.raises(UserError, match=r"r\.yaml:4:\d+: conditioner\.\w+.*: variables such as"):
        held(option.replace("PATH", f'"{text}"'))


@EACH
def test_a_path_to_nothing_is_refused(held, tmp_path: Path, option: str, found) -> None:
    with pytest.raises(UserError, match=rf"there is no {tmp_path}/recipe/cwd"):
        held(option.replace("PATH", "./cwd"))


@EACH
def test_paths_stay_out_of_cache_keys(held, home: Path, option: str, found) -> None:
    first, second = (held(option.replace("PATH", text)) for text in ("there", "~/here"))
    assert first.options != second.options
    assert first.settings() == second.settings()


def test_what_stands_beside_a_path_goes_into_cache_keys(held) -> None:
    for options in ("inner: {file: there, size: SIZE}", "inners: [{file: there, size: SIZE}]"):
        one, two = (held(options.replace("SIZE", size)).settings() for size in "12")
        assert one != two


def test_texts_are_no_paths(held) -> None:
    options = held('text: ~/here, texts: [$HOME, there], model: "my/name"').options
    assert (options.text, options.texts) == ("~/here", ("$HOME", "there"))
    assert options.model == "my/name" and isinstance(options.model, str)


def test_an_option_that_is_sometimes_a_path_is_one_where_something_has_its_name(
    held, tmp_path: Path
) -> None:
    for text, kind in (("there", Path), ("cwd", str), ("./there", Path), ("a-name", str)):
        assert isinstance(held(f"model: {text}").options.model, kind)
    assert held("model: a-name").settings()["options"]["model"] == "a-name"


def test_set_is_relative_to_the_working_directory(held, tmp_path: Path, home: Path) -> None:
    def chosen(text: str) -> Any:
        return held("size: 1" if "size" in text else "one: there", sets=[text]).options.one

    assert chosen("conditioner.one=cwd") == tmp_path / "elsewhere" / "cwd"
    assert chosen("conditioner.one=~/here") == home / "here"
    with pytest.raises(UserError, match=r"^--set conditioner.one=\$HOME/here: .*variables"):
        chosen("conditioner.one=$HOME/here")


@pytest.mark.parametrize("key", ["plugins: [PATH]", "extends: PATH", "zoo: PATH"])
def test_every_key_of_a_recipe_that_is_a_path_follows_the_rule(
    load, home: Path, tmp_path: Path, key: str
) -> None:
    named = home / "named"
    named.write_text(PLUGIN if "plugins" in key else "tasks: {classes: 3}\n")
    named = named.rename(home / "named.py")
    load(key.replace("PATH", "~/named.py") + "\n" + RECIPE)
    with pytest.raises(UserError, match=r"r\.yaml:1:\d+: \w+: \$HOME/named.py: variables"):
        load(key.replace("PATH", "$HOME/named.py") + "\n" + RECIPE)


def test_a_resolved_recipe_in_a_folder_with_a_dollar_is_read_again(
    tmp_path: Path, home: Path
) -> None:
    folder = tmp_path / "a$b"
    (folder / "images").mkdir(parents=True)
    path = folder / "r.yaml"
    path.write_text(RECIPE.replace("{use: shapes}", "{use: image-folder, root: images}"))
    root = load_recipe(path, discover()).plain()["dataset"]["root"]
    assert root == str(folder / "images")
    path.write_text(RECIPE.replace("{use: shapes}", f"{{use: image-folder, root: {root}}}"))
    assert load_recipe(path, discover()).dataset.options.root == folder / "images"


@TEXT
def test_a_sentence_model_in_a_folder_is_relative_to_the_recipe(load, tmp_path: Path) -> None:
    encoder = tmp_path / "recipe" / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text("{}")

    def conditioner(model: str) -> ResolvedComponent:
        use = f"{{use: sentence-transformer, model: {model}}}"
        return load(RECIPE.replace("{use: hashed-ngrams}", use)).conditioner

    part = conditioner("./encoder")
    assert part.options.model == encoder
    assert part.build().files() == {"config.json": encoder / "config.json"}
    assert part.plain()["model"] == str(encoder)
    before = part.settings()
    assert before == conditioner("encoder").settings()
    (encoder / "config.json").write_text('{"other": 1}')
    assert conditioner("./encoder").settings() != before


@TEXT
def test_a_name_on_the_hub_never_loads_what_lies_in_the_working_directory(
    load, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere" / "org").mkdir()
    (tmp_path / "elsewhere" / "org" / "model").mkdir()
    use = "{use: sentence-transformer, model: org/model}"
    part = load(RECIPE.replace("{use: hashed-ngrams}", use)).conditioner
    with pytest.raises(UserError, match="names a model on the hub, but also"):
        part.settings()
