"""Scores by training on a teacher's images: a GTN's, or distilled ones."""

from typing import Any

from gtn_tf.nas.evaluators.evaluator import Evaluation, Job
from gtn_tf.nas.evaluators.trained import Trained
from gtn_tf.nas.session import Session, keep
from gtn_tf.nas.training import teacher_steps


class OnGTN(Trained):
    """`gtn`: the steps of a GTN."""

    teacher = "gtn"

    def own_budget(self) -> dict[str, Any]:
        """See `Evaluator`."""
        factor, epochs = self.name.rate_factor, self.name.number
        own = {} if factor is None else {"rate_factor": factor}
        own |= {} if epochs is None else {"epochs": epochs}
        return own | super().own_budget()

    def evaluate(self, job: Job, session: Session) -> Evaluation:
        """See `Evaluator`."""
        teacher = session.teacher(job.teacher_path)
        steps = keep(
            session.kept,
            ("teacher_steps", job.teacher_path, self.name.rate_factor),
            lambda: teacher_steps(teacher, self.name.rate_factor or 1.0),
        )
        optimizer = teacher.metadata["inner_optimizer"]
        steps = steps * int(self.name.number or 1)  # those kept stay
        return self.train(job, session, optimizer, lambda seed: iter(steps))


class OnDistillation(OnGTN):
    """`distillation`: the steps of distilled images."""

    teacher = "distillation"
