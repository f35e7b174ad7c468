"""The real `tina-kit`: fast without torch, honest exit codes, quiet pipes."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

SCRIPT = Path(sysconfig.get_path("scripts")) / "tina-kit"


def call(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60)


def test_the_script_and_the_module_are_the_same_command() -> None:
    script, module = call(SCRIPT, "version"), call(sys.executable, "-m", "tina_kit", "version")
    assert script.returncode == module.returncode == 0
    assert script.stdout == module.stdout


def test_mistakes_exit_with_2_and_failures_with_1(tmp_path: Path) -> None:
    mistake = call(SCRIPT, "run", tmp_path / "none.yaml")
    assert (mistake.returncode, mistake.stdout) == (2, "")
    assert len(mistake.stderr.splitlines()) == 1


LOOKING = [
    ["--help"],
    ["list"],
    ["list", "dataset", "--json"],
    ["show", "generator", "tina-dit"],
    ["show", "study", "variants", "--json"],
    ["schema"],
    ["doctor", "--help"],
    ["plugin", "new", "--help"],
    ["run", "--help"],
    ["zoo", "import", "--help"],
    ["init", "--help"],
    ["recipes"],
    ["recipes", "copy", "--help"],
    ["validate", "quickstart"],
    ["validate", str(Path(__file__).parents[2] / "recipes" / "quickstart.yaml")],
]


def test_looking_around_does_not_import_torch() -> None:
    code = (
        "import sys; from tina_kit.cli.app import invoke\n"
        f"for words in {LOOKING}:\n"
        "    code = invoke(words)\n"
        "    heavy = [m for m in ('torch', 'timm', 'open_clip', 'scipy') if m in sys.modules]\n"
        "    if heavy or code:\n"
        "        sys.exit(f'{words} imported {heavy} and ended with {code}')"
    )
    result = call(sys.executable, "-c", code)
    assert result.returncode == 0, result.stderr


def test_mistakes_are_told_before_torch_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from tina_kit.cli.app import invoke\n"
        "key = 'generators.tina-dit.depth'\n"
        "for words in (\n"
        "    ['sweep', 'quickstart'],\n"
        "    ['sweep', 'quickstart', '--set', f'{key}=1,2', '--set', 'evaluation.on=test'],\n"
        "    ['sweep', 'quickstart', '--set', f'{key}=1,none'],\n"
        "    ['report', sys.argv[1]],\n"
        "    ['store', 'why', 'quickstart', '--against', sys.argv[1]],\n"
        "    ['run', 'quickstart', '--track', 'nope'],\n"
        "):\n"
        "    assert invoke(words) == 2, words\n"
        "assert 'torch' not in sys.modules"
    )
    result = call(sys.executable, "-c", code, str(tmp_path))
    assert result.returncode == 0, result.stderr


def test_a_closed_pipe_is_no_error() -> None:
    result = call("bash", "-c", f"set -o pipefail; PYTHONUNBUFFERED=1 '{SCRIPT}' list | true")
    assert (result.returncode, result.stderr) == (0, "")
