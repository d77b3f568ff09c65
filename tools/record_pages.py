"""The pages that kept results are written into.

A page keeps what a person wrote around its two marks; nothing between them is
typed by hand. No TensorFlow here.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from gtn_tf.types import InputError
from tools.claims import CLAIMS, claims_table
from tools.record_tables import experiments, searches, tables, trainings

BEGIN = "<!-- results: written by `make results` -->"
END = "<!-- end of results -->"

#: Page, from the root -> (docs/results) -> what is between its marks.
PAGES: dict[str, Callable[[Path], str]] = {
    "README.md": partial(
        claims_table,
        pages="docs/results/",
        claims=[claim for claim in CLAIMS if claim.is_headline],
    ),
    "docs/results/README.md": partial(claims_table, pages="", claims=CLAIMS),
    "docs/results/teaching.md": tables,
    **{
        f"docs/results/{name}.md": partial(experiments, name=name)
        for name in (
            *("few_step", "curricula", "weight_norm"),
            *("transfer", "more_data", "ablation", "any_network"),
            *("any_ranking", "search_methods"),
        )
    },
    "docs/results/ranking.md": searches,
    "docs/results/retrain.md": trainings,
}


def with_results(text: str, results: str) -> str:
    """Returns a page with new results between its two marks.

    Raises:
      InputError: the page has no marks.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise InputError(
            f"the page has no lines {BEGIN!r} and {END!r}; expected both; "
            "put them where the results are to be"
        )
    return f"{head}{BEGIN}\n{results}\n{END}{tail}"
