"""Hostile recipes, overrides and p-Model files for `fuzz.py`, drawn from a seeded generator."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from random import Random
from typing import Any

VALUES = [
    *("", "~", "null", "true", "no", "-1", "0", "1", "3", "1e22", "1e400", "-1e400", ".nan"),
    *(".inf", "99999999999999999999", "9" * 5000, "0x" + "f" * 5000, "0." + "9" * 5000, "-0.0"),
    *("1000000000", "-1000000000", "9223372036854775808", "1.5", "2", "[1, 2]", "[]", "{}", "[[]]"),
    *("{a: 1}", "[1, [2, {a: [3]}]]", "..", "'..'", "../../up", "/", "/etc", "/dev/zero", "a/b"),
    *("~nobodyx/y", "$HOME", "''", "' '", "a" * 300, "é" * 200, "😀", '"\\0"', '"\\e[2J"'),
    *('"\\ud800"', '"\\UFFFFFFFF"', '"\\x9b31m"', "!!int abc", "!!float x", "!!bool x", "!!null x"),
    *("!!binary aGk=", "!!python/object/apply:os.system [id]", "!x y", "&a [*a]", "*nobody"),
    *("{use: shapes}", "{use: nobody}", "{use: [a]}", "{use: null, name: x}", "[{use: oracle}]"),
    *("<<: {}", "{<<: {a: 1}}", "'%s%n'", "'{}'", "'{0.__class__}'", "\\", "'", '"', "[", "{", "|"),
    *(">", "- ", "? ", "@x", "`x`", "%x", "[a, b", "{a: b", "2020-01-01", "1_000", "010", "0o8"),
]
"""Of a key in YAML."""
NUMBERS = [
    *("0", "1", "2", "3", "4", "5", "7", "8", "10", "16", "32", "50", "64", "100", "101", "1000"),
    *("5000", "0.5", "1e-3", "0.99", "1.0", "1e3", "-1", "1e18", "4611686018427387904"),
]
PARTS = [
    *("shapes", "image-folder", "caltech101", "cifar100", "mini-imagenet", "balanced-permutations"),
    *("cifar100-superclass-mix", "unseen-classes", "cnn", "resnet20", "timm", "layer-chunks"),
    *("class-rows", "hashed-ngrams", "sentence-transformer", "descriptions", "llm-descriptions"),
    *("open-clip", "mini-clip", "embedding-table", "classifier-permutation", "neuron-permutation"),
    *("generic", "classifier-selection", "class-means", "retrieval", "taper", "taper-mixer"),
    *("generic-plus", "tina-dit", "hypernetwork", "oracle", "variants", "scaling", "class-counts"),
    *("image-prompts", "sentence-prompts", "training-curves", "tina-kit/oracle", "nobody/oracle"),
]
KEYS = [
    *("name", "extends", "set", "profiles", "requires", "plugins", "seed", "seeds", "zoo"),
    *("dataset", "tasks", "architecture", "conditioner", "generators", "studies", "generic"),
    *("finetune", "evaluation", "precision", "description", "use", "epochs", "shard", "classes"),
    *("id", "ood", "widths", "hidden_size", "depth", "heads", "steps", "batch_size", "tokenizer"),
    *("augmentations", "sampler", "variants", "values", "key", "root", "size", "train", "text"),
    *("nobody", "", "__class__", "..", "a.b", "a" * 300, '"\\e[2J"', "?", "<<", "0", "null"),
]
LETTERS = "[]{}:,-?&*!|>'\"%@`#\t\n 0a.\\\x00\x1b\x85\u2028é"
SNIPPETS = [
    "extends: /etc/passwd",
    "extends: /dev/zero",
    "extends: .",
    "extends: [a]",
    "extends: fuzz.yaml",
    f"extends: {'a' * 300}",
    "plugins: [nobody.py, /dev/zero, {a: 1}, ~]",
    f"requires: ['tina-kit>={'9' * 5000}', {{a: 1}}, 'x y z', ~]",
    f"set: {{{'a.' * 5000}: 1}}",
    "set: {generators.oracle.name: ../../x}",
    "profiles: {a: {tasks.id: x}, b: ~, 'c d': {name: '..'}}",
    "profiles: [a]",
    f"x: {'[' * 2000}",
    f"x: {'{a: ' * 500}{'}' * 500}",
    "x:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 200)),
    "a0: &a0 [x, x]\n" + "\n".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" for n in range(1, 12)),
    "".join(f"k{n}: 1\n" for n in range(3000)),
    f"seeds: [{'x, ' * 3000}]",
    f"description: {'x' * 300_000}",
    "studies: [{use: scaling, name: '../x', key: tasks.id, values: [1, 1e400]}]",
    f"studies: [{{use: variants, variants: {{a: {{{'a.' * 100}: 1}}}}}}]",
    "%YAML 9.9",
    "---",
    "...",
    "\ufeff",
    "# " + "\t" * 1000,
]
"""Lines of a recipe."""


def recipe(random: Random, text: str, corpus: list[str]) -> bytes:
    """A recipe, changed in one to three places. corpus: others."""
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        text = random.choice(_CHANGES)(random, text, corpus)
    data = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.05:
        data = _changed_bytes(random, data)
    return data


def override(random: Random, keys: list[str]) -> str:
    """What may stand behind `--set`."""
    steps = random.choice(keys).split(".") if random.random() < 0.7 else [random.choice(KEYS)]
    for _ in range(random.choice([0, 0, 0, 1, 2])):
        steps.insert(random.randint(0, len(steps)), random.choice(KEYS))
    key = ".".join(steps) if random.random() < 0.98 else "a." * 500
    value = random.choice(random.choice([VALUES, NUMBERS, PARTS]))
    text = f"{key}{random.choice(['=', '=', '=', '=', '', '==', ' = '])}{value}"
    return text.replace("\0", "")  # which no command line can hold


def _value(random: Random, text: str, _: list[str]) -> str:
    """Another value behind a key."""
    lines = text.split("\n")
    with_key = [n for n, line in enumerate(lines) if ": " in line]
    if not with_key:
        return text
    number = random.choice(with_key)
    pieces = lines[number].split(": ")
    place = random.randrange(1, len(pieces))
    rest = pieces[place].partition(",")[2]
    pieces[place] = random.choice(VALUES) + (f",{rest}" if rest else "")
    lines[number] = ": ".join(pieces)
    return "\n".join(lines)


def _number(random: Random, text: str, _: list[str]) -> str:
    """Another number."""
    return _replaced(random, text, r"(?<=[ \[])-?\d[\d.e-]*(?=[,\]}\n])", NUMBERS)


def _part(random: Random, text: str, _: list[str]) -> str:
    """Another part, of any kind."""
    return _replaced(random, text, r"(?<=use: )[\w-]+", PARTS)


def _replaced(random: Random, text: str, pattern: str, by: list[str]) -> str:
    found = list(re.finditer(pattern, text))
    if not found:
        return text
    place = random.choice(found)
    return text[: place.start()] + random.choice(by) + text[place.end() :]


def _key(random: Random, text: str, _: list[str]) -> str:
    """Another key, or another part's name."""
    words = [word for word in text.replace("{", " ").split() if word.endswith(":")]
    if not words:
        return text
    return text.replace(random.choice(words), f"{random.choice(KEYS)}:", 1)


def _line(random: Random, text: str, corpus: list[str]) -> str:
    """A line left out, doubled, moved, indented otherwise, or taken from another recipe."""
    lines = text.split("\n")
    number = random.randrange(len(lines))
    match random.randrange(5):
        case 0:
            del lines[number]
        case 1:
            lines.insert(number, lines[number])
        case 2:
            lines.insert(random.randrange(len(lines)), lines.pop(number))
        case 3:
            lines[number] = random.choice(["", " ", "  ", "\t", " " * 60]) + lines[number].lstrip()
        case _:
            lines.insert(number, random.choice(random.choice(corpus).split("\n")))
    return "\n".join(lines)


def _snippet(random: Random, text: str, _: list[str]) -> str:
    snippet = random.choice(SNIPPETS)
    return f"{snippet}\n{text}" if random.random() < 0.5 else f"{text}\n{snippet}\n"


def _option(random: Random, text: str, _: list[str]) -> str:
    """An option more."""
    place = [n for n, letter in enumerate(text) if letter == "}"]
    if not place:
        return f"{text}\n{random.choice(KEYS)}: {random.choice(VALUES)}\n"
    at = random.choice(place)
    return f"{text[:at]}, {random.choice(KEYS)}: {random.choice(VALUES)}{text[at:]}"


def _letters(random: Random, text: str, _: list[str]) -> str:
    """A piece cut out, repeated, or replaced by letters that mean something to YAML."""
    start = random.randrange(len(text) + 1)
    end = min(len(text), start + random.choice([1, 1, 2, 5, 50, 1000]))
    letters = "".join(
        random.choice("[]{}:,-?&*!|>'\"%@`#\t\n 0a.\\\x00\x1b\x85\u2028é") for _ in "abc"
    )
    piece = random.choice(["", text[start:end] * 2, letters])
    return text[:start] + piece + text[end:]


_CHANGES: list[Callable[[Random, str, list[str]], str]] = [
    *(_value, _value, _number, _number, _number, _part, _part),
    *(_key, _line, _line, _snippet, _option, _letters),
]


def _changed_bytes(random: Random, data: bytes) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(random.randint(1, 8)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed[: random.choice([len(changed), random.randrange(len(changed) + 1)])])


JSON: list[Any] = [
    *(None, True, -1, 0, 1, 10**9, 10**19, 10**400, 1.5, float("nan"), float("inf"), "", "x", "\0"),
    *("\x1b[2J", "..", "/", [], [[]], {}, {"a": 1}, [1], [0, 0], [-1, -1], [10**9, 10**9], ["a"]),
    *(["a", "a"], [1, 2], [None], ["x"] * 5000, "x" * 100_000, {"use": "cnn"}, {"use": "nobody"}),
    *({"use": "cnn", "widths": [10**9, 10**9]}, {"use": "cnn", "widths": [10**6, 10**6]}),
    *({"use": "timm", "model": "nobody"}, {"use": "resnet20", "generate": ["nobody"]}),
    *({"use": "cnn", "widths": [0, 0]}, {"use": ["cnn"]}, {"use": "tina-dit"}),
]
RAW = ["", "[" * 5000, "{" * 5000, "nobody", "9" * 5000, "[1,", '"\\ud800"', "NaN", "1e999", "\x00"]
DTYPES = [
    *("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "I16", "U16", "F16", "BF16", "I32", "U32", "F32"),
    *("F64", "I64", "U64", "NOBODY"),
]
SHAPES = [[], [0], [-1], [2**63], [2**40, 2**40], "x", [1.5], None]


def model(random: Random, good: bytes) -> bytes:
    """A p-Model file, changed in its bytes, its header, its metadata or its weights."""
    size = struct.unpack("<Q", good[:8])[0]
    header, weights = json.loads(good[8 : 8 + size]), bytearray(good[8 + size :])
    for _ in range(random.randint(1, 3)):
        match random.randrange(6):
            case 0:
                return _changed_bytes(random, good)
            case 1:
                _metadata(random, header)
            case 2:
                _tensor(random, header)
            case 3:  # NaN and infinity among them
                place = random.randrange(max(1, len(weights) // 4)) * 4
                bits = random.choice([b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\xff\xff\x7f\x7f"])
                weights[place : place + 4] = bits
            case 4:
                _metadata(random, header)
                _metadata(random, header)
            case _:
                weights = weights[: random.randrange(len(weights) + 1)]
    text = json.dumps(header).encode()
    length = len(text) if random.random() < 0.9 else random.choice([0, 1, 2**31, 2**63, 2**64 - 1])
    return struct.pack("<Q", length) + text + bytes(weights)


def _metadata(random: Random, header: dict[str, Any]) -> None:
    facts = header.get("__metadata__")
    if not isinstance(facts, dict) or random.random() < 0.05:
        header["__metadata__"] = random.choice(JSON)
        return
    key = random.choice([*facts, "nobody"])
    match random.randrange(6):
        case 0:
            facts.pop(key, None)
        case 1:
            facts[key] = random.choice(RAW)
        case 2:
            facts[key] = random.choice(JSON)  # metadata of safetensors is text
        case 3 if key == "architecture":
            settings = json.loads(facts[key]) if str(facts[key]).startswith("{") else {}
            settings[random.choice([*settings, "nobody"])] = random.choice(JSON)
            facts[key] = json.dumps(settings)
        case _:
            facts[key] = json.dumps(random.choice(JSON))


def _tensor(random: Random, header: dict[str, Any]) -> None:
    names = [name for name in header if isinstance(header[name], dict) and name != "__metadata__"]
    if not names:
        return
    name = random.choice(names)
    entry = header[name]
    match random.randrange(6):
        case 0:
            del header[name]
        case 1:
            header[random.choice(["nobody", "", "\x1b[2J", "x" * 10_000])] = header.pop(name)
        case 2:
            entry["dtype"] = random.choice(DTYPES)
        case 3:
            entry["shape"] = random.choice(
                [[], [0], [-1], [2**63], [2**40, 2**40], "x", [1.5], None]
            )
        case 4:
            entry["data_offsets"] = random.choice([[0, 0], [0, 2**40], [-4, 0], [8, 4], [], None])
        case _:
            header[name] = random.choice(JSON)
