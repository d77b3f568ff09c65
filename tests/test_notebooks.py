"""The notebooks: as shipped, and run at small size."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

_FOLDER = Path(__file__).parents[1] / "notebooks"
_SMALL = {
    "digits": {"META_STEPS": "2"},
    "own_images": {"META_STEPS": "2"},
    "own_networks": {"SEEDS": "1", "CANDIDATES": "1"},
}


def _read(name):
    return nbformat.read(_FOLDER / f"{name}.ipynb", 4)


def test_every_notebook_is_run():
    assert {path.stem for path in _FOLDER.glob("*.ipynb")} == set(_SMALL)


@pytest.mark.parametrize("name", _SMALL)
def test_it_is_shipped_with_its_outputs(name):
    cells = [cell for cell in _read(name).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == [
        number + 1 for number in range(len(cells))
    ]
    shown = [output for cell in cells for output in cell.outputs]
    assert not [o for o in shown if o.output_type == "error"]
    assert "score" in str(shown) or "accuracy" in str(shown)


@pytest.mark.slow
@pytest.mark.parametrize("name", _SMALL)
def test_it_runs(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(_FOLDER.parent))
    notebook = _read(name)
    (parameters,) = [
        cell
        for cell in notebook.cells
        if "parameters" in cell.metadata.get("tags", [])
    ]
    for key, value in _SMALL[name].items():
        assert f"{key} = " in parameters.source
        parameters.source += f"\n{key} = {value}"
    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": tmp_path}}
    ).execute()
