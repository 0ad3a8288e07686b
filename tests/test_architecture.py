"""The folder tree is the architecture: who may import whom, how large a file may grow, what an import costs."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(
    p
    for folder in ("tinygrad_lite", "layers", "optim", "examples", "benchmarks")
    for p in (ROOT / folder).rglob("*.py")
)

ALLOWED = {  # folder -> third-party and own packages that its files may import at module level
    "tinygrad_lite": {"numpy", "tinygrad_lite"},
    "tinygrad_lite/kernels": {"numpy", "numba", "llvmlite", "tinygrad_lite"},
    "layers": {"numpy", "tinygrad_lite"},
    "optim": {"numpy", "tinygrad_lite"},
}


def imported(path: Path, anywhere: bool = True) -> set[str]:
    """Full names of the modules that a file imports; at module level only, or anywhere in it."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if anywhere else tree.body
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def inside(path: Path, folder: str) -> bool:
    return path.is_relative_to(ROOT / folder)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_what_its_folder_may(path):
    names = imported(path)
    if not inside(path, "tinygrad_lite/kernels"):
        assert not any(n.split(".")[0] in ("numba", "llvmlite") for n in names), "only kernels/ knows Numba"
    if inside(path, "tinygrad_lite"):
        above = [n for n in names if n.startswith(("tinygrad_lite.layers", "tinygrad_lite.optim", "examples"))]
        assert not above, f"the engine never imports {above}"
    if inside(path, "layers"):
        assert not any(n.startswith(("tinygrad_lite.optim", "examples")) for n in names)
    if inside(path, "optim"):
        assert not any(n.startswith(("tinygrad_lite.layers", "examples")) for n in names)
    folder = next((f for f in sorted(ALLOWED, key=len, reverse=True) if inside(path, f)), None)
    if folder:
        top = {n.split(".")[0] for n in imported(path, anywhere=False)} - set(sys.stdlib_module_names)
        assert top <= ALLOWED[folder], (
            f"{sorted(top - ALLOWED[folder])} at module level; an extra is imported where it is used"
        )


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_is_longer_than_500_lines_and_each_says_what_it_is_for(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 500
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a file opens with what it is for"


def test_every_package_is_installed():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split(", "))
    folders = {path.parent for path in FILES if path.name == "__init__.py"}
    engine = {".".join(f.relative_to(ROOT).parts) for f in folders if inside(f, "tinygrad_lite")}
    assert listed == {*engine, "tinygrad_lite.layers", "tinygrad_lite.optim"}


def test_the_core_stays_under_700_lines():
    assert sum(len((ROOT / "tinygrad_lite" / f).read_text().splitlines()) for f in ("tensor.py", "autograd.py")) < 700


def test_importing_the_library_imports_neither_numba_nor_anything_beyond_numpy():
    code = (
        "import sys, numpy; before = set(sys.modules); import tinygrad_lite; "
        "print(*{m.split('.')[0] for m in set(sys.modules) - before})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(found) - set(sys.stdlib_module_names) <= {"tinygrad_lite", "numpy"}
