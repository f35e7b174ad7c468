"""Classes become p-Models that are, to the last bit, those of the offline command."""

from __future__ import annotations

import io
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tina_kit
from tests.service.conftest import is_problem, picture
from tina_kit.cli.app import invoke
from tina_kit.service import batching
from tina_kit.service.limits import Limits
from tina_kit.zoo.pmodel import load_bytes

NAMES = ["red circle", "blue star", "a blue whale"]


def made(client, classes, **more):  # type: ignore[no-untyped-def]
    answer = client.post("/v1/models", json={"classes": classes, **more})
    assert answer.status_code == 200, answer.text
    return answer


def test_the_file_is_the_offline_commands(client, bundle: Path, tmp_path: Path) -> None:
    words = [word for name in NAMES for word in ("--class", name)]
    assert invoke(["generate", str(bundle), *words, "-o", str(tmp_path / "m.safetensors")]) == 0
    file = (tmp_path / "m.safetensors").read_bytes()
    for _ in range(2):  # the second comes from the cache
        answer = made(client, ["red  circle", *NAMES[1:]], format="safetensors")
        assert answer.content == file
    described = made(client, NAMES).json()
    assert answer.headers["x-model-id"] == described["id"] and described["bytes"] == len(file)
    again = client.get(f"/v1/models/{described['id']}/file")
    assert again.content == file
    assert client.get(f"/v1/models/{described['id']}").json()["classes"] == described["classes"]


def test_who_asks_at_the_same_time_gets_what_who_asks_alone_does(serving, generator) -> None:
    choice = random.Random(1)
    names = [*generator.source.class_names, "a blue whale", "salt, pepper"]
    lists = [choice.sample(names, choice.choice([2, 3, 10])) for _ in range(40)]
    alone = {json.dumps(each): generator.generate(each).content() for each in lists}
    asked = [*lists, ["red circle"], ["dog", "DOG"], *lists]
    with serving() as client, ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(
                lambda classes: client.post(
                    "/v1/models", json={"classes": classes, "format": "safetensors"}
                ),
                asked,
            )
        )
        for classes, answer in zip(asked, answers):
            if len(classes) == 1 or classes[0] == "dog":
                assert is_problem(answer, 422)
            else:
                assert answer.content == alone[json.dumps(classes)]
        text = client.get("/metrics").text
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    asked_for, batches = (
        float(figures[f"tina_kit_batch_size_{each}"]) for each in ("sum", "count")
    )
    assert float(figures["tina_kit_p_models_total"]) == len(alone)  # the rest was there
    assert asked_for == len(alone) + 1 and batches < asked_for  # one has a wrong name


def test_the_description_says_what_is_known_near_or_strange(client) -> None:
    told = made(client, ["Red_Circle", "circle of red", "qqqq"]).json()
    assert [each["status"] for each in told["classes"]] == ["known", "near", "strange"]
    assert told["classes"][0]["known_as"] == "red circle" and told["generator"] == "tina-dit"
    assert told["classes"][1]["nearest"][0]["name"] == "red circle"
    assert told["info"]["unseen"] == ["circle of red", "qqqq"]
    answer = client.post("/v1/models", json={"classes": ["red circle", "qqqq"], "strict": True})
    assert is_problem(answer, 422, "qqqq", "less similar to every seen class", "without `strict`")
    made(client, ["red circle", "qqqq"])
    again = client.post("/v1/models", json={"classes": ["red circle", "qqqq"], "strict": True})
    assert is_problem(again, 422)


def test_images_get_the_probabilities_of_the_p_model(client, generator) -> None:
    model = generator.generate(NAMES)
    number = made(client, NAMES).json()["id"]
    photos = {"a.png": picture(), "b.jpg": picture(200, 90, "blue", "JPEG")}
    files = [("image", each) for each in photos.items()]
    answer = client.post(f"/v1/models/{number}/predict?top=2", files=files).json()
    assert [each["image"] for each in answer["images"]] == list(photos)
    assert answer["selection"] is False  # there is no row for a blue whale
    one = client.post(
        f"/v1/models/{number}/predict",
        content=photos["a.png"],
        headers={"Content-Type": "image/png"},
    ).json()
    assert len(one["images"][0]["top"]) == 3
    pixels = [Image.new("RGB", (40, 30), "red")]
    best = model.topk(pixels, 3)[0]
    assert [(each["class"], each["probability"]) for each in one["images"][0]["top"]] == best
    assert [each["class"] for each in answer["images"][0]["top"]] == [name for name, _ in best[:2]]


def test_a_large_photograph_is_taken(client) -> None:
    number = made(client, NAMES).json()["id"]
    noise = np.random.default_rng(0).integers(0, 256, (1300, 1500, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG", compress_level=0)
    place, headers = f"/v1/models/{number}/predict", {"Content-Type": "application/octet-stream"}
    answer = client.post(place, content=file.getvalue(), headers=headers)
    assert answer.status_code == 200 and len(file.getvalue()) > 5 << 20
    form = client.post(place, files=[("image", ("photo.png", file.getvalue()))])
    assert form.json()["images"][0]["top"] == answer.json()["images"][0]["top"]


def test_classifier_selection_answers_beside_it(client, finished) -> None:
    classes = NAMES[:2]
    number = made(client, classes).json()["id"]
    answer = client.post(
        f"/v1/models/{number}/predict?compare=true",
        content=picture(),
        headers={"Content-Type": "image/png"},
    ).json()
    assert answer["selection"] is True
    run = tina_kit.open_run(finished[2])
    other = run.generator("classifier-selection").generate(classes)
    best = other.topk([Image.new("RGB", (40, 30), "red")], 2)[0]
    found = [(each["class"], each["probability"]) for each in answer["images"][0]["selection"]]
    assert [name for name, _ in found] == [name for name, _ in best]
    assert [share for _, share in found] == pytest.approx([share for _, share in best], abs=1e-6)


@pytest.mark.slow
def test_exports_are_made_in_another_process_and_kept(client, generator, tmp_path: Path) -> None:
    import onnxruntime

    number = made(client, NAMES).json()["id"]
    html = client.get(f"/v1/models/{number}/file?format=html")
    assert html.status_code == 200 and b"<!doctype html>" in html.content[:100].lower()
    assert html.headers["content-security-policy"].startswith("sandbox")
    assert "attachment" in html.headers["content-disposition"]
    onnx = made(client, NAMES, format="onnx")
    session = onnxruntime.InferenceSession(onnx.content)
    images = torch.randint(0, 256, (2, 3, 40, 50), dtype=torch.uint8)
    found = session.run(None, {"images": images.numpy()})[0]
    wanted = generator.generate(NAMES).as_module()(images).detach()
    assert torch.from_numpy(found).allclose(wanted, atol=1e-5)
    assert client.get(f"/v1/models/{number}/file?format=onnx").content == onnx.content


def test_the_cache_forgets_what_was_used_last_long_ago(serving, generator) -> None:
    with serving(Limits(cache_bytes=1)) as client:
        first = made(client, NAMES).json()["id"]
        assert client.get(f"/v1/models/{first}").status_code == 200
        made(client, NAMES[:2])
        assert is_problem(client.get(f"/v1/models/{first}/file"), 404, "make it again")
        assert "tina_kit_cached_p_models 1.0" in client.get("/metrics").text
        assert made(client, NAMES).json()["id"] == first


def test_names_are_looked_up_while_they_are_typed(client, generator) -> None:
    names = ["RED circle", "circle of red", "qqqq", "red_circle", " ", "<->"]
    found = client.post("/v1/lookup", json={"names": names}).json()
    kinds = ["known", "near", "strange", "wrong", "wrong", "wrong"]
    assert [each["status"] for each in found] == kinds
    assert found[3]["problem"] == "the same class as name 1"
    assert "name 5" in found[4]["problem"] and "stands for an absent class" in found[5]["problem"]
    classes = client.get("/v1/classes").json()["classes"]
    assert [each["name"] for each in classes] == list(generator.source.class_names)
    assert all(each["seen"] for each in classes)
    [told] = client.get("/v1/generators").json()["generators"]
    assert told["name"] == "tina-dit" and told["classes"] == 100
    assert told["expected"]["tasks"] == 6 and "by_class" not in told["expected"]


def test_two_bundles_have_names_of_their_own(generator) -> None:
    from tina_kit.service.running import named

    assert list(named([generator])) == ["tina-dit"]
    assert list(named([generator, generator])) == ["tiny/tina-dit", "tiny/tina-dit 2"]


def test_a_run_folder_answers_as_its_bundle_does(finished, generator) -> None:
    from fastapi.testclient import TestClient

    from tina_kit.service.serving import app_of

    run = tina_kit.open_run(finished[2])
    app = app_of([run.generator("tina-dit"), run.generator("classifier-selection")])
    with TestClient(app, base_url="http://localhost:8000") as client:
        asked = {"classes": NAMES, "format": "safetensors"}
        content = client.post("/v1/models", json=asked).content
        assert load_bytes(content).metadata == generator.generate(NAMES).metadata
        assert content == generator.generate(NAMES).content()
        other = {**asked, "generator": "classifier-selection"}
        assert is_problem(client.post("/v1/models", json=other), 422, "a blue whale")
        assert is_problem(
            client.post("/v1/models", json={**asked, "generator": "nobody"}),
            422,
            "one of: tina-dit, classifier-selection",
        )


def test_memory_that_p_models_were_made_in_is_returned(serving, monkeypatch) -> None:
    returned = []
    monkeypatch.setattr(batching, "return_freed_memory", lambda: returned.append(1))
    with serving() as client:
        size = len(made(client, NAMES, format="safetensors").content)
        assert not returned
        monkeypatch.setattr(batching, "_RETURN", 3 * size)
        for number in range(5):
            made(client, [*NAMES, f"another {number}"])
    assert len(returned) == 2
