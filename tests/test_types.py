import pytest

from gtn_tf.types import (
    DivergenceError,
    InputError,
    one_line,
)


@pytest.mark.parametrize("kind", [InputError, DivergenceError])
def test_our_own_errors_keep_their_clauses_and_length(kind):
    text = f"{'a' * 400}; expected b; [Op:c]"
    assert one_line(kind(f"{'a' * 400};\nexpected  b; [Op:c]")) == text


def test_an_error_of_another_library_becomes_part_of_a_clause():
    error = ValueError("{{node\nA}} bad; very\n  bad [Op:B] name:\n")
    assert one_line(error) == "bad, very bad"
    assert one_line(ValueError("ab" * 400)) == "ab" * 150
    assert one_line(ValueError(" \n")) == "ValueError"
