"""`tina-kit store`."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import subprocess
import sys
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

import tina_kit
from tests.conftest import plan_of
from tests.store.many import made, run_folder
from tina_kit.api import UserError
from tina_kit.cli.app import invoke
from tina_kit.pipeline.run import Run
from tina_kit.store import Store
from tina_kit.store.collecting import Collector, Survey
from tina_kit.store.names import Names, Result, of_run_folder


@pytest.fixture
def call(capsys):
    def call(*words: object, code: int = 0) -> tuple[str, str]:
        assert invoke(["store", *map(str, words)]) == code
        return capsys.readouterr()

    return call


@pytest.fixture
def two(tmp_path: Path) -> tuple[Result, Result, Path]:
    """Two results, and the folder of a run that names the first."""
    store = Store(tmp_path / "store")
    named, free = made(store, "zoo", 1), made(store, "fit", 2)
    return named, free, run_folder(store, tmp_path / "runs" / "tiny" / "1", [named])


def test_ls_lists_what_is_there_and_who_names_it(call, two) -> None:
    named, free, folder = two
    out, _ = call("ls")
    assert [line.split("  ")[0] for line in out.splitlines()] == [
        *("stage/key", "/".join(free), "/".join(named)),
        out.splitlines()[-1],
    ]
    short = f"{folder.parent.name}/{folder.name}"
    assert f"run {short}" in out and str(folder) not in out
    assert "none" in out and "zoo/1, seed 0" in out
    assert out.splitlines()[-1].startswith("2 results, ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--stage", "zoo"], ["zoo"]),
        (["--unnamed"], ["fit"]),
        (["--older-than", "1"], []),
        (["--larger-than", "1"], []),
        (["--sort", "age"], ["zoo", "fit"]),
    ],
)
def test_ls_can_be_narrowed_and_sorted(call, two, words: list[str], expected: list[str]) -> None:
    assert [row["stage"] for row in json.loads(call("ls", "--json", *words)[0])] == expected


def test_ls_can_show_the_largest_first(call, two, tmp_path: Path) -> None:
    made(Store(tmp_path / "store"), "generic", "large" * 100)
    sizes = [row["bytes"] for row in json.loads(call("ls", "--json", "--sort", "size")[0])]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > sizes[-1]


def test_ls_of_a_run_shows_its_results_alone(call, two) -> None:
    [row] = json.loads(call("ls", "--run", two[2], "--json")[0])
    assert (row["stage"], row["key"]) == two[0] and row["named_by"] == [f"run {two[2]}"]
    assert row["state"] == "whole" and row["bytes"] > 100 and row["seconds"] >= 0


def test_an_unknown_order_is_one_message(call, two) -> None:
    assert "choose one of stage, age, size" in call("ls", "--sort", "name", code=2)[1]


def test_a_stage_of_which_nothing_is_stored_is_one_message(call, two) -> None:
    told = "error: stage 'nope': no result is of this stage; there are fit, zoo\n"
    assert call("ls", "--stage", "nope", code=2) == ("", told)


def test_du_says_what_would_go_with_a_run(call, two) -> None:
    facts = json.loads(call("du", "--json")[0])
    [run] = facts["names"]
    assert run["alone"] == run["bytes"] > 100 and facts["unnamed"]["results"] == 1
    stages = sum(each["bytes"] for each in facts["stages"])
    assert facts["bytes"] == stages + facts["notes"]["bytes"] + facts["unfinished"]["bytes"]
    out, _ = call("du")
    assert f"run {two[2]}" in out and "none" in out and "alone" in out


def test_gc_shows_first_and_deletes_if_asked(call, two, tmp_path: Path) -> None:
    out, _ = call("gc")
    assert "fit/" in out and "would delete 1 result and 0 unfinished stages" in out
    assert "1 result is in use" in out and "dry run: repeat with --yes to delete" in out
    assert (tmp_path / "store" / "fit").exists()
    shown = json.loads(call("gc", "--json")[0])
    done = json.loads(call("gc", "--yes", "--json")[0])
    assert shown["bytes"] == done["bytes"] > 100 and (shown["deleted"], done["deleted"]) == (0, 1)
    assert not (tmp_path / "store" / "fit").exists() and (tmp_path / "store" / "zoo").exists()
    assert call("gc")[0] == "nothing to remove; 1 result is in use\n"
    shutil.rmtree(two[2])
    out, _ = call("gc", "--yes")
    assert "deleted 1 result" in out and f"no longer there: run {two[2]}" in out


def test_gc_keeps_what_may_be_an_older_versions(call, two, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    old = made(store, "generic", 3, recorded=False)
    out, _ = call("gc", "--yes")
    assert "1 result" in out and "may belong to runs of an older tina-kit" in out
    run_folder(store, tmp_path / "old" / "x" / "1", [old], named=False)
    call("gc", "--yes", "--runs", tmp_path / "old")
    assert store.has(*old)
    shutil.rmtree(tmp_path / "old" / "x" / "1")
    assert "there is no run folder" in call("gc", "--runs", tmp_path / "old", code=2)[1]
    call("gc", "--yes", "--runs", tmp_path / "runs")
    assert not store.has(*old)


def test_pins_keep_a_run_whose_folder_is_gone_and_single_results(call, two, tmp_path) -> None:
    named, free, folder = two
    assert "1 result pinned" in call("pin", folder)[1]
    assert "1 result pinned" in call("pin", f"fit/{free[1][:6]}")[1]
    shutil.rmtree(folder)
    call("gc", "--yes")
    store = Store(tmp_path / "store")
    assert store.has(*named) and store.has(*free)
    call("unpin", folder)
    call("unpin", f"fit/{free[1][:6]}")
    call("gc", "--yes")
    assert not store.has(*named) and not store.has(*free)
    assert "pinned are: none" in call("unpin", folder, code=2)[1]
    assert not (tmp_path / "store" / ".names").exists()


@pytest.mark.parametrize("what", ["nothing", "fit/zzz", "zoo/", "../store/fit"])
def test_what_is_not_there_cannot_be_pinned(call, two, what: str) -> None:
    assert "neither a run folder nor a result" in call("pin", what, code=2)[1]


def test_verify_names_what_is_damaged(call, two, tmp_path: Path) -> None:
    assert "2 results" in call("verify")[0]
    (tmp_path / "store" / "zoo" / two[0][1] / "answer.json").write_text("{}")
    out, err = call("verify", code=1)
    assert f"zoo/{two[0][1]}  answer.json has 2 bytes" in out and "1 damaged" in out
    assert "remove the folder" in err
    shutil.rmtree(tmp_path / "store" / "zoo")
    assert "it is not in the store" in call("verify", "--run", two[2], code=1)[0]
    assert json.loads(call("verify", "--json")[0])[0]["problem"] == ""


def test_results_travel_to_another_store(call, two, tmp_path: Path, monkeypatch) -> None:
    call("pack", two[2], "-o", tmp_path / "x.zip")
    assert "no results of the stages fit" in call(
        "pack", two[2], "-o", tmp_path / "y", "--stage", "fit", code=2
    )[1]  # fmt: skip
    monkeypatch.setenv("TINA_KIT_STORE", str(tmp_path / "other"))
    _, err = call("unpack", tmp_path / "x.zip")
    assert "1 result of tiny (1), 1 of them new" in err
    assert err.endswith("unpin them with: tina-kit store unpin 'unpacked: tiny (1)'\n")
    assert Store(tmp_path / "other").has(*two[0])
    call("unpin", "unpacked: tiny (1)")
    call("gc", "--yes")
    assert not Store(tmp_path / "other").has(*two[0])


def test_an_empty_store_is_no_mistake(call, tmp_path: Path) -> None:
    assert call("ls")[0] == "0 results, 0 bytes\n"
    for words in (["du"], ["gc"], ["gc", "--yes"], ["verify"]):
        call(*words)
    assert not (tmp_path / "store").exists()


def test_a_run_names_all_its_results_before_it_computes_any(plan, tmp_path: Path) -> None:
    run = Run.start(plan(), tmp_path / "runs", [])
    [name] = Names(tmp_path / "store").all()
    stages = {(stage.kind, stage.key) for stage in run.plan.stages}
    assert (name.kind, name.what, name.title) == ("run", str(run.folder), "tiny")
    assert name.results == stages and name.presence == "there"


def test_a_store_that_cannot_be_written_is_no_obstacle_for_a_stored_run(
    plan, tmp_path: Path, monkeypatch, caplog
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Names, "add", refuse)
    Run.start(plan(), tmp_path / "runs", [])
    assert "cannot note that this run uses it (Read-only file system)" in caplog.text


def test_a_bundle_names_what_it_was_made_from(finished, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(finished[1], tmp_path / "copy")
    monkeypatch.setenv("TINA_KIT_STORE", str(tmp_path / "copy"))
    tina_kit.bundle(finished[2], tmp_path / "tiny.tina")
    [name] = [n for n in Names(tmp_path / "copy").all() if n.kind == "bundle"]
    assert name.what == str(tmp_path / "tiny.tina") and name.presence == "there"
    assert {stage for stage, _ in name.results} == {"generic", "conditions", "fit", "evaluate"}
    assert name.results < of_run_folder(finished[2]).results
    (tmp_path / "tiny.tina").unlink()
    assert name.presence == "gone"


def test_why_tells_the_cause_and_what_follows(finished, call, tmp_path: Path) -> None:
    path, _, folder = finished
    out, _ = call("why", path)
    assert out == "11 of 11 stages stored\n"
    found = tina_kit.why(path)
    assert (str(found), repr(found)) == (out.strip(), "<11 of 11 stages stored; 0 causes>")
    out, _ = call("why", path, "--set", "generators.tina-dit.depth=2", "--against", folder)
    assert out.splitlines() == [
        f"9 of 11 stages stored, compared with {folder}",
        "",
        "generators.tina-dit.depth: 1 → 2",
        "  computed again: fit/tina-dit",
        "  only because of that: evaluate/tina-dit",
    ]
    facts = json.loads(call("why", path, "--seeds", "3", "--json")[0])
    assert facts["causes"][0]["text"] == "seed: 0 → 3"
    found = tina_kit.why(path, set={"generic.epochs": 2}, against=folder)
    assert str(found.causes[0].change) == "generic.epochs: 1 → 2"
    with pytest.raises(UserError):
        tina_kit.why(path, against=tmp_path)


def test_the_real_results_of_a_run_verify(finished) -> None:
    rows = list(tina_kit.verify_store(run=finished[2]))
    assert len(rows) == 11 and not any(row["problem"] for row in rows)
    assert plan_of(finished[0], finished[1]).stages[-1].cached


def test_looking_at_the_store_imports_no_torch(two, tmp_path: Path) -> None:
    code = (
        "import sys; from tina_kit.cli.app import invoke\n"
        "for words in (['ls'], ['du'], ['gc', '--yes'], ['pin', sys.argv[1]]):\n"
        "    assert invoke(['store', *words]) == 0\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, str(two[2])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def collecting(root: str, stop: Event) -> None:
    while not stop.is_set():
        Collector(Survey.of(Path(root))).collect()


@pytest.mark.slow
def test_runs_that_start_while_gc_works_lose_nothing_that_they_count_as_stored(
    recipe: Path, tmp_path: Path
) -> None:
    """Another process removes what nobody names without pause, as run folders come and go."""
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    other = context.Process(target=collecting, args=(str(tmp_path / "store"), stop))
    other.start()
    counted = []
    try:
        for _ in range(10):
            plan = plan_of(recipe, tmp_path / "store")
            run = Run.start(plan, tmp_path / "runs", [])
            cached = [stage for stage in plan.stages if stage.cached]
            counted.append(len(cached))
            for stage in plan.stages:
                stage.compute = lambda draft: draft.save_json("nothing.json", 0)
                assert stage.ensure() is None or stage not in cached
            assert all(stage.cached for stage in plan.stages)
            shutil.rmtree(run.folder)
    finally:
        stop.set()
        other.join()
    assert other.exitcode == 0 and 0 in counted
