import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from gtn_tf.runtime.tensorboard import TensorBoardLog


def test_tensorboard_gets_scalars_and_pictures(tmp_path):
    log = TensorBoardLog(tmp_path, {"seed": 3, "learner.name": "mlp"})
    log.scalars(7, {"meta_loss": 0.25, "validation_accuracy": 0.5})
    log.inner_rates(7, {"momentum": np.array([0.5, 0.75, 0.25])})
    log.image(7, "grey", np.full((4, 5, 1), 9, np.uint8))
    log.image(7, "colour", np.full((4, 5, 3), 9, np.uint8))
    log.close()
    (path,) = (tmp_path / "tensorboard").iterdir()
    found = {}
    for record in tf.data.TFRecordDataset(str(path)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            found[value.tag] = (event.step, tf.make_ndarray(value.tensor))
            told = value.metadata.plugin_data
            if told.plugin_name == "hparams" and "start" in value.tag:
                content = HParamsPluginData.FromString(told.content)
                asked = content.session_start_info.hparams
    assert asked["seed"].number_value == 3
    assert asked["learner.name"].string_value == "mlp"
    assert found["meta/loss"] == (7, 0.25)
    assert found["validation/accuracy"] == (7, 0.5)
    for part, value in (("first", 0.5), ("last", 0.25), ("mean", 0.5)):
        assert found[f"inner/momentum_{part}"] == (7, value)
    assert len(found["inner/momentum"][1]) > 1  # a histogram
    for name, channels in (("grey", 1), ("colour", 3)):
        step, (width, height, png) = found[f"inner/{name}"]
        assert (step, int(width), int(height)) == (7, 5, 4)
        picture = tf.io.decode_png(png).numpy()
        assert picture.shape == (4, 5, channels)
        assert np.all(picture == 9)
