"""That graphs run unrewritten where they shall, and rewritten elsewhere."""

import pytest
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
from tensorflow.python.eager import context

from gtn_tf.runtime.graph_rewriting import keep_loops_repeatable, not_rewritten


def rewriting() -> RewriterConfig:
    options = context.context().function_call_options
    config = ConfigProto.FromString(options.config_proto_serialized)
    return config.graph_options.rewrite_options


@pytest.mark.usefixtures("grappler")
def test_nothing_is_rewritten_within():
    keep_loops_repeatable()
    with not_rewritten():
        assert rewriting().disable_meta_optimizer
    assert not rewriting().disable_meta_optimizer
    # What was set before still holds.
    assert rewriting().memory_optimization == RewriterConfig.NO_MEM_OPT


@pytest.mark.usefixtures("grappler")
def test_rewriting_goes_on_after_an_error():
    with pytest.raises(ValueError, match="within"), not_rewritten():
        raise ValueError("within")
    assert not rewriting().disable_meta_optimizer
