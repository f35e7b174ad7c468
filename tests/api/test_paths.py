"""`~` expands and a remaining `$` is refused, wherever a path comes from."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from tina_kit.api import UserError, cache_folder, environment_path, user_path
from tina_kit.store import Store


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "path"),
    [("~", "."), ("~/data", "data"), ("~/a/../b", "a/../b")],
)
def test_the_home_folder_expands(home: Path, text: str, path: str) -> None:
    assert user_path(text) == user_path(Path(text)) == home / path


def test_another_users_home_folder_expands() -> None:
    assert user_path("~root/data") == Path("~root").expanduser() / "data"
    with pytest.raises(UserError, match=r"^~no-such-user/data: the home folder ~no-such-user is"):
        user_path("~no-such-user/data")


@pytest.mark.parametrize("text", ["data", "./~", "a/~b", "../x", "/data/imgs", "file~"])
def test_other_paths_stay_as_they_are(text: str) -> None:
    assert user_path(text) == Path(text)


@pytest.mark.parametrize("text", ["$HOME/data", "${HOME}", "/scratch/$USER/x", "a$b", "~/$X"])
def test_a_remaining_variable_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"variables such as \$HOME are not expanded") as caught:
        user_path(text)
    assert str(caught.value).startswith(text)


def test_an_absolute_path_that_exists_may_hold_a_dollar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a$b").mkdir()
    assert user_path(tmp_path / "a$b") == tmp_path / "a$b"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        user_path("a$b")


def test_a_nul_character_is_refused_without_being_printed() -> None:
    with pytest.raises(UserError, match=r"^'a\\x00b': a path cannot contain a NUL character$"):
        user_path("a\0b")


def test_an_environment_variable_is_named_in_the_message(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TINA_KIT_DATA", raising=False)
    assert environment_path("TINA_KIT_DATA") is None
    monkeypatch.setenv("TINA_KIT_DATA", "")
    assert environment_path("TINA_KIT_DATA") is None
    monkeypatch.setenv("TINA_KIT_DATA", "~/data")
    assert environment_path("TINA_KIT_DATA") == home / "data"
    monkeypatch.setenv("TINA_KIT_DATA", "$HOME/data")
    with pytest.raises(UserError, match=r"^TINA_KIT_DATA: \$HOME/data: variables"):
        environment_path("TINA_KIT_DATA")


def test_all_that_is_kept_has_one_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "disk").mkdir()
    (home / "link").symlink_to("disk")
    monkeypatch.setenv("TINA_KIT_STORE", "~/link/mine")
    assert cache_folder() == home / "disk" / "mine" == Store.default().root
    assert cache_folder("descriptions") == home / "disk" / "mine-descriptions"
    monkeypatch.delenv("TINA_KIT_STORE")
    cache = platformdirs.user_cache_path("tina-kit")
    assert cache_folder() == cache / "store" == Store.default().root
    assert cache_folder("descriptions") == cache / "store-descriptions"
    monkeypatch.setenv("TINA_KIT_STORE", "$HOME/store")
    with pytest.raises(UserError, match=r"^TINA_KIT_STORE: "):
        cache_folder("descriptions")
