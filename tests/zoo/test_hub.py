"""Bundles go to the Hugging Face Hub and come back, and every failure is one message."""

from __future__ import annotations

import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from huggingface_hub import constants

import tina_kit
from tests.zoo.hub_stand_in import TOKEN, Hub, commit_of, hub
from tina_kit.api import UserError
from tina_kit.cli.app import invoke
from tina_kit.zoo.hub import Place

PLACE = "hf:somebody/shapes"


@pytest.fixture(autouse=True)
def _nobody_s_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the user's token nor cache, and files by LFS, which the stand-in speaks."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def point_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hub() as state:
        point_to(state.address, monkeypatch)
        yield state


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command says that must fail with one message."""
    assert invoke(["bundle", *map(str, words)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and "Traceback" not in told and told.count("\n") == 1
    return told


def test_what_is_pulled_is_what_was_pushed(there, bundle, tmp_path: Path, capsys) -> None:
    assert invoke(["bundle", "push", str(bundle), PLACE]) == 0
    assert f"{PLACE}: pushed: {there.address}/somebody/shapes/commit/" in capsys.readouterr().err
    assert {"README.md", "bundle.tina"} <= set(there.repositories["somebody/shapes"][-1])
    assert any("lfs/objects/batch" in asked for asked in there.asked)
    copy = tmp_path / "copy.tina"
    assert invoke(["bundle", "pull", PLACE, "-o", str(copy)]) == 0
    assert copy.read_bytes() == bundle.read_bytes()
    names = ["red circle", "blue star"]
    models = [tina_kit.load_generator(path).generate(names).content() for path in (bundle, copy)]
    assert models[0] == models[1]
    assert {path.name for path in tmp_path.iterdir()} == {"copy.tina"}


def test_the_readme_is_the_card_with_what_the_hub_reads(there, bundle) -> None:
    tina_kit.push_bundle(bundle, PLACE)
    text = there.repositories["somebody/shapes"][-1]["README.md"].decode()
    _, front, card = text.split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["library_name"] == "tina-kit" and "text-to-model" in facts["tags"]
    assert facts["pipeline_tag"] == "image-classification"
    assert card.strip().startswith("# tiny") and "expected p-Acc" in card
    assert f"tina-kit bundle pull {PLACE} -o bundle.tina" in card


def test_a_second_push_is_a_new_version_and_the_first_can_be_had(
    there, bundle, finished, tmp_path: Path
) -> None:
    tina_kit.push_bundle(bundle, PLACE)
    tina_kit.bundle(finished[2], tmp_path / "other.tina", licence="CC0")
    tina_kit.push_bundle(tmp_path / "other.tina", PLACE)
    tina_kit.pull_bundle(PLACE, tmp_path / "new.tina")
    tina_kit.pull_bundle(f"{PLACE}@{commit_of(2)}", tmp_path / "old.tina")
    assert (tmp_path / "new.tina").read_bytes() == (tmp_path / "other.tina").read_bytes()
    assert (tmp_path / "old.tina").read_bytes() == bundle.read_bytes()


def test_a_private_one_is_for_its_owner(there, bundle, tmp_path: Path, monkeypatch, capsys) -> None:
    assert invoke(["bundle", "push", str(bundle), PLACE, "--private"]) == 0
    assert there.private == {"somebody/shapes"}
    monkeypatch.delenv("HF_TOKEN")
    capsys.readouterr()
    told = refused(capsys, "pull", PLACE, "-o", tmp_path / "x.tina")
    assert "no such model on the Hub, or it is private" in told
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert invoke(["bundle", "pull", PLACE, "-o", str(tmp_path / "x.tina")]) == 0


def test_without_a_token_nothing_is_asked(there, bundle, monkeypatch, capsys) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert "no token to write to the Hub with" in refused(capsys, "push", bundle, PLACE)
    assert there.asked == []


def test_a_refused_token_is_told(there, bundle, monkeypatch, capsys) -> None:
    told = refused(capsys, "push", bundle, "hf:somebody-else/shapes")
    assert "not pushed: the Hub refuses the token (HTTP 403)" in told
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    told = refused(capsys, "push", bundle, PLACE)
    assert "the token in HF_TOKEN" in told or "refuses the token (HTTP 401)" in told
    assert "hf_expired" not in told


def test_what_is_not_there_is_told(there, bundle, tmp_path: Path, capsys) -> None:
    output = tmp_path / "x.tina"
    assert "no such model on the Hub" in refused(capsys, "pull", PLACE, "-o", output)
    there.repositories["somebody/shapes"] = [{"README.md": b"hello"}]
    assert "it has no bundle.tina" in refused(capsys, "pull", PLACE, "-o", output)
    told = refused(capsys, "pull", f"{PLACE}@v7", "-o", output)
    assert f"{PLACE}@v7: not pulled: it has no version v7" in told
    assert not output.exists()


def test_a_damaged_file_replaces_nothing(there, bundle, tmp_path: Path, capsys) -> None:
    tina_kit.push_bundle(bundle, PLACE)
    output, whole = tmp_path / "x.tina", bundle.read_bytes()
    output.write_bytes(b"mine")
    altered = bytearray(whole)
    altered[len(whole) // 2] ^= 0x55
    there.damage["bundle.tina"] = bytes(altered)
    told = refused(capsys, "pull", PLACE, "-o", output)
    assert told.startswith(f"error: {PLACE}: ") and "damaged" in told
    there.damage["bundle.tina"] = b"<html>hello</html>" + whole[18:]
    assert "not a bundle, or a damaged one" in refused(capsys, "pull", PLACE, "-o", output)
    assert output.read_bytes() == b"mine"
    assert {path.name for path in tmp_path.iterdir()} == {"x.tina"}


def test_a_hub_in_trouble_is_told(there, bundle, tmp_path: Path, capsys) -> None:
    there.answer = 418  # others of its kind are asked again and again, for a minute
    told = refused(capsys, "push", bundle, PLACE)
    assert "the Hub answers with an error (HTTP 418)" in told
    told = refused(capsys, "pull", PLACE, "-o", tmp_path / "x.tina")
    assert "HTTP 418" in told


def test_no_network_is_told(bundle, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # it tries again, for half a minute
    with socket.socket() as nobody:  # bound, but nobody listens
        nobody.bind(("127.0.0.1", 0))
        point_to(f"http://127.0.0.1:{nobody.getsockname()[1]}", monkeypatch)
        assert "the Hub cannot be reached" in refused(capsys, "push", bundle, PLACE)
        told = refused(capsys, "pull", PLACE, "-o", tmp_path / "x.tina")
        assert "the Hub cannot be reached" in told
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for words in (("push", bundle, PLACE), ("pull", PLACE, "-o", tmp_path / "x.tina")):
        assert "HF_HUB_OFFLINE is set" in refused(capsys, *words)


@pytest.mark.parametrize(
    "text",
    ["somebody/shapes", "hf:shapes", "hf:a/b/c", "hf:../x", "hf:a/b@", "hf:a/b c", "hf:", ""],
)
def test_what_is_no_place_is_refused(bundle, capsys, text: str) -> None:
    assert "write hf:OWNER/NAME" in refused(capsys, "push", bundle, text)


def test_a_place_may_name_a_version(bundle) -> None:
    assert Place.read("hf:a/b@refs/pr/1") == Place("a/b", "refs/pr/1")
    with pytest.raises(UserError, match="leave out the @"):
        tina_kit.push_bundle(bundle, f"{PLACE}@v1")


def test_what_is_no_bundle_is_not_pushed(there, bundle, tmp_path: Path, capsys) -> None:
    (tmp_path / "x.tina").write_text("hello")
    assert "not a bundle" in refused(capsys, "push", tmp_path / "x.tina", PLACE)
    assert "there is no such file" in refused(capsys, "push", tmp_path / "none.tina", PLACE)
    with zipfile.ZipFile(bundle) as whole, zipfile.ZipFile(tmp_path / "y.tina", "w") as altered:
        for name in whole.namelist():
            altered.writestr(name, b"\xff\xfe\xfd" if name == "README.md" else whole.read(name))
    told = refused(capsys, "push", tmp_path / "y.tina", PLACE)
    assert "y.tina: not a bundle, or a damaged one: README.md: " in told
    assert there.asked == []
    told = refused(capsys, "pull", PLACE, "-o", tmp_path / "none" / "x.tina")
    assert "there is no folder" in told and there.asked == []


def test_a_run_folder_comes_after_bundle_as_ever(finished, tmp_path: Path, capsys) -> None:
    assert invoke(["bundle", "-o", str(tmp_path / "a.tina"), str(finished[2])]) == 0
    assert invoke(["bundle", "make", str(finished[2]), "-o", str(tmp_path / "b.tina")]) == 0
    assert (tmp_path / "a.tina").read_bytes() == (tmp_path / "b.tina").read_bytes()
    assert invoke(["bundle", "--help"]) == 0
    told = capsys.readouterr().out
    assert "tina-kit bundle RUN -o FILE" in " ".join(told.split()) and "push" in told
    assert invoke(["bundle"]) == 0
