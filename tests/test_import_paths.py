import pytest

from gtn_tf.import_paths import choose, is_import_path
from gtn_tf.types import InputError
from tests.helpers import tiny

_CHOICES = {"one": 1, "join": "os.path:join"}


def test_a_name_an_import_path_and_a_name_of_one():
    import os

    assert choose("one", _CHOICES, "a.key") == 1
    assert choose("join", _CHOICES, "a.key") is os.path.join
    assert choose("os.path:join", {}, "a.key") is os.path.join


@pytest.mark.parametrize("text", ["a", "a.b", "a:b:c", ":b", "a:", "a b:c", 1])
def test_no_import_path(text):
    assert not is_import_path(text)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("two", "expected one of one, join, or package.module:attribute"),
        ("no_such_module:thing", "ModuleNotFoundError"),
        ("os.path:no_such_thing", "os.path has no 'no_such_thing'"),
    ],
)
def test_what_leads_nowhere_is_one_line(name, part):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        choose(name, _CHOICES, "a.key")
    assert part in str(caught.value)
    assert f"a.key is {name!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("raise OSError('no; disk')", "OSError: no, disk"),
        ("import sys; sys.exit(2)", "SystemExit: 2"),
    ],
)
def test_a_module_that_fails(line, part, tmp_path, monkeypatch):
    (tmp_path / "broken_module.py").write_text(f"{line}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        choose("broken_module:thing", {}, "a.key")
    assert part in str(caught.value)
