"""A recipe may come from a stranger: what it costs is limited, and every refusal has its place."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tina_kit.api import UserError
from tina_kit.plugins import Registry, discover
from tina_kit.recipe import Recipe, dump
from tina_kit.recipe.load import profiles_of, resolved, source_of

GOOD = """\
name: mine
dataset: {use: shapes}
architecture: {use: cnn}
conditioner: {use: hashed-ngrams}
generators:
  - {use: oracle}
"""
SECONDS = 5.0  # refused in under 1 s on a quiet machine; CI may run on a busy one
SHORT = 20_000  # characters of a message
SECRET = "S3CRET"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover()


def load(path: Path, registry: Registry) -> list[Recipe]:
    source = source_of(path)
    names = [None, *profiles_of(source)]
    return [resolved(path, source, registry, profile=name) for name in names]


def refusal(path: Path, registry: Registry) -> str:
    """The message, which comes soon, is short and moves no cursor."""
    gc.freeze()  # what other tests have left is not looked through
    start = time.process_time()
    with pytest.raises(UserError) as told:
        load(path, registry)
    assert time.process_time() - start < SECONDS
    text = str(told.value)
    assert len(text) < SHORT and SECRET not in text
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    return text


def bomb(levels: int, width: int) -> str:
    lines = ["a0: &a0 [x, y]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]")
    return "\n".join(lines) + "\n"


def block(levels: int) -> str:
    return "x:\n" + "".join(f"{' ' * level}a:\n" for level in range(1, levels))


COSTLY = {
    "aliases that multiply": (GOOD + bomb(12, 10), r":\d+:\d+: its aliases expand to more than"),
    "aliases that nest": (
        GOOD + bomb(1000, 1),
        r":\d+:\d+: its aliases expand to more than 50 levels",
    ),
    "lists in lists": (GOOD + f"x: {'[' * 1000}{']' * 1000}", ":7:53: invalid YAML: more than 50"),
    "lists without an end": (GOOD + f"x: {'[' * 100_000}", ":7:53: invalid YAML: more than 50"),
    "mappings in mappings": (GOOD + f"x: {'{a: ' * 1000}", ":7:197: invalid YAML: more than 50"),
    "deeper and deeper": (GOOD + block(300), ":56:50: invalid YAML: more than 50 levels"),
    "dashes": (GOOD + f"x:\n  {'- ' * 1000}a", ":8:101: invalid YAML: more than 50 levels"),
    "question marks": (GOOD + f"{'? ' * 1000}a", ":7:101: invalid YAML: more than 50 levels"),
    "a long list": (GOOD + f"x: [{'a,' * 40_000}]", ":7:.*: invalid YAML: more than 20,000 values"),
    "many keys": (
        GOOD + "".join(f"k{i}: 1\n" for i in range(9900)),
        "k49: unknown key.*\n… and 9,850 more mistakes",
    ),
    "a large file": (GOOD + "#" * 300_000, "1:1: a recipe and all that it extends must not exceed"),
    "many wrong members": (GOOD + f"seeds: [{'x,' * 19_000}]", "and 18,950 more mistakes"),
    "a steep dotted key": (
        GOOD + f"set: {{? {'.'.join('a' * 500)} : 1}}",
        ":7:.*a dotted key with more than 20 steps",
    ),
    "many overrides": (
        GOOD + "set:\n" + "".join(f"  generators.oracle.a{i}: 1\n" for i in range(3000)),
        ":7:1: set: more than 500 overrides",
    ),
    "many rows": (GOOD + "  - oracle\n" * 3000, ":5:1: generators: more than 100"),
    "many rows to override": (
        GOOD + "  - oracle\n" * 3000 + "set: {generators.oracle.x: 1}",
        ":5:1: generators.oracle.x: more than 100",
    ),
    "many profiles": (
        GOOD + "profiles:\n" + "".join(f"  p{i}: {{}}\n" for i in range(2000)),
        ":7:1: profiles: more than 100",
    ),
    "unknown layers": (
        GOOD.replace("cnn", f"resnet20, generate: [{','.join(f's{i}' for i in range(9000))}]"),
        r":3:31: architecture\.generate",
    ),
    "many values of a study": (
        GOOD + f"studies: [{{use: scaling, key: tasks.id, values: {list(range(9000))}}}]",
        r":7:41: studies\.scaling\.values: must have at most 1000",
    ),
    "a long value": (GOOD + f"precision: {'a' * 200_000}", ":7:1: precision: .*aaa … aaa"),
    "a long key": (GOOD + f"? {'a' * 200_000}\n: 1", ":7:3: aaa.* … aaa"),
}


@pytest.mark.parametrize("name", COSTLY)
def test_what_costs_too_much_is_refused_soon(name: str, tmp_path: Path, registry: Registry) -> None:
    text, told = COSTLY[name]
    path = tmp_path / "r.yaml"
    path.write_text(text)
    message = refusal(path, registry)
    assert re.search(rf"(?s)r\.yaml.*{told}", message) and message.startswith(str(path))


def test_a_large_recipe_is_still_read(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "r.yaml"
    rows = "".join(f"  - {{use: tina-dit, name: r{i}}}\n" for i in range(99))
    path.write_text(f"# {'x' * 200_000}\n{GOOD}{rows}")
    recipe = load(path, registry)[0]
    assert len(recipe.generators) == 100
    path.write_text(dump(recipe.plain()))  # as a run folder holds it
    assert load(path, registry)[0].plain() == recipe.plain()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("x: a\0b", "7:5: invalid YAML: it contains a character that YAML does not allow"),
        ("x: a\x1b[31mb", "7:5: invalid YAML: it contains a character that YAML does not allow"),
        (r'description: "a\0b"', "7:14: text must not contain control characters"),
        (r'description: "a\e[2Jb"', "7:14: text must not contain control characters"),
        (r'description: "a\rb"', "7:14: text must not contain control characters"),
        (r'description: "a\x9bb"', "7:14: text must not contain control characters"),
        (r'description: "\ud800"', "7:14: text must not contain .* lone surrogates"),
        (r'description: "\ud83d\ude00"', "7:14: text must not contain .* lone surrogates"),
        (r'"\e[2J": 1', "7:1: text must not contain control characters"),
        (r'description: "\UFFFFFFFF"', "7:17: invalid YAML: .* out of range"),
        (r'description: "\U00110000"', "7:17: invalid YAML: .* out of range"),
        ("seed: " + "9" * 5000, "7:7: a number with more than 40 characters"),
        ("seed: -" + "9" * 5000, "7:7: a number with more than 40 characters"),
        ("seed: 0x" + "f" * 5000, "7:7: a number with more than 40 characters"),
        ("seed: 0." + "9" * 5000, "7:7: a number with more than 40 characters"),
        ("seed: 1e" + "9" * 5000, "7:7: a number with more than 40 characters"),
        ("seed: 99999999999999999999", "7:1: seeds.0: input should be less than"),
        ("finetune: {shard: 1e22}", r"7:12: finetune\.shard: "),
        ("finetune: {shard: 10000000000000000000000}", r"7:12: finetune\.shard: "),
        ("generic: {learning_rate: 1e300}", r"7:11: generic\.learning_rate: this number is too la"),
        ("tasks: {id: 1000000000}", r"7:9: tasks\.id: input should be less than or equal to"),
        ("seed: !!int abc", "7:7: this is not a valid value for the tag !!int"),
        ("seed: !!float abc", "7:7: this is not a valid value for the tag !!float"),
        ("seed: !!bool maybe", "7:7: this is not a valid value for the tag !!bool"),
        ("seed: !!null x", "7:7: this is not a valid value for the tag !!null"),
        ("seed: !!int [1]", "7:7: this tag is not allowed"),
        ("seed: !!binary aGk=", "7:7: this tag is not allowed"),
        ("seed: !!set {a}", "7:7: this tag is not allowed"),
        ("seed: !!timestamp 2020-01-01", "7:7: this tag is not allowed"),
        ("!!python/name:os.system x: 1", "7:1: this tag is not allowed"),
        ("x: *S3CRET", "7:4: invalid YAML: found undefined alias$"),
        ("x: &S3CRET 1\ny: &S3CRET 2", "8:4: invalid YAML: found duplicate anchor$"),
        ("x: !S3CRET!y z", "7:4: invalid YAML: found undefined tag handle$"),
        ("requires: ['tina-kit>=" + "9" * 5000 + "']", "7:12: requires: must be a requirement"),
        ("requires: [{a: 1}, null, 5]", "7:12: requires: must be a requirement"),
        ("plugins: [{a: 1}]", "7:11: plugins: must be the path to a Python file"),
        (
            "plugins: [/dev/zero]",
            "7:11: plugins: /dev/zero .* it is a device, not a reg",
        ),
        (f"plugins: [{'a' * 300}]", "7:11: plugins: .* cannot be read: File name too long"),
        (f"zoo: {'a' * 300}", "7:1: zoo: .* cannot be read: File name too long"),
        (
            "zoo: /dev/zero",
            "7:1: zoo: /dev/zero .* it is a device, not a regular",
        ),
    ],
)
def test_what_no_recipe_needs_is_refused_with_its_place(
    line: str, told: str, tmp_path: Path, registry: Registry
) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes((GOOD + line + "\n").encode("utf-8", "surrogatepass"))
    assert re.search(rf"r\.yaml:{told}", refusal(path, registry))


@pytest.mark.parametrize("line", ["description: !!str 5", "seed: !!int 3", "zoo: !!null null"])
def test_the_core_schemas_own_tags_may_be_written(
    line: str, tmp_path: Path, registry: Registry
) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(GOOD + line)
    assert load(path, registry)


@pytest.mark.parametrize(
    "name",
    [
        *("..", ".", "...", "a/b", "../up", r"a\b", "a" * 300, "é" * 60, "", "a b", "a\tb"),
        *(r"a\0b", r"a\nb"),
    ],
)
@pytest.mark.parametrize("kind", ["run", "generator", "study"])
def test_what_cannot_name_a_folder_is_refused(
    kind: str, name: str, tmp_path: Path, registry: Registry
) -> None:
    if kind != "run" and name in ("a b", r"a\b"):
        return  # rows may hold blanks, and the other is an escape sequence in double quotes
    quoted = f"'{name}'" if name == r"a\b" else f'"{name}"'
    text = {
        "run": GOOD.replace("mine", quoted),
        "generator": GOOD + f"  - {{use: generic, name: {quoted}}}",
        "study": GOOD + f"studies: [{{use: class-counts, counts: [2], name: {quoted}}}]",
    }[kind]
    path = tmp_path / "r.yaml"
    path.write_text(text)
    assert refusal(path, registry).startswith(f"{path}:{1 if kind == 'run' else 7}:")


def test_a_file_name_that_cannot_name_a_run_is_refused(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / f"{'r' * 150}.yaml"
    path.write_text(GOOD.replace("name: mine\n", ""))
    assert "name: a name must not exceed 100 bytes" in refusal(path, registry)


# What is no recipe.


def test_a_chain_of_recipes_has_an_end(tmp_path: Path, registry: Registry) -> None:
    for number in range(1500):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\nseed: 1\n")
    (tmp_path / "1500.yaml").write_text(GOOD)
    told = "49.yaml:1:1: extends: a chain of more than 50 recipes"
    assert refusal(tmp_path / "0.yaml", registry).endswith(told)
    assert load(tmp_path / "1460.yaml", registry)


def test_recipes_that_extend_each_other_are_told(tmp_path: Path, registry: Registry) -> None:
    for number in range(3):
        (tmp_path / f"{number}.yaml").write_text(f"seed: 1\nextends: {(number + 1) % 3}.yaml\n")
    told = "2.yaml:2:1: extends: the recipes extend each other"
    assert refusal(tmp_path / "0.yaml", registry).endswith(told)


def test_a_chain_is_not_larger_than_a_recipe(tmp_path: Path, registry: Registry) -> None:
    for number in range(3):
        text = f"extends: {number + 1}.yaml\nseed: 1\n#" + "x" * 100_000
        (tmp_path / f"{number}.yaml").write_text(text)
    assert "1.yaml:1:1: extends: a recipe and all" in refusal(tmp_path / "0.yaml", registry)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"root:$6${SECRET}$x:19000:0:99999:7:::\nbin:*:19000::::::\n", ":1:1: not a reci"),
        (f"root:x:0:0:{SECRET}:/root:/bin/bash\n", ":1:1: a recipe must be a mapping"),
        (f"-----BEGIN KEY-----\n{SECRET}\n", ":1:1: a recipe must be a mapping"),
        (f"password: {SECRET}\n", ":1:1: not a recipe"),
        (f"{SECRET}: 1\n{SECRET}: 2\n", ":2:1: duplicate key"),
        (f"a: {SECRET}: b\n", ":1:10: invalid YAML"),
        (f"a: '{SECRET}\n", ":2:1: invalid YAML"),
        (f"a: !{SECRET} b\n", ":1:4: this tag is not allowed"),
        (f"a: *{SECRET}\n", ":1:4: invalid YAML"),
        (f"{SECRET}\0", ":1:7: invalid YAML"),
        (f"{SECRET}: !!int {SECRET}\n", ":1:9: this is not a valid value"),
        (b"\x89PNG\r\n" + SECRET.encode(), ":1:1: a recipe must be UTF-8"),
        (f"{SECRET}\n".encode() + b"\xff", ":2:1: a recipe must be UTF-8"),
        (SECRET * 50_000, "a recipe and all that it extends must not exceed"),
    ],
)
def test_no_line_of_another_file_is_shown(
    content: str | bytes, told: str, tmp_path: Path, registry: Registry
) -> None:
    other = tmp_path / "shadow"
    other.write_bytes(content if isinstance(content, bytes) else content.encode())
    path = tmp_path / "r.yaml"
    path.write_text("extends: shadow\n" + GOOD)
    assert told in refusal(path, registry)
    assert told in refusal(other, registry)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("/dev/zero", "/dev/zero cannot be read: it is a device, not a regular file"),
        ("pipe", "/pipe cannot be read: it is a named pipe, not a regular file"),
        ("loop", "/loop cannot be read: it is a circular link"),
        ("/", "there is no / (it is a folder)"),
        ("r.yaml/x", "/r.yaml/x (nor its folder)"),
        ("a" * 300, "cannot be read: File name too long"),
        ("[a]", "must be the path of a single recipe"),
        ("{a: b}", "must be the path of a single recipe"),
        ("null", "must be the path of a single recipe"),
    ],
)
def test_what_cannot_be_extended_is_told(
    value: str, told: str, tmp_path: Path, registry: Registry
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    path = tmp_path / "r.yaml"
    path.write_text(f"extends: {value}\n{GOOD}")
    message = refusal(path, registry)
    assert message.startswith(f"{path}:1:1: extends: ") and message.endswith(told)
    if not value.startswith(("[", "{", "null")):
        target = path.parent / value
        assert str(target) in refusal(target, registry)


def test_a_folder_or_device_is_not_waited_for_elsewhere(tmp_path: Path, registry: Registry) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "r.yaml"
    for value, told in [
        ("pipe", "it is a named pipe"),
        ("~nobodyx/a", "~nobodyx is unknown"),
    ]:
        part = f"{{use: image-folder, root: {value}}}"
        path.write_text(GOOD.replace("{use: shapes}", part))
        message = refusal(path, registry)
        assert message.startswith(f"{path}:2:30: dataset.root: ") and told in message


LIMITED = """\
import re, sys
from tina_kit.cli.app import invoke
for path in sys.argv[1:]:
    print(invoke(["validate", path]))
# Not `ru_maxrss`, which remembers the process that started this one.
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]) < 200 * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_none_of_it_takes_much_memory(tmp_path: Path) -> None:
    paths = []
    for number, (text, _) in enumerate(COSTLY.values()):
        paths.append(tmp_path / f"{number}.yaml")
        paths[-1].write_text(text)
    with (tmp_path / "huge.yaml").open("wb") as file:
        file.truncate(8 << 30)
    words = [sys.executable, "-c", LIMITED, *map(str, paths), str(tmp_path / "huge.yaml")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["2"] * (len(paths) + 1) + ["True"], done.stderr[-2000:]
