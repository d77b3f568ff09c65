"""Real data at other numbers of steps and batch sizes than the GTN's."""

from gtn_tf.evaluation.baselines import BASELINES
from gtn_tf.evaluation.sources import (
    Setting,
    Source,
    build_setting,
)
from gtn_tf.experiments.trials import changed


def tuned_real(setting: Setting, num_steps: int, batch_size: int) -> Source:
    """Returns real batches with constant rates tuned for just these sizes.

    The tuning is kept under `baselines/` in the workdir, for all experiments.

    Args:
      setting: of the GTN that is compared.
      num_steps: inner steps.
      batch_size: real images per step.
    """
    inner, folder = setting.config.inner, setting.workdir
    if (num_steps, batch_size) != (inner.num_steps, inner.batch_size):
        sizes = f"steps_{num_steps}_batch_{batch_size}"
        folder = folder / "baselines" / sizes
    changes = {"inner.num_steps": num_steps, "inner.batch_size": batch_size}
    config = changed(setting.config, changes)
    # Built anew: one traced function for all sizes would be retraced.
    of_sizes = build_setting(config, folder, setting.dataset)
    return BASELINES["real_tuned"](of_sizes)
