"""The order of packages and of the wings inside them: every import points down, and none in a
circle. docs/extending.md draws the picture."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "sstdp_hw": ROOT / "sstdp_hw",
    "sstdp_rtl": ROOT / "rtl" / "sstdp_rtl",
    "sstdp_sim": ROOT / "sim" / "sstdp_sim",
    "sstdp_train": ROOT / "training" / "sstdp_train",
}

#: Packages that a package may import.
BELOW = {
    "sstdp_hw": set(),
    "sstdp_rtl": {"sstdp_hw"},
    "sstdp_sim": {"sstdp_hw"},
    "sstdp_train": {"sstdp_hw"},
}

#: Wings of each package, lowest first: a wing imports from those before it only.
WINGS = {
    "sstdp_hw": (
        "base", "engine", "network", "data", "reference", "blocks", "contract", "models",
        "cases", "quantization", "exchange", "search", "report", "command", "ready", "verbs",
    ),
    "sstdp_rtl": ("gateware", "boards", "generator", "synthesis", "exploration", "verbs"),
    "sstdp_sim": ("simulation", "comparison", "board", "bus", "accelerator", "stress", "mutants",
        "verbs",
    ),
    "sstdp_train": ("recipes", "rule", "backends", "network", "training", "nn", "verbs"),
}  # fmt: skip


def modules():
    """Every module: name to its file, and whether it is a package."""
    found = {}
    for package, folder in FOLDERS.items():
        for file in sorted(folder.rglob("*.py")):
            parts = (package, *file.relative_to(folder).with_suffix("").parts)
            whole = parts[-1] == "__init__"
            found[".".join(parts[:-1] if whole else parts)] = (file, whole)
    return found


MODULES = modules()


def imports(name):
    """Modules of ours that a module imports, wherever in its text."""
    file, whole = MODULES[name]
    base = name.split(".") if whole else name.split(".")[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            start = base[: len(base) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                for target in (f"{module}.{alias.name}", module):
                    if target in MODULES:
                        yield target
                        break


ARROWS = {name: sorted(set(imports(name)) - {name}) for name in MODULES}


def wing(name):
    """Second part of a module's name; the package itself, its front door, stands above all."""
    return (name.split(".") + [""])[1]


@pytest.mark.parametrize("package", FOLDERS)
def test_packages_import_those_below(package):
    wrong = [
        (name, target)
        for name, targets in ARROWS.items() if name.split(".")[0] == package
        for target in targets if target.split(".")[0] not in {package, *BELOW[package]}
    ]  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize("package", FOLDERS)
def test_every_wing_has_its_place(package):
    found = {wing(name) for name in MODULES if name.startswith(f"{package}.")}
    assert found == set(WINGS[package])


@pytest.mark.parametrize("package", FOLDERS)
def test_wings_import_those_below(package):
    order = {name: place for place, name in enumerate(WINGS[package])}
    wrong = [
        (name, target)
        for name, targets in ARROWS.items() if name.startswith(f"{package}.")
        for target in targets
        if target.startswith(f"{package}.") and order[wing(target)] > order[wing(name)]
    ]  # fmt: skip
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle():
    done, path = set(), []

    def visit(name):
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return
        path.append(name)
        for target in ARROWS[name]:
            visit(target)
        path.pop()
        done.add(name)

    for name in MODULES:
        visit(name)


#: Front doors: what a package promises to export, and what importing it must not import.
HEAVY = {
    "sstdp_hw": {"numpy", "rich", "safetensors"},
    "sstdp_rtl": {"amaranth", "numpy"},
    "sstdp_sim": {"cocotb", "numpy"},
    "sstdp_train": {"torch"},
}


@pytest.mark.parametrize("package", FOLDERS)
def test_importing_a_package_is_light(package):
    code = f"import sys, {package}; print(*sorted(set(sys.modules) & {HEAVY[package]!r}))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == []


@pytest.mark.parametrize("package", ["sstdp_hw", "sstdp_rtl", "sstdp_sim"])
def test_public_names_are_typed_and_there(package):
    module = __import__(package)
    file, _ = MODULES[package]
    typed = {
        alias.asname
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert typed == set(module.PLACES) == set(dir(module))
    taken = {}
    exec(f"from {package} import *", taken)
    assert set(taken) - {"__builtins__"} == typed
    for name in module.PLACES:
        assert getattr(module, name).__name__ == name
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = module.nothing
