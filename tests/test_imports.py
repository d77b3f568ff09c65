import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import gtn_tf

#: Lowest first: a package imports itself and those in front of it.
PACKAGES = (
    *(
        "types",
        "paths",
        "import_paths",
        "given",
        "ops",
        "layers",
        "statistics",
        "datasets",
        "search_spaces",
    ),
    *("learners", "teachers", "config", "runtime", "figures", "meta"),
    *("training", "export", "evaluation", "nas", "retrain", "experiments"),
    *("front", "keras_tuner", "report", "records", "main"),
)
#: Nothing in these imports TensorFlow.
WITHOUT_TENSORFLOW = {
    "types",
    "given",
    "statistics",
    "config",
    "figures",
    "report",
}
_ROOT = Path(gtn_tf.__file__).parent.parent
_FOLDER = _ROOT / "gtn_tf"


def _name(path: Path) -> str:
    parts = path.relative_to(_ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


_MODULES = {_name(path): path for path in sorted(_FOLDER.rglob("*.py"))}


def _imported(module: str, inside_functions: bool = False) -> Iterator[str]:
    """Yields the modules of gtn_tf that a module imports."""
    tree = ast.parse(_MODULES[module].read_text())
    nodes = list(ast.walk(tree))
    if not inside_functions:
        hidden = {
            child
            for node in nodes
            if isinstance(node, ast.FunctionDef)
            for child in ast.walk(node)
        }
        nodes = [node for node in nodes if node not in hidden]
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "gtn_tf":
                while name not in _MODULES:
                    name = name.rpartition(".")[0]
                if name != "gtn_tf":  # its version
                    yield name


def _package(module: str) -> str:
    return module.split(".")[1]


_INSIDE = [module for module in _MODULES if module != "gtn_tf"]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_downwards_only(package):
    allowed = PACKAGES[: PACKAGES.index(package) + 1]
    for module in _INSIDE:
        if _package(module) != package:
            continue
        for other in _imported(module, package != "main"):
            assert _package(other) in allowed, f"{module} imports {other}"


def test_every_package_has_its_place():
    assert {_package(module) for module in _INSIDE} == set(PACKAGES)


def test_no_circles():
    graph = {module: set(_imported(module)) for module in _INSIDE}
    list(TopologicalSorter(graph).static_order())


def test_the_search_finds_imports():
    found = set(_imported("gtn_tf.training.run"))
    assert {"gtn_tf.training.assembly", "gtn_tf.types"} <= found
    found = set(_imported("gtn_tf.main"))
    assert {_package(name) for name in found} == {
        "config",
        "paths",
        "runtime",
        "types",
    }


def test_no_test_imports_another():
    for path in (_ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{a.name}" for a in node.names]
            for name in names:
                parts = name.split(".")
                assert not any(p.startswith("test_") for p in parts), path


def test_files_fit_on_a_few_screens():
    for module, path in _MODULES.items():
        assert len(path.read_text().splitlines()) <= 350, module


def test_no_tensorflow_at_import():
    names = ["gtn_tf", "gtn_tf.main"]
    names += [m for m in _INSIDE if _package(m) in WITHOUT_TENSORFLOW]
    code = "import sys\n"
    for name in names:
        code += f"import {name}\n"
        code += "assert not {'tensorflow', 'keras'} & set(sys.modules), "
        code += f"'{name}'\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT)
    assert done.returncode == 0
