"""Real data at other numbers of steps and batch sizes than the GTN's."""

from pathlib import Path

from gtn_tf.baselines import BASELINES, Setting, Source, build_setting
from gtn_tf.experiments.trials import changed


def tuned_real(
    setting: Setting, num_steps: int, batch_size: int, folder: Path
) -> Source:
    """Returns real batches with constant rates tuned for just these sizes.

    Args:
      setting: of the GTN that is compared.
      num_steps: inner steps.
      batch_size: real images per step.
      folder: keeps the tuning.
    """
    changes = {"inner.num_steps": num_steps, "inner.batch_size": batch_size}
    config = changed(setting.config, changes)
    folder = folder / f"steps_{num_steps}_batch_{batch_size}"
    # Built anew: one traced function for all sizes would be retraced.
    of_sizes = build_setting(config, folder, setting.dataset)
    return BASELINES["real_tuned"](of_sizes)
