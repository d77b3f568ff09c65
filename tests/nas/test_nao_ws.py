"""NAO with weight sharing on NAS-Bench-201, by one command; its pool."""

import json

import numpy as np
import pytest

from gtn_tf.nas.nao_ws_training import Pool
from gtn_tf.nas.strategies.nao_ws import NAOWS
from gtn_tf.runtime.row_log import read_rows
from gtn_tf.types import InputError
from tests.helpers import nb201_search, tiny

_POOL, _NEW = 12, 5


def _nao(**changes):
    own = {"num_rounds": 2, "num_epochs": 1, "pool": _POOL, "num_new": _NEW}
    return NAOWS(**own | {"num_network_epochs": 3} | changes)


@pytest.mark.slow
def test_what_it_ends_in_is_scored_by_its_supernet(tmp_path):
    given = (
        "--mode=search",
        "--config.search.strategy=nao_ws",
        "--config.search.nao_ws.num_rounds=2",
        "--config.search.nao_ws.num_epochs=1",
        f"--config.search.nao_ws.pool={_POOL}",
        f"--config.search.nao_ws.num_new={_NEW}",
        "--config.search.nao_ws.num_network_epochs=3",
        "--config.search.num_architectures=4",
    )
    done = tiny.run_main(tmp_path, *given, config=nb201_search.__file__)
    assert done.code == 0, done
    (folder,) = (tmp_path / "search" / "nao_ws").iterdir()
    rows = read_rows(folder / "metrics.jsonl")
    assert [row["epoch"] for row in rows] == [1, 2]
    ranking = json.loads((tmp_path / "search" / "ranking.json").read_text())
    own = json.loads((folder / "supernet" / "metadata.json").read_text())
    scored = ranking["evaluators"]["supernet"]
    assert scored["gtn_digest"] == own["digest"]
    assert not (tmp_path / "search" / "supernet").exists()
    # Its seconds are told once: as those of the strategy.
    assert ranking["found_seconds"] == own["seconds"] > scored["setup_seconds"]
    pool = json.loads((folder / "metadata.json").read_text())["pool"]
    assert len(set(pool)) == _POOL


class Rewarding:
    """A supernet that likes 3x3 convolutions."""

    def reward(self, architecture, batch):
        return architecture.count("nor_conv_3x3") / 6


def test_new_ones_replace_the_worst():
    session = nb201_search.session()
    pool = Pool(_nao(), session, Rewarding())
    count = lambda text: text.count("nor_conv_3x3")  # noqa: E731
    first = list(pool.members)
    drawn = {session.space.to_text(pool.draw(step)) for step in range(200)}
    assert drawn == set(first)
    scores = pool.renew(1)
    kept = sorted(first, key=count, reverse=True)[: _POOL - _NEW]
    assert sorted(map(count, pool.members[: _POOL - _NEW])) == sorted(
        map(count, kept)
    )
    assert not set(pool.members[_POOL - _NEW :]) & set(first)
    np.testing.assert_allclose(
        scores, sorted((count(t) / 6 for t in first), reverse=True)
    )
    resumed = Pool(_nao(), session, Rewarding())
    resumed.saved.assign(pool.saved)
    assert resumed.members == pool.members
    before = set(pool.members)
    pool.renew(2)  # the last round only orders
    assert set(pool.members) == before
    found = list(map(count, pool.members))
    assert found == sorted(found, reverse=True)


def test_a_pool_that_is_replaced_as_a_whole():
    session = nb201_search.session()
    with pytest.raises(InputError, match="expected fewer") as caught:
        Pool(_nao(num_new=_POOL), session, Rewarding())
    assert caught.match(tiny.ONE_LINE)
