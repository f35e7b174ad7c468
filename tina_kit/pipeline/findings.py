"""Whether this machine and its plugins are ready to run recipes, and what to do if they are not."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import TYPE_CHECKING

import tina_kit
from tina_kit.api.component import OWN
from tina_kit.api.errors import UserError
from tina_kit.api.paths import environment_path
from tina_kit.report.amounts import amount

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from tina_kit.plugins import Registry

_LEAST = 1 << 30  # bytes on the store's disk


@dataclass(frozen=True)
class Finding:
    """One line. state: ok, note (nothing is wrong) or broken (recipes cannot run)."""

    topic: str
    state: str
    text: str
    remedy: str = ""


def findings_of(found: Registry) -> list[Finding]:
    """Versions, extras, device, store, data and plugins. Imports torch."""
    return [*_versions(), *_extras(), *_device(), *_store(), *_data(), *_plugins(found)]


def _versions() -> Iterator[Finding]:
    from packaging.requirements import Requirement

    python = f"{platform.python_version()} ({sys.executable})"
    wanted = metadata(OWN)["Requires-Python"]
    if Requirement(f"python{wanted}").specifier.contains(platform.python_version()):
        yield Finding("python", "ok", python)
    else:
        yield Finding(
            "python", "broken", f"{python}, but {wanted} is required", "install another Python"
        )
    yield Finding(OWN, "ok", tina_kit.__version__)
    for requirement in _requirements(None):
        yield _package(requirement, "broken")


def _extras() -> Iterator[Finding]:
    for extra in metadata(OWN).get_all("Provides-Extra") or ():
        if extra == "dev":
            continue
        packages = [_package(requirement, "note") for requirement in _requirements(extra)]
        lacking = [f"{package.topic} {package.text}" for package in packages if package.remedy]
        if lacking:
            remedy = f"pip install '{OWN}[{extra}]'"
            yield Finding(f"extra {extra}", "note", "; ".join(lacking), remedy)
        else:
            versions = ", ".join(f"{package.topic} {package.text}" for package in packages)
            yield Finding(f"extra {extra}", "ok", versions)


def _requirements(extra: str | None) -> Iterator[Requirement]:
    """What tina-kit needs, or what one of its extras adds."""
    from packaging.requirements import Requirement

    for text in requires(OWN) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        always = marker is None or marker.evaluate({"extra": ""})
        added = marker is not None and marker.evaluate({"extra": extra or ""}) and not always
        if always if extra is None else added:
            yield requirement


def _package(requirement: Requirement, otherwise: str) -> Finding:
    name, wanted = requirement.name, requirement.specifier
    try:
        installed = version(name)
    except PackageNotFoundError:
        return Finding(
            name, otherwise, "is not installed", f"pip install '{requirement.name}{wanted}'"
        )
    if not wanted.contains(installed, prereleases=True):
        text = f"{installed}, but {wanted} is required"
        return Finding(name, otherwise, text, f"pip install '{name}{wanted}'")
    return Finding(name, "ok", installed)


def _device() -> Iterator[Finding]:
    try:
        import torch

        from tina_kit.training import resolve_device, resolve_precision

        device = resolve_device("auto")
        precision = resolve_precision("auto", device)
    except Exception as error:
        what = f"torch cannot be imported: {type(error).__name__}: {error}".splitlines()[0]
        yield Finding("device", "broken", what, "reinstall torch")
        return
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    threads = f", {torch.get_num_threads()} threads" if device.type == "cpu" else ""
    yield Finding("device", "ok", f"{device} ({name}{threads})")
    yield Finding("precision", "ok", f"{precision} where a recipe says auto")


def _store() -> Iterator[Finding]:
    from shutil import disk_usage

    from tina_kit.store import Store
    from tina_kit.store.listing import size_of

    try:
        store = Store.default()
        store.check()
    except UserError as error:
        yield Finding("store", "broken", str(error))
        return
    root = store.root
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    remedy = "TINA_KIT_STORE names another folder"
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Finding("store", "broken", f"{root}: {there} cannot be written to", remedy)
        return
    free = disk_usage(there).free
    where = f"{root}" if store.remote is None else f"{store.place} by way of {root}"
    text = f"{where}, {amount(size_of(root))}, {amount(free)} free on its disk"
    enough = free > _LEAST
    yield Finding("store", "ok" if enough else "note", text, "" if enough else remedy)


def _data() -> Iterator[Finding]:
    topic = "TINA_KIT_DATA"
    try:
        folder = environment_path(topic)
        if folder is None:
            yield Finding(topic, "note", "is not set: data sets that read files need their `root`")
            return
        inside = sorted(path.name for path in folder.iterdir() if path.is_dir())
    except UserError as error:
        yield Finding(topic, "note", str(error).removeprefix(f"{topic}: "), "correct it")
    except FileNotFoundError:
        yield Finding(topic, "note", f"{folder}: no such folder", "correct it")
    except OSError as error:
        yield Finding(topic, "note", f"{folder}: {error.strerror}", "correct it")
    else:
        yield Finding(topic, "ok", f"{folder}: {', '.join(inside) or 'empty'}")


def _plugins(found: Registry) -> Iterator[Finding]:
    from tina_kit.plugins.discovery import installed
    from tina_kit.plugins.failure import DISABLE

    owners = dict.fromkeys(entry.origin for entry in found.registered)
    yield Finding("plugins", "ok", f"{len(found.registered)} components of {', '.join(owners)}")
    off = [f"{plugin.name} of {plugin.owner}" for plugin, _ in installed(switched_off=True)]
    if off:
        yield Finding("plugins", "note", f"{DISABLE} switches off {', '.join(off)}")
    for own in [failure for failure in found.failures if failure.owner == OWN]:
        yield Finding("plugins", "broken", str(own), f"pip install --force-reinstall {OWN}")
    others = [failure for failure in found.failures if failure.owner != OWN]
    if others:
        names = dict.fromkeys(failure.plugin for failure in others)
        yield Finding("plugins", "note", f"problems with {', '.join(names)}; see below")
