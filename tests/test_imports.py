import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gtn_tf

#: Lower layers first; a module imports from the lines above its own only,
#: or from those named before it in its own line.
LAYERS = """
types provenance nas.operations nas.evaluator_names
config_keys.choices config_keys.fields config_keys.families
config_keys.learning config_keys.evaluating config_keys.searching
config_keys.retraining config_keys.running config_keys.pairs
cluster rendezvous config config_reference json_files row_log progress workdir
tensorboard_log checkpoints interrupts intervals teacher
graph_memory graph_rewriting seeds tfds_reader data real_batches
nas.genotypes nas.nao_encoding nas.published_genotypes
nas.search_space nas.cell_structure nas.cell_cost
counted_loop initializers weight_norm upsampling pools layers normalization
inner_optimizers distribution
initial_values learner_families generators curricula
nas.cell_network nas.encoded_genotype nas.interpreted_edge
nas.cell_interpreter learners
gtn inner_loop
inner_problem data_gradients
meta_gradient evaluation meta_step meta_optimizer
assembly
nas.correlation nas.picks nas.ranking nas.store nas.executors nas.zero_cost
nas.score_table nas.search_summary nas.training nas.evaluation_task
nas.cell_trainers nas.user_models
figure_style figures evaluation_figures plots search_figures budget_figures
experiment_tables experiment_figures
cell_columns cell_layout cell_figures
nas.paper_tables
page result_files search_results results record_pages records
report_evaluation report_training report_search report_retrain
report_experiments report_header report
training_run run_record pretrain
exported_gtn export sources constant_rates baselines fresh_learners
comparison
experiments.trials experiments.seed_statistics experiments.real_budgets
experiments.few_step experiments.curricula experiments.weight_norm
experiments.transfer experiments.extended_data
experiments.more_data experiments.ablation experiments.catalog
nas.evaluators nas.search_plan nas.search
nas.drop_path nas.retrain_network nas.retrain_genotype nas.retrain_result
nas.retrain_data nas.retrain_step nas.retrain_assembly
nas.retrain_loop nas.retrain
main
"""
_FOLDER = Path(gtn_tf.__file__).parent
_PACKAGES = {p.parent.name for p in _FOLDER.glob("*/__init__.py")}
_PLACE = {name: place for place, name in enumerate(LAYERS.split())}
_MODULES = sorted(
    ".".join(path.relative_to(_FOLDER).with_suffix("").parts)
    for path in _FOLDER.rglob("*.py")
    if path.stem != "__init__"
)


def _imported(module: str) -> set[str]:
    path = _FOLDER / f"{module.replace('.', '/')}.py"
    tree = ast.parse(path.read_text())
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
        for name in names:
            package, *parts = name.split(".")
            if package == "gtn_tf":
                depth = 2 if parts[0] in _PACKAGES else 1
                found.add(".".join(parts[:depth]))
    return found - {"__version__"}


@pytest.mark.parametrize("module", _MODULES)
def test_imports_point_down(module):
    assert module in _PLACE, f"put {module} in LAYERS"
    for other in _imported(module):
        assert _PLACE[other] < _PLACE[module], f"{module} imports {other}"


def test_the_search_finds_imports():
    found = _imported("training_run")
    assert {"data", "assembly", "meta_step", "types"} <= found
    assert _imported("main") == {"cluster", "config", "types"}
    assert _imported("nas.picks") == {"nas.correlation"}
    assert _imported("nas.search_space") == {
        "nas.genotypes",
        "nas.operations",
        "types",
    }


_WITHOUT_TENSORFLOW = [
    name
    for name in (
        *("main", "config", "figure_style", "figures", "plots", "report"),
        "evaluation_figures",
        *("teacher", "records"),
        *("nas.nao_encoding", "nas.published_genotypes"),
        *("nas.search_space", "nas.cell_cost"),
        *(
            "search_figures",
            "experiment_figures",
            "cell_figures",
            "nas.ranking",
            "nas.store",
            "nas.executors",
        ),
        *("nas.evaluator_names", "nas.score_table", "nas.search_summary"),
        *("nas.retrain_genotype", "nas.retrain_result", "nas.paper_tables"),
    )
    if name in _MODULES
]


def test_no_tensorflow_at_import():
    code = "import sys\n"
    for name in _WITHOUT_TENSORFLOW:
        code += f"import gtn_tf.{name}\n"
        code += "assert not {'tensorflow', 'keras'} & set(sys.modules), "
        code += f"'gtn_tf.{name}'\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=_FOLDER.parent)
    assert done.returncode == 0
