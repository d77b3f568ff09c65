"""The layers of a cell network, in the order in which they are made."""

from gtn_tf.search_spaces.cells.network import KerasAssembler


class Recorder(KerasAssembler):
    """Remembers the layers that hold weights, as they are made."""

    def __init__(self, spec):
        super().__init__(spec)
        self.layers = []

    def _record(self, outputs):
        self.layers.append(outputs._keras_history.operation)
        return outputs

    def conv(self, *arguments, **options):
        return self._record(super().conv(*arguments, **options))

    def depthwise(self, *arguments, **options):
        return self._record(super().depthwise(*arguments, **options))

    def normalization(self, *arguments, **options):
        return self._record(super().normalization(*arguments, **options))

    def classify(self, *arguments, **options):
        return self._record(super().classify(*arguments, **options))
