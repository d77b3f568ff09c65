"""What a meta-loss is the sum of."""


def num_meta_losses(
    num_steps: int, every: int, window: int | None
) -> int | None:
    """Returns how many cross-entropies a meta-loss sums up.

    Args:
      num_steps: T.
      every: `inner.meta_loss_every`; 0: after the last step only.
      window: `inner.truncation_window`; their number varies with one that is
        shorter than T: None.
    """
    if every == 0:
        return 1
    if window is not None and window < num_steps:
        return None
    return -(-num_steps // every)
