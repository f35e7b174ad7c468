"""What a disk fails with is one message: where, what, and what to do."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp

import pytest
import safetensors.torch  # noqa: F401  # which another user may not be able to import
import torch

from tina_kit.api import TinaKitError, UserError
from tina_kit.store import Draft, Store
from tina_kit.store.disk import OUTPUT_REMEDY, explaining

NOBODY = 12345  # a user without a name and without a home


def forked(work: Callable[[], object]) -> str:
    """What `work` gives in a process of its own, or the message of its failure. It is a fork: the
    interpreter may lie in root's home, where another user could not start it."""
    with TemporaryFile("w+") as told:
        child = os.fork()
        if child == 0:
            try:
                print(work(), file=told, flush=True)
            except TinaKitError as error:
                print(error, file=told, flush=True)
            except BaseException:
                traceback.print_exc(file=told)
                told.flush()
            os._exit(0)
        os.waitpid(child, 0)
        told.seek(0)
        return told.read().strip()


def failing(error: Exception, place: Path) -> str:
    with pytest.raises(TinaKitError) as caught, explaining(place, OUTPUT_REMEDY):
        raise error
    return str(caught.value)


def os_error(name: str, *paths: Path) -> OSError:
    number = getattr(errno, name)
    return OSError(number, os.strerror(number), *map(str, paths[:1]), *((None, *paths[1:])[:2]))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ENOSPC", "no space left on this disk. Free some space, or choose another location"),
        ("EDQUOT", "the disk quota is exceeded. Free some space, or"),
        ("EFBIG", "the file would be larger than allowed (see `ulimit -f`). Raise the limit, or"),
        ("EROFS", "this file system is read-only. Make it writable, or"),
        ("EIO", "the disk failed (input/output error). Check it, or"),
        ("ESTALE", "the network file system is gone (stale file handle). Mount it again, or"),
    ],
)
def test_each_names_the_file_and_the_remedy(tmp_path: Path, name: str, told: str) -> None:
    for text in (
        failing(os_error(name, tmp_path / "a" / "b"), tmp_path / "a"),
        failing(os_error(name, Path("/recipe.yaml"), tmp_path / "a" / "b"), tmp_path / "a"),
    ):
        assert text.startswith(f"{tmp_path / 'a' / 'b'}: {told}")
    # safetensors tells the number in words, and no path
    number = getattr(errno, name)
    text = failing(RuntimeError(f"I/O error: what it is (os error {number})"), tmp_path / "a")
    assert text.startswith(f"{tmp_path / 'a'}: {told}")
    assert text.endswith("choose another location with --output")


def test_the_file_of_somebody_else_has_no_such_remedy(tmp_path: Path) -> None:
    """A data set that cannot be read is not mended with another store."""
    text = failing(os_error("EIO", tmp_path / "data" / "1.png"), tmp_path / "store")
    assert text == f"{tmp_path / 'data' / '1.png'}: {os.strerror(errno.EIO)}"


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("x"),
        ValueError("x"),
        UserError("x"),
        PermissionError(errno.EACCES, "a firewall's"),
    ],
)
def test_other_errors_pass(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, explaining(tmp_path, OUTPUT_REMEDY):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO"])
def test_a_stage_that_cannot_be_written_is_one_message(tmp_path: Path, name: str) -> None:
    def fail(_: Draft) -> None:
        raise os_error(name)

    store = Store(tmp_path / "store")
    with pytest.raises(TinaKitError, match=r"TINA_KIT_STORE.*run the same command to resume"):
        store.ensure("stage", "k", fail, {})
    assert not list(store.root.rglob("*"))


def test_a_limit_of_the_shell_is_met_by_every_writer(tmp_path: Path) -> None:
    """`ulimit -f`, as a batch system may set it; safetensors and Python tell it differently."""
    big = torch.ones(100_000)

    def limited(write: Callable[[Draft], object]) -> str:
        def work() -> object:
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
            return Store(tmp_path / "store").ensure("stage", "k", write, {})

        return forked(work)

    told = "the file would be larger than allowed"
    assert told in limited(lambda draft: draft.save_tensors("x.safetensors", {"x": big}))
    assert told in limited(lambda draft: draft.save_json("x.json", "x" * 100_000))
    assert told in limited(lambda draft: draft.checkpoint("x").save({"x": big}, {}))
    assert not list((tmp_path / "store").rglob("*"))


REAL = """
import sys, torch
from pathlib import Path
from tina_kit.api import TinaKitError
from tina_kit.store import Store
try:
    store = Store(Path(sys.argv[1]))
    print(store.ensure("stage", "there", lambda draft: draft.save_json("x.json", 1), {}))
    big = {"x": torch.ones(100_000)}
    store.ensure("stage", "big", lambda draft: draft.save_tensors("x.safetensors", big), {})
except TinaKitError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root's mounts")
def test_a_real_disk_that_is_full_or_read_only(tmp_path: Path) -> None:
    disk, script = tmp_path / "disk", tmp_path / "real.py"
    disk.mkdir()
    script.write_text(REAL)
    run = f"{sys.executable} {script} {disk}/store"
    line = f"mount -t tmpfs -o size=100k tmpfs {disk} && {run} && ls -A {disk}/store && "
    line += f"mount -o remount,ro {disk} && {run}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", line], capture_output=True, text=True)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(done.stderr)
    seconds, full, left, cached, fixed = done.stdout.splitlines()
    assert float(seconds) >= 0 and cached == "None" and left == "stage"
    assert full.startswith(
        f"{disk}/store: no space left on this disk. Free some space, or set TINA_KIT_"
    )
    assert fixed.startswith(f"{disk}/store/.partial: this file system is read-only. Make it writ")


# Permissions, as another user: root has them all.


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users can reach."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    folder = Path(mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_user(work: Callable[[], object], user: int, groups: Sequence[int], mask: int) -> str:
    """What `work` gives in a process of another user, or the message of its failure."""

    def become() -> object:
        os.setgroups(groups)
        os.setgid(user)
        os.setuid(user)
        os.umask(mask)
        return work()

    return forked(become)


def ensure(root: Path, key: str, user: int = NOBODY, *groups: int, mask: int = 0o022) -> str:
    """What a user gets who wants a result."""

    def work() -> object:
        store = Store(root)
        store.ensure("stage", key, lambda draft: draft.save_json("answer.json", 42), {})
        return store.open("stage", key).json("answer.json")

    return as_user(work, user, groups, mask)


def leave(root: Path, key: str, user: int, *groups: int, mask: int) -> str:
    """A run of a user that is killed in the middle of a stage, after a checkpoint."""

    def die(draft: Draft) -> None:
        draft.save_json("half.json", 0)
        draft.checkpoint("train").save({"x": torch.ones(1)}, {})
        os._exit(0)

    return as_user(lambda: Store(root).ensure("stage", key, die, {}), user, groups, mask)


def test_who_cannot_write_reads_on(public: Path) -> None:
    root = public / "store"
    assert ensure(root, "there", 0) == "42"
    assert ensure(root, "there") == "42"
    told = ensure(root, "other")
    assert told.startswith(f"{root}: no permission (it belongs to root, group root, drwxr-xr-x)")
    assert f"Have the owner run `chmod -R g+rwX '{root}'`, or set TINA_KIT_STORE" in told


def test_a_folder_inside_that_refuses_is_named(public: Path) -> None:
    root = public / "store"
    ensure(root, "there", 0)
    root.chmod(0o777)
    (root / "stage").chmod(0o555)
    assert ensure(root, "other").startswith(f"{root / 'stage'}: no permission (it belongs to root")
    (root / "stage").chmod(0o777)
    assert ensure(root, "other") == "42"


@pytest.mark.parametrize("name", ["", "entry.json", "answer.json"])
def test_a_result_that_may_not_be_read_is_named(public: Path, name: str) -> None:
    entry = public / "store" / "stage" / "there"
    ensure(public / "store", "there", 0)
    (entry / name).chmod(0o700 if name == "" else 0o600)
    assert ensure(public / "store", "there").startswith(f"{entry / name}: no permission")


def test_a_store_that_cannot_be_made_names_what_refuses(public: Path) -> None:
    (public / "a").mkdir()
    told = ensure(public / "a" / "b", "k")
    assert told.startswith(f"{public / 'a'}: no permission")
    assert "chmod" not in told and f"so {public / 'a' / 'b'} cannot be created" in told


@pytest.mark.parametrize(
    ("mask", "folder", "file"), [(0o002, 0o2775, 0o664), (0o007, 0o2770, 0o660)]
)
def test_a_group_shares_a_store(public: Path, mask: int, folder: int, file: int) -> None:
    """As the folder of a group is set up: with setgid, and a umask that leaves the group its
    rights. Each of two users goes on with what the other has left."""
    root = public / "store"
    root.mkdir()
    os.chown(root, 0, NOBODY)
    root.chmod(0o2777)
    for user, other in ((1001, 1002), (1002, 1001)):
        key = f"by{user}"
        assert leave(root, key, user, NOBODY, mask=mask) == ""
        assert (root / ".partial" / "stage" / key / "train.safetensors").exists()
        for path in root.rglob("*"):
            status = path.stat()
            right = folder if path.is_dir() else file
            assert (oct(status.st_mode & 0o7777), status.st_gid) == (oct(right), NOBODY), path
        assert ensure(root, key, other, NOBODY, mask=mask) == "42"
        assert not (root / ".partial").exists()


def test_what_one_user_left_unreadable_is_named_to_the_next(public: Path) -> None:
    root = public / "store"
    root.mkdir()
    root.chmod(0o777)
    leave(root, "k", 1001, mask=0o022)
    place = root / ".partial" / "stage"
    told = ensure(root, "k", 1002)
    assert told.startswith(f"{place / 'k.lock'}: no permission (it belongs to 1001, group 1001")
    assert f"chmod -R g+rwX '{root}'" in told
