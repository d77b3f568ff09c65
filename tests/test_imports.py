import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gtn_tf

#: Lower layers first; a module imports from the lines above its own only,
#: or from those named before it in its own line.
LAYERS = """
types
config metrics checkpoints seeds tfds_reader data real_batches
pools layers normalization inner_optimizers distribution
initial_values learner_families generators curricula learners
gtn inner_loop
inner_problem data_gradients
meta_gradient evaluation meta_step
assembly
plots report
pretrain
main
"""
_FOLDER = Path(gtn_tf.__file__).parent
_PLACE = {name: place for place, name in enumerate(LAYERS.split())}
_MODULES = sorted(p.stem for p in _FOLDER.glob("*.py") if p.stem != "__init__")


def _imported(module: str) -> set[str]:
    tree = ast.parse((_FOLDER / f"{module}.py").read_text())
    if module == "main":  # its modes are imported when they run
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        split = (name.split(".") for name in names)
        found |= {name[1] for name in split if name[0] == "gtn_tf"}
    return found


@pytest.mark.parametrize("module", _MODULES)
def test_imports_point_down(module):
    assert module in _PLACE, f"put {module} in LAYERS"
    for other in _imported(module):
        assert _PLACE[other] < _PLACE[module], f"{module} imports {other}"


def test_the_search_finds_imports():
    assert {"data", "assembly", "plots", "types"} <= _imported("pretrain")
    assert _imported("main") == {"config", "types"}


_WITHOUT_TENSORFLOW = [
    name for name in ("main", "config", "plots", "report") if name in _MODULES
]


def test_no_tensorflow_at_import():
    code = "import sys\n"
    for name in _WITHOUT_TENSORFLOW:
        code += f"import gtn_tf.{name}\n"
        code += "assert not {'tensorflow', 'keras'} & set(sys.modules), "
        code += f"'gtn_tf.{name}'\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=_FOLDER.parent)
    assert done.returncode == 0
