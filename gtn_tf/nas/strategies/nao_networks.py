"""NAO's encoder, predictor and decoder of architectures as sequences.

Neural Architecture Optimization (Luo et al., arXiv 1808.07233), sections 3.1
and 3.2. Differences: a sequence is the options of a space's decisions, and
decisions of equally many options share their tokens; the decoder's greedy
choice is among the options of the decision, so that every sequence that it
writes is an architecture.
"""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from gtn_tf.ops.counted_loop import counted_loop

# As published with weight sharing (NAO-V1), but for the number of epochs.
_EMBEDDING = 48
_UNITS = 96
_PREDICTOR = (200, 200, 200)
_DROPOUT = 0.1
_BATCH_SIZE = 100
_LEARNING_RATE = 1e-3
_CLIP_NORM = 5.0
_L2 = 1e-4
_SCORE_SHARE = 0.8  # of the loss; the rest is the decoder's


class Trained(NamedTuple):
    """How a training went, as means over its last epoch.

    Attributes:
      score_loss: mean squared error of the predictor.
      token_loss: cross-entropy of the decoder, nats per token.
    """

    score_loss: float
    token_loss: float


class Networks:
    """All three, fresh.

    Args:
      decisions: number of options of each, as `Space.decisions`.
      seed: of weights, dropout and the order of batches.
    """

    def __init__(self, decisions: Sequence[int], seed: int) -> None:
        first: dict[int, int] = {}  # number of options -> its first token
        num_tokens = 0
        for number in map(int, decisions):
            if number not in first:
                first[number] = num_tokens
                num_tokens += number
        self._first = np.array([first[n] for n in decisions])
        tokens = np.arange(num_tokens)
        self._is_option = tf.constant(
            [(first[n] <= tokens) & (tokens < first[n] + n) for n in decisions]
        )
        self._num_tokens = num_tokens
        self._length = len(decisions)
        self._seed = seed
        self._num_seeds = 0
        self._build()

    def _build(self) -> None:
        layers = keras.layers
        tokens = keras.Input((self._length, self._num_tokens))
        states = self._lstm()(self._dense(_EMBEDDING, bias=False)(tokens))
        self._encoder = keras.Model(tokens, states)
        mean = keras.Input((_UNITS,))
        hidden = mean
        for units in _PREDICTOR:
            hidden = self._dense(units, "relu")(hidden)
            hidden = layers.Dropout(_DROPOUT, seed=self._next_seed())(hidden)
        score = self._dense(1, "sigmoid")(hidden)
        self._predictor = keras.Model(mean, score)
        encoded = keras.Input((self._length, _UNITS))
        # Zeros stand for the token before the first one.
        before = self._dense(_EMBEDDING, bias=False)(tokens)
        read = self._lstm()(before, initial_state=[mean, mean])
        # The weights of Luong's attention are the encoder's own outputs.
        seen = layers.Attention()([read, encoded])
        joined = layers.Concatenate()([read, seen])
        logits = self._dense(self._num_tokens)(
            self._dense(_UNITS, "tanh")(joined)
        )
        self._decoder = keras.Model([tokens, encoded, mean], logits)
        models = (self._encoder, self._predictor, self._decoder)
        self._variables = [v for m in models for v in m.trainable_variables]
        self._optimizer = keras.optimizers.Adam(
            _LEARNING_RATE, global_clipnorm=_CLIP_NORM
        )
        self._optimizer.build(self._variables)
        sequences = tf.TensorSpec([None, self._length], tf.int32)
        self._traced_step = tf.function(
            self._step,
            autograph=False,
            input_signature=[sequences, tf.TensorSpec([None], tf.float32)],
        )
        self._traced_scores = tf.function(
            self._scores, autograph=False, input_signature=[sequences]
        )
        self._traced_moved = tf.function(
            self._moved,
            autograph=False,
            input_signature=[sequences, tf.TensorSpec([], tf.float32)],
        )

    def train(
        self,
        options: np.ndarray,
        scores: np.ndarray,
        num_epochs: int,
    ) -> Trained:
        """Trains on architectures of known scores.

        Args:
          options: [N, D], whole numbers from 0.
          scores: [N], in [0, 1], higher is better.
          num_epochs: passes over them.
        """
        tokens = self._tokens(options)
        scores = np.asarray(scores, np.float32)
        rng = np.random.default_rng(self._seed)
        losses = []
        for _ in range(num_epochs):
            order = rng.permutation(len(tokens))
            losses = [
                self._traced_step(tokens[batch], scores[batch])
                for batch in np.array_split(
                    order, -(-len(order) // _BATCH_SIZE)
                )
            ]
        return Trained(*np.mean(losses, axis=0).tolist())

    def scores(self, options: np.ndarray) -> np.ndarray:
        """Returns the predicted scores [N] of architectures [N, D]."""
        return self._traced_scores(self._tokens(options)).numpy()

    def moved(
        self, options: np.ndarray, step_size: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Steps along the predictor's gradient and decodes.

        Args:
          options: [N, D].
          step_size: of the step that every output of the encoder takes, eq. 7;
            0 only decodes what was encoded.

        Returns:
          Options [N, D] after the step, and predicted scores [N] of what was
          decoded, before it was.
        """
        tokens, scores = self._traced_moved(
            self._tokens(options), tf.constant(step_size, tf.float32)
        )
        return tokens.numpy() - self._first, scores.numpy()

    def _tokens(self, options: np.ndarray) -> np.ndarray:
        return (np.asarray(options) + self._first).astype(np.int32)

    def _encode(self, tokens: tf.Tensor) -> tf.Tensor:
        hot = tf.one_hot(tokens, self._num_tokens)
        return tf.math.l2_normalize(self._encoder(hot), -1)

    def _logits(
        self, tokens: tf.Tensor, encoded: tf.Tensor, mean: tf.Tensor
    ) -> tf.Tensor:
        """Logits of each token, given those before it."""
        hot = tf.one_hot(tokens, self._num_tokens)
        before = tf.pad(hot[:, :-1], [[0, 0], [1, 0], [0, 0]])
        logits = self._decoder([before, encoded, mean])
        return tf.where(self._is_option, logits, -1e9)

    def _step(self, tokens: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            encoded = self._encode(tokens)
            mean = _mean(encoded)
            found = self._predictor(mean, training=True)[:, 0]
            score_loss = tf.reduce_mean(tf.square(found - scores))
            token_loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    tokens, self._logits(tokens, encoded, mean)
                )
            )
            squares = tf.add_n([tf.nn.l2_loss(v) for v in self._variables])
            loss = _SCORE_SHARE * score_loss
            loss += (1.0 - _SCORE_SHARE) * token_loss + _L2 * squares
        gradients = tape.gradient(loss, self._variables)
        self._optimizer.apply(gradients, self._variables)
        return tf.stack([score_loss, token_loss])

    def _scores(self, tokens: tf.Tensor) -> tf.Tensor:
        mean = _mean(self._encode(tokens))
        return self._predictor(mean, training=False)[:, 0]

    def _moved(
        self, tokens: tf.Tensor, step_size: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        encoded = self._encode(tokens)
        with tf.GradientTape() as tape:
            tape.watch(encoded)
            score = self._predictor(_mean(encoded), training=False)
        gradient = tape.gradient(score, encoded)
        encoded = tf.math.l2_normalize(encoded + step_size * gradient, -1)
        mean = _mean(encoded)
        scores = self._predictor(mean, training=False)[:, 0]

        def choose(position: tf.Tensor, decoded: tf.Tensor) -> tuple:
            logits = self._logits(decoded, encoded, mean)[:, position]
            chosen = tf.argmax(logits, -1, tf.int32)[:, None]
            here = tf.one_hot(position, self._length, dtype=tf.int32)
            return position + 1, decoded + chosen * here

        start = tf.constant(0), tf.zeros_like(tokens)
        _, decoded = counted_loop(self._length, choose, start)
        return decoded, scores

    def _lstm(self) -> keras.layers.LSTM:
        return keras.layers.LSTM(
            _UNITS,
            return_sequences=True,
            kernel_initializer=self._initializer(),
            recurrent_initializer=keras.initializers.Orthogonal(
                seed=self._next_seed()
            ),
            use_cudnn=False,  # the same numbers on every device
        )

    def _dense(
        self, units: int, activation: str | None = None, bias: bool = True
    ) -> keras.layers.Dense:
        return keras.layers.Dense(
            units,
            activation,
            use_bias=bias,
            kernel_initializer=self._initializer(),
        )

    def _initializer(self) -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=self._next_seed())

    def _next_seed(self) -> int:
        self._num_seeds += 1
        rng = np.random.default_rng((self._seed, self._num_seeds))
        return int(rng.integers(2**31))


def _mean(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the embedding of an architecture, [B, U], of length 1."""
    return tf.math.l2_normalize(tf.reduce_mean(encoded, 1), -1)
