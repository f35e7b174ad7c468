"""Runs on machines that share nothing but an address."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import tina_kit
from tests.conftest import RECIPE
from tina_kit.api import UserError
from tina_kit.cli.app import invoke
from tina_kit.pipeline import findings
from tina_kit.pipeline.record import maker
from tina_kit.pipeline.workers.job import check_store, job_of, sees, token_in
from tina_kit.pipeline.workers.nodes import looked_around
from tina_kit.pipeline.workers.worker import Teller, Worker
from tina_kit.store import Store


def upload(store: Path, there: Path) -> None:
    """As if runs with that store had uploaded all of it."""
    for stage in (path for path in store.iterdir() if not path.name.startswith(".")):
        shutil.copytree(stage, there / stage.name)


@pytest.fixture
def machine(monkeypatch, tmp_path: Path) -> Any:
    """`machine(name, address)` makes this an empty machine; returns the words of a run."""
    (tmp_path / "tiny.yaml").write_text(RECIPE, encoding="utf-8")

    def become(name: str, address: str, *words: str) -> list[str]:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name / "cache"))
        monkeypatch.setenv("TINA_KIT_STORE", address)
        output = str(tmp_path / name / "runs")
        return ["run", str(tmp_path / "tiny.yaml"), "--output", output, *words]

    return become


def record(folder: Path) -> tuple[dict[str, Any], bytes]:
    """`run.json` of the only run of a machine, and the bytes of its results."""
    [file] = folder.glob("runs/tiny/*/run.json")
    return json.loads(file.read_text()), (file.parent / "results.json").read_bytes()


def states(told: dict[str, Any]) -> Counter[str]:
    return Counter(stage["state"] for stage in told["stages"])


def test_an_empty_machine_computes_nothing_that_is_at_the_address(
    finished, machine, tmp_path: Path, capsys
) -> None:
    upload(finished[1], tmp_path / "far")
    address = f"file://{tmp_path}/far"
    words = machine("new", address)
    assert invoke([*words, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert f"11 stages, 11 cached (store {address})" in shown
    assert not list((tmp_path / "new").rglob("entry.json"))
    assert invoke(words) == 0
    assert f"images: fetching 11 results from {address}\n" in capsys.readouterr().err
    told, results = record(tmp_path / "new")
    assert states(told) == {"cached": 11} and told["store"] == address
    assert results == (finished[2] / "results.json").read_bytes()


def test_a_damaged_stage_is_the_only_one_that_is_computed(
    finished, machine, tmp_path: Path, capsys
) -> None:
    upload(finished[1], tmp_path / "far")
    [file, *_] = (tmp_path / "far" / "evaluate").rglob("evaluation.json")
    file.write_bytes(file.read_bytes()[:-1])
    assert invoke(machine("new", f"file://{tmp_path}/far")) == 0
    err = capsys.readouterr().err
    assert err.count("not used, since") == 1 and "; it is computed again" in err
    told, results = record(tmp_path / "new")
    assert states(told) == {"cached": 10, "computed": 1}
    assert results == (finished[2] / "results.json").read_bytes()
    assert (
        file.stat().st_size
        == json.loads((file.parent / "entry.json").read_text())["files"][file.name]["bytes"]
    )


def test_without_the_address_a_run_ends_at_once_with_one_message(
    machine, tmp_path: Path, capsys
) -> None:
    assert invoke(machine("new", "nothing://x/y")) == 2
    err = capsys.readouterr().err
    assert "nothing://x/y: the store cannot be reached" in err and "Traceback" not in err
    assert not (tmp_path / "new" / "runs").exists()
    [finding] = list(findings._store())
    assert finding.state == "broken" and "cannot be reached" in finding.text


def test_workers_elsewhere_find_the_token_at_the_address(
    machine, plan, monkeypatch, tmp_path: Path
) -> None:
    address = f"file://{tmp_path}/far"
    machine("here", address)
    made = plan()
    made = replace(made, runtime=replace(made.runtime, store=Store.default()))
    with job_of(made, 1, {}) as job:
        assert job.store == address
        machine("node", address)
        check_store(job)
        with pytest.raises(UserError, match=f"file://{tmp_path}/other on .* is not that of this"):
            check_store(replace(job, store=f"file://{tmp_path}/other"))
    assert not sees(Store.of(address), job.token)
    assert not [path for path in tmp_path.rglob("*worker-token*") if path.is_file()]
    with token_in(Store.default()) as token:
        machine("another", address)
        assert looked_around(address, token, "")["shared"]
        assert not looked_around(address, "other word", "")["shared"]


def test_an_address_that_can_only_be_read_still_serves_workers_here(
    machine, monkeypatch, tmp_path: Path, caplog
) -> None:
    machine("here", f"file://{tmp_path}/far")
    store = Store.default()
    assert store.remote is not None

    def refused(*words: Any) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(store.remote._files, "pipe_file", refused)
    with token_in(store) as token:
        assert sees(Store.default(), token)
    assert "results are not uploaded" in caplog.text and "Access Denied" in caplog.text


@pytest.mark.slow
def test_nodes_that_share_only_an_address_compute_one_run(
    finished, machine, tmp_path: Path
) -> None:
    """Each needs what the other has computed since it first asked the address."""
    words = machine("leader", f"file://{tmp_path}/far")
    plan = tina_kit.plan(tmp_path / "tiny.yaml", device="cpu")
    with job_of(plan, 1, maker(torch.device("cpu"))) as job:
        nodes = []
        for name in ("one", "two"):
            machine(name, job.store)
            nodes.append(Worker(job, Teller(lambda event: None)))
            assert not any(stage.cached for stage in nodes[-1].plan.stages)
        for place, stage in enumerate(plan.stages):
            assert nodes[place % 2].compute(stage.kind, stage.key).seconds is not None
    stores = [node.plan.store for node in nodes]
    assert len([s for s in plan.stages if all(store.here(s.kind, s.key) for store in stores)]) < 11
    machine("leader", job.store)
    assert invoke(words) == 0
    told, results = record(tmp_path / "leader")
    assert states(told) == {"cached": 11}
    assert results == (finished[2] / "results.json").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_workers_upload_what_they_compute(finished, machine, tmp_path: Path) -> None:
    address = f"file://{tmp_path}/far"
    assert invoke(machine("one", address, "--workers", "2")) == 0
    told, results = record(tmp_path / "one")
    assert states(told) == {"computed": 11}
    assert results == (finished[2] / "results.json").read_bytes()
    assert invoke(machine("two", address, "--workers", "2")) == 0
    told, results = record(tmp_path / "two")
    assert states(told) == {"cached": 11}
    assert results == (finished[2] / "results.json").read_bytes()
    assert not list((tmp_path / "far").glob(".*"))


@pytest.fixture
def bucket(monkeypatch) -> Iterator[str]:
    """An address of S3 as moto plays it, where it is installed."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    for name, value in {
        "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
    }.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem(skip_instance_cache=True).mkdir("bucket")
    yield "s3://bucket/group/store"
    server.stop()


@pytest.mark.slow
def test_an_empty_machine_computes_nothing_that_is_in_an_object_store(
    finished, bucket: str, machine, monkeypatch, tmp_path: Path, capsys
) -> None:
    import s3fs

    calls: Counter[str] = Counter()
    call = s3fs.S3FileSystem._call_s3

    async def counting(self: Any, method: str, *words: Any, **named: Any) -> Any:
        calls[method] += 1
        return await call(self, method, *words, **named)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counting)
    assert invoke(machine("one", bucket)) == 0
    told, results = record(tmp_path / "one")
    count = len(told["stages"])
    assert states(told) == {"computed": count}
    assert results == (finished[2] / "results.json").read_bytes()

    calls.clear()
    assert invoke(machine("two", bucket)) == 0
    told, results = record(tmp_path / "two")
    assert states(told) == {"cached": count}
    assert results == (finished[2] / "results.json").read_bytes()
    files = sum(1 for _ in (tmp_path / "two" / "cache").rglob("stores/*/[!.]*/*/*.*"))
    kinds = len({stage["kind"] for stage in told["stages"]})
    assert set(calls) <= {"list_objects_v2", "head_object", "get_object"}
    assert calls["list_objects_v2"] == kinds and calls["get_object"] == files

    monkeypatch.setenv("TINA_KIT_STORE", "s3://none/x")
    assert invoke(["run", str(tmp_path / "tiny.yaml")]) == 2
    assert "s3://none/x: the store cannot be reached: The spec" in capsys.readouterr().err
