"""The validation accuracies of NAS-Bench-201, as a table outside the package.

See tests/data/nb201/README.md.
"""

import csv
import itertools
from pathlib import Path

from gtn_tf.search_spaces.nb201.space import NB201

_FOLDER = Path(__file__).parents[1] / "data" / "nb201"


def accuracies() -> dict[tuple[str, ...], float]:
    """Returns the accuracy in percent of every canonical genotype."""
    space = NB201()
    # A row of the table is a canonical genotype, as numbers.
    texts = map(str, itertools.product(range(5), repeat=6))
    every = map(space.from_text, texts)
    rows = [cell for cell in every if cell == space.canonical(cell)]
    values = (_FOLDER / "val_accs.txt").read_text().split()
    return dict(zip(rows, map(float, values), strict=True))


def write_table(path: Path) -> None:
    """Writes them as the published table has them: net, val_accs."""
    texts = map(str, itertools.product(range(5), repeat=6))
    space, found = NB201(), accuracies()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("net", "val_accs"))
        for text in texts:
            if (cell := space.from_text(text)) in found:
                writer.writerow((text, found[cell]))


def excerpt() -> list[dict[str, str]]:
    """Returns 500 rows with parameters, FLOPs and other scores."""
    with (_FOLDER / "excerpt.csv").open(newline="") as file:
        return list(csv.DictReader(file))
