from pathlib import Path

from tina_kit.api import RunInfo

from diary import Diary


def test_a_run_that_ends_adds_a_line(tmp_path: Path) -> None:
    for number in range(2):
        diary = Diary(RunInfo("small", tmp_path / f"run-{number}", {}, ()))
        diary.result({"generators": [{"generator": "oracle", "split": "ood", "p_acc": 87.5}]})
        diary.run_ended("done")
    lines = (tmp_path / "diary.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["run-0 done: oracle 87.5", "run-1 done: oracle 87.5"]
