"""Runs whose stages are computed by worker processes, or by a Ray cluster."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from tests.conftest import plan_of
from tina_kit.api import Observer, StageInfo, StepInfo, TinaKitError, UserError
from tina_kit.pipeline.record import maker
from tina_kit.pipeline.run import Run
from tina_kit.pipeline.workers import cluster, early, processes
from tina_kit.pipeline.workers.job import Job, check_plan, check_store, job_of
from tina_kit.pipeline.workers.team import Team, team_of
from tina_kit.pipeline.workers.threads import threads_of
from tina_kit.pipeline.workers.worker import Teller
from tina_kit.recipe.node import Node, Where
from tina_kit.recipe.schema import StageResources


class Meanwhile(Observer):
    """Does something once, while a stage is being computed."""

    def __init__(self, name: str, action: Any) -> None:
        self.name, self.action = name, action
        self.started: Counter[str] = Counter()

    def stage_started(self, stage: StageInfo) -> None:
        self.started[stage.name] += 1
        if stage.name == self.name and self.started[stage.name] == 1:
            self.action()


def run(recipe: Path, folder: Path, team: Team | None, watch: Observer) -> Path:
    plan = plan_of(recipe, folder / "store")
    current = Run.start(plan, folder / "runs", ["tina-kit"])
    plan.runtime.observer.add(watch)
    current.execute(team)
    return current.folder


def interrupt() -> None:
    raise KeyboardInterrupt(signal.SIGTERM)


def kill_all() -> None:
    time.sleep(0.2)  # until the other one is preparing
    for child in multiprocessing.active_children():
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)


def same_results(folder: Path, finished: tuple[Path, Path, Path]) -> bool:
    one, other = ((each / "results.json").read_bytes() for each in (folder, finished[2]))
    return one == other


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_interrupted_and_killed_workers_give_the_results_of_one_process(
    finished, recipe: Path, tmp_path: Path
) -> None:
    with team_of(2, None) as team:
        with pytest.raises(KeyboardInterrupt):
            run(recipe, tmp_path, team, Meanwhile("zoo/id 1/2", interrupt))
        assert multiprocessing.active_children() == []
        assert list(tmp_path.glob("store/.worker-token*")) == []
        [ended] = (json.loads(path.read_text()) for path in tmp_path.rglob("run.json"))
        assert (ended["status"], ended["signal"]) == ("interrupted", "SIGTERM")
        watch = Meanwhile("fit/tina-dit", kill_all)
        folder = run(recipe, tmp_path, team, watch)
    assert same_results(folder, finished)
    assert watch.started["fit/tina-dit"] and "images" not in watch.started
    record = json.loads((folder / "run.json").read_text())
    order = json.loads((finished[2] / "run.json").read_text())
    assert [s["key"] for s in record["stages"]] == [s["key"] for s in order["stages"]]
    assert not list(tmp_path.rglob(".partial"))


@pytest.fixture
def job(plan):  # type: ignore[no-untyped-def]
    made = plan()
    with job_of(made, 1, maker(torch.device("cpu"))) as job:
        yield made, job


def test_a_worker_with_another_store_says_so(job, tmp_path: Path) -> None:
    _, told = job
    check_store(told)
    with pytest.raises(UserError, match=r"other.*is not that of this run.*TINA_KIT_STORE"):
        check_store(replace(told, store=str(tmp_path / "other")))


def test_a_worker_with_other_versions_or_data_says_so(job) -> None:
    made, told = job
    check_plan(told, made)
    versions = {**told.software, "tina-kit": "9.9"}
    with pytest.raises(UserError, match=r"\(tina-kit 9\.9 there, .* here\)\. Install the same"):
        check_plan(replace(told, key="other", software=versions), made)
    with pytest.raises(UserError, match="the data set, or a file that the recipe names, differs"):
        check_plan(replace(told, key="other"), made)


EARLY = """
import os, time
from multiprocessing import forkserver
from pathlib import Path
from types import ModuleType, SimpleNamespace
from tina_kit.pipeline.workers.early import import_early

before = dict(os.environ)
import_early(3)
assert os.environ == before
there = Path("/proc", str(forkserver._forkserver._forkserver_pid))
while b"forkserver" not in (there / "cmdline").read_bytes():
    time.sleep(0.01)
blocked = next(line for line in (there / "status").open() if line.startswith("SigBlk"))
print(int(blocked.split()[1], 16) & 2, "OMP_NUM_THREADS=3" in (there / "environ").read_text())
os.close(forkserver._forkserver._forkserver_alive_fd)
os.waitpid(int(there.name), 0)
"""


@pytest.mark.skipif(early.METHOD != "forkserver", reason="workers are not forked")
def test_what_workers_are_forked_from_ignores_ctrl_c_and_the_working_directory(
    tmp_path: Path,
) -> None:
    for folder, content in {
        "": "open('imported', 'w')",
        "path": "raise ImportError",  # so that nothing more is imported
    }.items():
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "torch.py").write_text(content)
    (tmp_path / "path" / "early.py").write_text(EARLY)
    done = subprocess.run(
        [sys.executable, "path/early.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("2 True\n", "")
    assert not (tmp_path / "imported").exists()


def test_a_worker_is_started_again_if_what_it_is_forked_from_was_killed(monkeypatch) -> None:
    attempts: list[int] = []

    def start(number: int, *_: object) -> int:
        attempts.append(number)
        if len(attempts) % 3:
            raise EOFError
        return number

    monkeypatch.setattr(processes, "_Process", start)
    monkeypatch.setattr(processes, "import_early", lambda threads: None)
    monkeypatch.setattr(processes, "AGAIN_S", 0)
    team = processes.Processes(job_with("cpu"), 2)
    assert team._started(7) == 7 and attempts == [7, 7, 7]
    with pytest.raises(TinaKitError, match="workers cannot be started: EOFError"):
        team._started(8, attempts=2)


def test_threads_are_divided_unless_they_are_given(monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_of(8, 2) == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert (threads_of(8, 2), threads_of(8, 3), threads_of(2, 8)) == (4, 2, 1)


def test_this_process_has_the_threads_of_a_worker_meanwhile(monkeypatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with team_of(2, None) as team:
        assert team is not None and team.threads == torch.get_num_threads() == 2
    assert torch.get_num_threads() == before
    with team_of(1, None) as team:
        assert team is None


@pytest.mark.parametrize(
    ("workers", "on", "message"),
    [
        (0, None, "--workers 0: give a number from 1 to 1024"),
        (2, "slurm", "--on slurm: write ray or ray://HOST:PORT"),
        (None, "ray://", "--on ray://: write ray"),
        (None, "ray://127.0.0.1:1", "127.0.0.1:1 does not answer .*Is the cluster running"),
    ],
)
def test_a_wrong_choice_is_one_message(workers, on, message: str, monkeypatch) -> None:
    monkeypatch.setattr(cluster, "_imported", lambda: None)
    with pytest.raises(UserError, match=message), team_of(workers, on):
        pass


def test_of_many_steps_a_worker_tells_the_losses_and_some() -> None:
    told: list[Any] = []
    teller = Teller(told.append)
    for done in range(1001):
        loss = 1.0 if done % 100 == 50 else None
        teller.step(StepInfo("fit/a", done, 1000, training=0, loss=loss))
    steps = [facts[0].done for _, facts in told]
    assert set(steps) >= {0, *range(50, 1000, 100), 1000} and len(steps) < 100


class Ray:
    """A cluster of two nodes, as far as it is asked what it has."""

    def is_initialized(self) -> bool:
        return False

    def init(self, address: str | None, **options: Any) -> None:
        self.address = address

    def shutdown(self) -> None:
        pass

    def nodes(self) -> list[dict[str, Any]]:
        cpus = {"CPU": 4.0, "memory": 8e9}
        return [{"Alive": True, "Resources": each} for each in (cpus, {**cpus, "GPU": 2.0})]


@pytest.mark.parametrize(
    ("device", "asked", "taken"),
    [
        ("cpu", {}, {"CPU": 2}),
        ("cuda", {}, {"CPU": 2, "GPU": 1}),
        ("cuda", {"gpus": 0.5, "cpus": 1, "memory": 3}, {"CPU": 1, "GPU": 0.5, "memory": 3e9}),
        ("cuda", {"gpus": 0}, {"CPU": 2}),
    ],
)
def test_a_stage_takes_what_the_recipe_says(device: str, asked, taken) -> None:
    assert cluster.taken_by("fit", job_with(device, fit=asked)) == taken
    assert cluster.taken_by("zoo", job_with("cpu", fit=asked)) == {"CPU": 2}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"cpus": 8}, "resources.fit: no node of the cluster has 8 CPU; at most there are 4 CPU"),
        ({"gpus": 4}, "no node of the cluster has 2 CPU and 4 GPU; at most there are 4 CPU and 2"),
        ({"memory": 16}, "has 2 CPU and 16 GB; at most there are 4 CPU and 8 GB"),
    ],
)
def test_what_no_node_has_is_a_mistake(asked, message: str) -> None:
    with pytest.raises(UserError, match=message):
        cluster.Cluster(Ray(), None).executor(job_with("cpu", fit=asked))


def job_with(device: str, **resources: Any) -> Job:
    read = {kind: StageResources(**asked) for kind, asked in resources.items()}
    recipe = Node(None, Where("", 0, 0, Path()))
    return Job(Path(), recipe, (), Path(), device, 2, "", "", {}, {}, read)


@pytest.mark.parametrize(("port", "address"), [(1, "local"), (None, None)])
def test_a_cluster_that_was_killed_is_not_waited_for(
    port: int | None, address: str | None, monkeypatch, capsys
) -> None:
    """`ray start` leaves the address of its cluster in a file, which stays if that is killed."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        left = f"127.0.0.1:{port or listening.getsockname()[1]}"
        services = SimpleNamespace(find_bootstrap_address=lambda folder: left)
        monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
        monkeypatch.setitem(sys.modules, "ray._private", ModuleType("ray._private"))
        monkeypatch.setitem(sys.modules, "ray._private.services", services)
        monkeypatch.setattr(cluster, "_imported", Ray)
        monkeypatch.delenv(cluster.ADDRESS, raising=False)
        with cluster.connected("ray", None) as made:
            assert made.ray.address == address
    said = f"the Ray cluster at {left} does not answer any more"
    assert (said in capsys.readouterr().err) == (address == "local")


@contextmanager
def nodes():  # type: ignore[no-untyped-def]
    """A Ray cluster of two nodes, and the second one."""
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 80 << 20}
    made = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    try:
        yield made, made.add_node(**small)
    finally:
        made.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_node_that_goes_costs_what_it_was_computing(
    finished, recipe: Path, tmp_path: Path, monkeypatch
) -> None:
    pytest.importorskip("ray")
    with nodes() as (made, second):
        monkeypatch.setenv("RAY_ADDRESS", made.address)
        watch = Meanwhile("zoo/id 1/2", lambda: made.remove_node(second, allow_graceful=False))
        with team_of(None, "ray") as team:
            folder = run(recipe, tmp_path, team, watch)
    assert same_results(folder, finished)
    # At most the one stage that ran there was begun twice.
    assert sum(watch.started.values()) - len(watch.started) <= 1
