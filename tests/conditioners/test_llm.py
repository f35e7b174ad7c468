"""Sentences of a language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tina_conditioners.llm import answers_folder

from tests.conditioners.language_model import KEY, TEXT, Endpoint, answers, made
from tina_kit.api import TinaKitError, UserError


def test_a_class_is_embedded_by_the_models_sentence(endpoint: Endpoint) -> None:
    endpoint.script = ['  "A round\n fruit." ']
    rows = made(endpoint).embed(["apple", "<->"])
    assert torch.equal(rows, TEXT.embed(["A round fruit.", "<->"]))
    ((path, body, headers),) = endpoint.requests
    assert path == "/v1/chat/completions"
    assert body["model"] == "gpt-4" and body["temperature"] == 0
    assert len(body["messages"]) == 1 and "what a apple looks" in body["messages"][0]["content"]
    assert headers["Authorization"] == f"Bearer {KEY}"


def test_no_class_is_asked_for_twice(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(endpoint).embed(["apple", "apple", "pear"])
    assert len(endpoint.requests) == 2
    monkeypatch.delenv("OPENAI_API_KEY")  # nor is a key needed
    assert torch.equal(made(endpoint).embed(["apple", "apple", "pear"]), first)
    assert len(endpoint.requests) == 2


def test_another_model_or_prompt_is_asked_anew(endpoint: Endpoint) -> None:
    made(endpoint).embed(["apple"])
    made(endpoint, model="another").embed(["apple"])
    made(endpoint, prompt="What is {}?").embed(["apple"])
    assert len(endpoint.requests) == 3 and len(answers()) == 3


def test_the_key_is_kept_nowhere(endpoint: Endpoint) -> None:
    conditioner = made(endpoint)
    conditioner.embed(["apple"])
    (answer,) = answers()
    assert KEY not in answer.read_text(encoding="utf-8")
    assert KEY not in repr(vars(conditioner)) + conditioner.options.model_dump_json()
    assert conditioner.fingerprint() == ""


def test_passing_trouble_is_waited_out(endpoint: Endpoint) -> None:
    endpoint.script = [500, 429, "Fine."]
    assert torch.equal(made(endpoint).embed(["apple"]), TEXT.embed(["Fine."]))
    assert len(endpoint.requests) == 3


def test_pauses_between_attempts_grow(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("tina_conditioners.chat.time.sleep", pauses.append)
    endpoint.script = [500, 503, 502]
    made(endpoint, retries=3, backoff=0.5).embed(["apple"])
    assert pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("entry", "trouble"),
    [(503, "status 503"), (0.4, "timed out"), (b"<html>", "is not JSON"), (b"{}", "not a chat")],
)
def test_lasting_trouble_is_told_and_nothing_is_kept(
    endpoint: Endpoint, entry: Any, trouble: str
) -> None:
    endpoint.script = [entry, entry]
    with pytest.raises(
        TinaKitError, match=rf"no answer after 2 attempts, the last failed with: .*{trouble}"
    ):
        made(endpoint, retries=1, timeout=0.1 if entry == 0.4 else 5.0).embed(["apple"])
    assert not answers()


def test_an_endpoint_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(
        TinaKitError, match=r"no answer after 1 attempts, the last failed with: .*refused"
    ):
        made(Endpoint("http://127.0.0.1:9"), retries=0).embed(["apple"])


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "the key in OPENAI_API_KEY was rejected"), (404, "Check `endpoint`, `model` .'gpt-4'.")],
)
def test_a_refusal_is_the_users_and_not_retried(
    endpoint: Endpoint, status: int, message: str
) -> None:
    endpoint.script = [status]
    with pytest.raises(UserError, match=message) as told:
        made(endpoint).embed(["apple"])
    assert len(endpoint.requests) == 1 and KEY not in str(told.value)


def test_a_missing_key_is_told_before_anything_is_sent(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match=r"OPENAI_API_KEY with .* is not set"):
        made(endpoint).embed(["apple"])
    assert not endpoint.requests
    made(endpoint, key_variable=None).embed(["apple"])
    assert "Authorization" not in endpoint.requests[0][2]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (" \n", "says nothing"),
        ("...", "says nothing"),
        ("A maple, seen from afar.", "uses 'maple'"),
        ("One of the Trees that turn red.", "uses 'tree'"),
        ("very " * 41, "is longer than 40 words"),
    ],
)
def test_nonsense_is_refused_with_the_reason_and_asked_again(
    endpoint: Endpoint, answer: str, reason: str
) -> None:
    endpoint.script = [answer, "It turns red in autumn."]
    rows = made(endpoint).embed(["maple tree"])
    assert torch.equal(rows, TEXT.embed(["It turns red in autumn."]))
    assert len(answers()) == 1
    assert reason in endpoint.requests[1][1]["messages"][-1]["content"]


def test_lasting_nonsense_is_told_for_all_classes_and_not_kept(endpoint: Endpoint) -> None:
    endpoint.script = ["Apples.", "Apples.", "Red.", "", "", "", ""]
    told = r"'apple' \(uses 'apple'\), 'pear', 'fig' \(says nothing\)\. Change"
    with pytest.raises(TinaKitError, match=told):
        made(endpoint, retries=1).embed(["apple", "cherry", "pear", "fig"])
    assert len(answers()) == 1  # the cherry's


def test_an_answer_that_is_broken_on_disk_is_asked_for_again(endpoint: Endpoint) -> None:
    made(endpoint).embed(["apple"])
    (answer,) = answers()
    for broken in ("", "[]", '{"sentence": ""}'):
        answer.write_text(broken, encoding="utf-8")
        endpoint.script = ["Red."]
        assert torch.equal(made(endpoint).embed(["apple"]), TEXT.embed(["Red."]))
    assert len(endpoint.requests) == 4 and len(answers()) == 1


def test_answers_lie_beside_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answers_folder() == tmp_path / "store-descriptions"
    monkeypatch.delenv("TINA_KIT_STORE")
    assert answers_folder().parts[-2:] == ("tina-kit", "store-descriptions")
