"""Brings a suite onto this machine: its source distribution, and a virtual environment with the project, what its tests need, and simsock's wheel.

Owns the cache folder (``~/.cache/simsock-others``, or what ``SIMSOCK_OTHERS`` names) and asks pip for everything. Does not run tests. Laws: what is there is
not fetched again; a wheel of another state of simsock is put in its place; the observer is found by a line in the environment's own folder, since some suites
hand ``PYTHONPATH`` on to what they start, and mean it to be empty.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from .suites import HERE, Suite

ROOT = HERE.parent.parent
PINS = HERE / "pins"
CACHE = Path(os.environ.get("SIMSOCK_OTHERS") or Path.home() / ".cache" / "simsock-others")
_OURS = ("simsock", "pytest_plugin", "pyproject.toml", "README.md", "LICENSE")
_TAG = f"{sys.version_info[0]}.{sys.version_info[1]}"


def folder_of(suite: Suite) -> Path:
    """Where all of a suite is."""
    return CACHE / f"{suite.name}-{suite.version}"


def source_of(suite: Suite) -> Path:
    """Where its tests are."""
    return folder_of(suite) / "source"


def python_of(suite: Suite) -> Path:
    """The interpreter that runs them."""
    return folder_of(suite) / f"venv-{_TAG}" / "bin" / "python"


def fetch(suite: Suite) -> None:
    """Have everything there."""
    folder = folder_of(suite)
    folder.mkdir(parents=True, exist_ok=True)
    if not source_of(suite).is_dir():
        _unpack(suite)
    made = folder / f"venv-{_TAG}" / "made"
    if not made.is_file():
        _install(suite)
        made.touch()
    _put_wheel(suite)
    (folder / f"venv-{_TAG}" / "lib" / f"python{_TAG}" / "site-packages" / "others_observer.pth").write_text(f"{HERE / 'inside'}\n")


def pin(suite: Suite) -> None:
    """Write down which versions are installed: the next one who fetches gets the same."""
    listed = _said(python_of(suite), "-m", "pip", "freeze", "--exclude", "simsock").splitlines()
    PINS.mkdir(exist_ok=True)
    (PINS / f"{suite.name}.txt").write_text("\n".join(line for line in listed if "==" in line) + "\n", encoding="utf-8")


def _unpack(suite: Suite) -> None:
    sdists = CACHE / "sdists"
    sdists.mkdir(exist_ok=True)
    stem = f"{suite.name.replace('-', '_')}-{suite.version}.tar.gz"
    if not (sdists / stem).is_file():
        _run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", suite.name, "-d", sdists, f"{suite.name}=={suite.version}")
    [archive] = [path for path in sdists.iterdir() if path.name.lower().replace("-", "_") == stem.lower().replace("-", "_")]
    scratch = folder_of(suite) / "unpacked"
    shutil.rmtree(scratch, ignore_errors=True)
    with tarfile.open(archive) as tar:
        tar.extractall(scratch, filter="data")
    [top] = scratch.iterdir()
    for name in suite.drop:
        shutil.rmtree(top / name)
    top.rename(source_of(suite))
    scratch.rmdir()


def _install(suite: Suite) -> None:
    target = folder_of(suite) / f"venv-{_TAG}"
    shutil.rmtree(target, ignore_errors=True)
    _run(sys.executable, "-m", "venv", target)
    pins = PINS / f"{suite.name}.txt"
    pinned = ("-c", pins) if pins.is_file() else ()
    extras = f"[{suite.extras}]" if suite.extras else ""
    _run(python_of(suite), "-m", "pip", "install", "-q", *pinned, f"{suite.name}{extras}=={suite.version}", "pytest", *suite.requires, _wheel())


def _put_wheel(suite: Suite) -> None:
    wheel, note = _wheel(), folder_of(suite) / f"venv-{_TAG}" / "wheel"
    if not note.is_file() or note.read_text() != wheel.parent.name:
        _run(python_of(suite), "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", wheel)
        note.write_text(wheel.parent.name)


def _wheel() -> Path:
    """simsock's, of the sources as they are."""
    seen = hashlib.sha256()
    for name in _OURS:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                seen.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    folder = CACHE / "wheels" / seen.hexdigest()[:16]
    found = list(folder.glob("*.whl"))
    if not found:
        _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT)
        found = list(folder.glob("*.whl"))
    return found[0]


def _run(*command: object) -> None:
    said = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if said.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {said.returncode}:\n{said.stdout[-3000:]}")


def _said(*command: object) -> str:
    return subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout
