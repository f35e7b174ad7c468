"""Who may ask, and what the log says of them."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest

from tests.service.conftest import is_problem
from tina_kit.api import UserError
from tina_kit.service.logs import Log
from tina_kit.service.running import _to_log, listening, read_keys

KEY = "0123456789abcdef0123"


def test_with_keys_each_request_needs_one(serving) -> None:
    with serving(keys=["another-key-of-sixteen", KEY]) as client:
        away = {"Host": "service.example"}
        for wrong in ({}, {"Authorization": KEY}, {"Authorization": "Bearer " + KEY[:-1]}):
            answer = client.get("/v1/classes", headers={**away, **wrong})
            assert is_problem(answer, 401, "Authorization: Bearer KEY")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert is_problem(client.get("/metrics"), 401)
        assert is_problem(client.get("/nothing"), 401)
        right = {**away, "Authorization": f"Bearer {KEY}"}
        assert client.get("/v1/classes", headers=right).status_code == 200
        for free in ("/", "/health"):
            assert client.get(free, headers=away).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "", "[", "127.0.0.1.nip.io"])
def test_without_keys_it_answers_under_its_own_name_only(client, host) -> None:
    assert is_problem(client.get("/v1/classes", headers={"Host": host}), 403, "this machine only")


@pytest.mark.parametrize(
    "host", ["localhost:8000", "127.0.0.1", "127.0.1.1:80", "[::1]:8000", "LOCALHOST"]
)
def test_its_own_names_are_those_of_this_machine(client, host) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 200


def test_other_web_sites_cannot_ask_through_a_browser(client) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        answer = client.post("/v1/lookup", json={"names": ["a"]}, headers={"Origin": origin})
        assert is_problem(answer, 403, "other web sites")
    own = {"Origin": "http://127.0.0.1"}
    assert client.post("/v1/lookup", json={"names": ["a"]}, headers=own).status_code == 200


def test_the_log_has_no_user_text_unless_it_is_asked_for(serving) -> None:
    def ask(client) -> list[dict]:  # type: ignore[no-untyped-def]
        client.post("/v1/models", json={"classes": ["my secret", "blue star"]})
        client.post("/v1/models", json={"classes": ["my secret", "My Secret"]})
        client.get("/my secret?my=secret")
        return client.logged()  # type: ignore[no-any-return]

    with serving() as client:
        logged = ask(client)
        assert "secret" not in str(logged).lower() and "testclient" not in str(logged)
        facts = {"event": "request", "route": "/v1/models", "method": "POST", "status": 200}
        assert logged[0].items() >= {**facts, "classes": 2}.items()
        assert [each["status"] for each in logged] == [200, 422, 404]
        assert logged[0]["ms"] > 0 and logged[0]["received"] > 20
        assert "secret" not in client.get("/metrics").text
    with serving(names=True) as client:
        assert ask(client)[-1]["path"] == "/my secret"


def test_a_host_that_others_reach_needs_keys() -> None:
    for host in ("0.0.0.0", "::"):
        with pytest.raises(UserError, match="needs a file of keys"):
            listening(host, 0, [])
    for host in ("127.0.0.1", "localhost"):
        listening(host, 0, []).close()
    listening("0.0.0.0", 0, [KEY]).close()
    with pytest.raises(UserError, match="no such address"):
        listening("no such host.invalid", 0, [])


def test_a_file_of_keys_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"\n{KEY}\n  another-key-of-sixteen \n")
    assert read_keys(path) == [KEY, "another-key-of-sixteen"]
    path.write_bytes(b"\xef\xbb\xbf" + KEY.encode() + b"\r\n")
    assert read_keys(path) == [KEY]
    spoilt = ("0123456789\t0123456789", "0123456789\x010123456789", "schlüssel-mit-umlauten")
    for text in ("", "short", "a key with spaces in it", *spoilt):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match="key"):
            read_keys(path)
    with pytest.raises(UserError, match="no such file"):
        read_keys(tmp_path / "none")


def test_the_api_is_described_with_examples(client) -> None:
    told = client.get("/openapi.json").json()
    assert set(told["paths"]) == {
        "/health",
        "/metrics",
        "/v1/classes",
        "/v1/generators",
        "/v1/lookup",
        "/v1/models",
        "/v1/models/{id}",
        "/v1/models/{id}/file",
        "/v1/models/{id}/predict",
    }
    schemas = told["components"]["schemas"]
    assert schemas["ModelRequest"]["properties"]["classes"]["examples"][0][0] == "red circle"
    for place in told["paths"].values():
        for each in place.values():
            assert (
                each["summary"]
                and "application/problem+json" in (each["responses"]["422"]["content"])
            )
    example = {"classes": schemas["ModelRequest"]["properties"]["classes"]["examples"][0]}
    assert client.post("/v1/models", json=example).status_code == 200


@pytest.mark.parametrize("origin", ["http://[", "http://127.0.0.1\\@evil.example", "http://", ""])
def test_an_origin_that_is_no_address_is_another_site(client, origin) -> None:
    answer = client.get("/v1/classes", headers={"Origin": origin})
    assert is_problem(answer, 403, "other web sites")


def test_behind_a_proxy_the_page_may_ask_with_a_key(serving) -> None:
    """A proxy may put another Host; a site without a key cannot ask anyway."""
    told = {"Host": "backend:8000", "Origin": "https://service.example"}
    with serving(keys=[KEY]) as client:
        assert is_problem(client.get("/v1/classes", headers=told), 401)
        told["Authorization"] = f"Bearer {KEY}"
        assert client.get("/v1/classes", headers=told).status_code == 200


def test_keys_that_all_users_can_read_are_warned_of(tmp_path: Path, capsys) -> None:
    path = tmp_path / "keys"
    path.write_text(KEY)
    for mode, warned in ((0o640, False), (0o644, True)):
        path.chmod(mode)
        assert read_keys(path) == [KEY]
        told = capsys.readouterr().err
        assert ("can read these keys" in told) == warned and KEY not in told


def test_an_address_of_another_machine_is_told_as_such() -> None:
    with pytest.raises(UserError, match="this machine does not have this address"):
        listening("192.0.2.1", 0, [KEY])


@pytest.mark.parametrize("names", [False, True])
def test_what_libraries_log_is_a_line_of_json_as_well(names) -> None:
    stream = io.StringIO()
    with _to_log(Log(names, stream)):
        logging.getLogger("python_multipart.multipart").warning("Expected %r", "user text")
    told = json.loads(stream.getvalue())
    assert told.items() >= {"event": "server", "logger": "python_multipart.multipart"}.items()
    assert ("user text" in str(told)) == names
