import numpy as np
import tensorflow as tf

from gtn_tf.runtime.tensorboard import TensorBoardLog


def test_tensorboard_gets_scalars_and_pictures(tmp_path):
    log = TensorBoardLog(tmp_path)
    log.scalars(7, {"meta_loss": 0.25, "meta_accuracy": 0.5})
    log.image(7, "grey", np.full((4, 5, 1), 9, np.uint8))
    log.image(7, "colour", np.full((4, 5, 3), 9, np.uint8))
    log.close()
    (path,) = (tmp_path / "tensorboard").iterdir()
    found = {}
    for record in tf.data.TFRecordDataset(str(path)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            found[value.tag] = (event.step, tf.make_ndarray(value.tensor))
    assert found["meta_loss"] == (7, 0.25)
    assert found["meta_accuracy"] == (7, 0.5)
    for tag, channels in (("grey", 1), ("colour", 3)):
        step, (width, height, png) = found[tag]
        assert (step, int(width), int(height)) == (7, 5, 4)
        picture = tf.io.decode_png(png).numpy()
        assert picture.shape == (4, 5, channels)
        assert np.all(picture == 9)
