from pathlib import Path

import pytest

from gtn_tf.runtime.paths import local_path
from gtn_tf.types import InputError
from tests.helpers import tiny


def test_home_and_plain_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert local_path("~/runs", "it") == Path("/home/me/runs")
    assert local_path("runs/a:b", "it") == Path("runs/a:b")
    assert local_path(Path("C"), "it") == Path("C")


@pytest.mark.parametrize(
    "path", ["gs://bucket/run", "s3://b", Path("gs://b/run"), "~nobody_/run"]
)
def test_what_is_no_folder_here_is_one_line(path):
    with pytest.raises(InputError, match=tiny.ONE_LINE) as caught:
        local_path(path, "--workdir")
    assert "--workdir is" in str(caught.value)
