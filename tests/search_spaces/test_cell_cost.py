"""Published networks: our counts, pinned; one hand count."""

import re
from pathlib import Path

import pytest

from gtn_tf.search_spaces.cells.cost import cell_network_cost
from gtn_tf.search_spaces.cells.genotypes import Genotype
from gtn_tf.search_spaces.cells.published_genotypes import (
    published,
    published_genotype,
)
from tests.helpers.genotypes import PLAIN

#: (name, N, F) -> trained parameters.
PARAMS = {
    ("NASNet-A", 6, 32): 3_328_234,
    ("AmoebaNet-A", 6, 36): 3_145_510,
    ("AmoebaNet-B", 6, 36): 2_714_590,
    ("AmoebaNet-B", 6, 128): 33_368_714,
    ("DARTS-V1", 6, 36): 3_169_414,
    ("DARTS-V2", 6, 36): 3_349_342,
    ("ENAS", 5, 36): 3_729_430,
    ("ENAS", 6, 36): 4_394_710,
    ("NAONet-A", 6, 36): 11_470_150,
    ("NAONet-A", 6, 128): 144_576_394,
    ("NAONet-B", 5, 36): 2_492_902,
    ("NAONet-B", 6, 36): 2_921_302,
    ("NAONet-V2", 6, 36): 4_387_654,
    ("GTN-fixed", 6, 36): 12_580_246,
}
#: Parameters in millions, as the papers print them, where ours agree.
AGREED = {
    ("NASNet-A", 6, 32): 3.3,
    ("AmoebaNet-B", 6, 36): 2.8,
    ("AmoebaNet-B", 6, 128): 34.9,
    ("DARTS-V2", 6, 36): 3.3,
    ("ENAS", 6, 36): 4.6,
    ("NAONet-B", 5, 36): 2.5,
}


def count(name, num_cells, channels):
    genotype = published_genotype(name)
    return cell_network_cost(genotype, num_cells, channels, (32, 32, 3), 10)


@pytest.mark.parametrize(("name", "num_cells", "channels"), PARAMS)
def test_published_networks(name, num_cells, channels):
    found = count(name, num_cells, channels).params
    assert found == PARAMS[name, num_cells, channels]
    agreed = AGREED.get((name, num_cells, channels))
    if agreed:
        assert found / 1e6 == pytest.approx(agreed, rel=0.05)


def test_all_published_networks_are_counted():
    assert {name for name, _, _ in PARAMS} == set(published())


def test_the_table_in_docs_says_the_same():
    path = Path(__file__).parents[2] / "docs" / "architectures.md"
    rows = re.findall(
        r"^\| (\S+) \| (\d+) \| (\d+) \| ([\d,]+)k \|", path.read_text(), re.M
    )
    table = {
        (name, int(n), int(f)): int(thousands.replace(",", ""))
        for name, n, f, thousands in rows
    }
    assert table == {key: round(value / 1e3) for key, value in PARAMS.items()}


def test_one_cell_counted_by_hand():
    # N=0, F=1 on 4x4x1: stem 1 -> 3, reductions to 2 and 4 channels.
    cost = cell_network_cost(
        Genotype(PLAIN, PLAIN), 0, 1, (4, 4, 1), 2, normalization="none"
    )
    # Kernels, then biases (nothing normalises).
    stem = 9 * 3 + 3
    # Both inputs 3 -> 2; conv1x1 2 -> 2; identity reduces by two halves.
    first = 2 * (3 * 2 + 2) + (2 * 2 + 2) + 2 * (2 * 1 + 1)
    # Input 0 halves in two parts of 2 from 3; input 1: 2 -> 4.
    second = 2 * (3 * 2 + 2) + (2 * 4 + 4) + (4 * 4 + 4) + 2 * (4 * 2 + 2)
    assert cost.params == stem + first + second + 4 * 2 + 2
    assert cost.statistics == 0
    assert cost.multiply_adds == (
        16 * 27 + (2 * 16 * 6 + 4 * 4 + 4 * 4) + (4 * 12 + 4 * 8 + 16 + 16) + 8
    )
