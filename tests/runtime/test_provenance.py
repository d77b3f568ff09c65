from pathlib import Path

import pytest

from gtn_tf.runtime.provenance import (
    commit,
    cpu_name,
    cpu_name_in,
    num_usable_cores,
)

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx avx2 avx512f", "EPYC (AVX-512)"),
        ("fpu avx avx2", "EPYC (AVX2)"),
        ("fpu avx", "EPYC (AVX)"),
        ("fpu sse2", "EPYC"),
    ],
)
def test_processors_of_one_name_are_told_apart(flags, expected):
    core = f"model name\t: EPYC\nflags\t\t: {flags}\n\n"
    assert cpu_name_in(core + core.replace("EPYC", "other")) == expected


def test_provenance():
    assert num_usable_cores() >= 1
    assert isinstance(cpu_name(), str)
    if (_ROOT / ".git").exists():
        assert len(commit().rstrip("+")) >= 7
