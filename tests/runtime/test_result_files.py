import json

import pytest

from gtn_tf.runtime.result_files import (
    are_numbers,
    is_interval,
    is_number,
    is_text,
    list_of,
    misfit,
    or_none,
    pair_of,
    read_checked,
)
from gtn_tf.types import InputError
from tests.helpers import tiny

_EXPECTED = {
    "name": is_text,
    "count?": is_number,
    "by_name": {"*": {"values": are_numbers}},
    "inner": or_none({"ci95": is_interval}),
    "curve": list_of(pair_of(is_number, or_none(is_number))),
}
_GOOD = {
    "name": "a",
    "by_name": {"x": {"values": [1, 2.5]}},
    "inner": {"ci95": [None, None]},
    "curve": [[1, 0.5], [2, None]],
    "more": object,
}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({}, ""),
        ({"count": 3, "inner": None, "curve": [], "by_name": {}}, ""),
        ({"inner": {"ci95": [0.1, 0.2]}}, ""),
        ({"inner": {"ci95": None}}, ""),
        ({"name": 3}, "name"),
        ({"count": True}, "count"),
        ({"count": None}, "count"),
        ({"count": float("inf")}, "count"),
        ({"by_name": []}, "by_name"),
        ({"by_name": {"x": {}}}, "by_name.x.values"),
        ({"by_name": {"x": {"values": []}}}, "by_name.x.values"),
        ({"by_name": {"x": {"values": [1, "2"]}}}, "by_name.x.values"),
        ({"inner": {}}, "inner"),
        ({"inner": {"ci95": [0.1]}}, "inner"),
        ({"inner": {"ci95": [0.1, None]}}, "inner"),
        ({"curve": [[1]]}, "curve"),
        ({"curve": [[None, 1]]}, "curve"),
    ],
    ids=str,
)
def test_where_a_value_is_not_as_expected(change, place):
    assert misfit({**_GOOD, **change}, _EXPECTED) == place


def test_a_file_that_is_not_as_expected_is_one_line(tmp_path):
    path = tmp_path / "a.json"
    assert read_checked(path, {"a": is_number}) is None
    for content, reason in (([], "no JSON object"), ({"a": "x"}, "its 'a' is")):
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
            read_checked(path, {"a": is_number})
        assert f"a.json' is damaged ({reason}" in str(caught.value)
    path.write_text('{"a": 1}')
    assert read_checked(path, {"a": is_number}) == {"a": 1}
