"""Where jobs run: in this process, or on the machines of a Ray cluster.

A job function can be pickled and takes plain data, a dict; it returns
`{"score": float, "seconds": {part: float}}`, with `job_results.PARTS`. An
executor yields, as jobs finish, `(key, outcome)` with the fields `score`,
`seconds`, `status` and `reason` of a stored result: once for every job, unless
it is stopped. It takes the jobs from the front of a queue; whoever asks for
outcomes may append more.

What a job raises makes it a failed one, for one architecture that does not
build, diverges or does not fit into memory must not end a search. `InputError`
does: data or a GTN that a machine lacks are no fault of an architecture, nor
is an evaluator that returns no result.
"""

from __future__ import annotations

import collections
import contextlib
import importlib.util
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from absl import logging

from gtn_tf.config.choices import EXECUTORS
from gtn_tf.import_paths import choose
from gtn_tf.nas.job_results import PARTS, outcome_problem, short_line
from gtn_tf.runtime.interrupts import Stopped
from gtn_tf.types import (
    DivergenceError,
    InputError,
    one_line,
)

Job = Mapping[str, Any]
JobFunction = Callable[[Job], dict[str, Any]]
#: Keys and jobs, in the order in which they begin.
Jobs = collections.deque[tuple[str, Job]]
Executor = Callable[..., Iterator[tuple[str, dict[str, Any]]]]

_MAX_DEATHS = 4  # of one job's workers: the first try and three more
_MAX_IN_FLIGHT = 1000  # ray.wait looks at each of them every time
_POLL_SECONDS = 1.0


def attempt(function: JobFunction, job: Job) -> dict[str, Any]:
    """Does one job; what it raises becomes a failure with a reason.

    Returns:
      `score`, `seconds`, `status`, `reason`. A failure's seconds are all
      `until_failure`. A score that is not finite is a divergence.

    Raises:
      InputError: the job's own; or what it returns is no result.
      Stopped: the job's own.
    """
    start = time.perf_counter()
    try:
        result = function(job)
    except (Stopped, InputError):
        raise
    except Exception as error:
        logging.debug("A job failed.", exc_info=True)
        return _failure(error, time.perf_counter() - start)
    try:
        score = float(result["score"])
        spent = {part: float(s) for part, s in result["seconds"].items()}
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise _no_result(job, result) from error
    if not math.isfinite(score):
        error = DivergenceError(f"the score is {score}")
        return _failure(error, time.perf_counter() - start)
    outcome = {"score": score, "seconds": spent, "status": "ok", "reason": None}
    if outcome_problem(outcome):
        raise _no_result(job, result)
    return outcome


def _no_result(job: Job, result: Any) -> InputError:
    return InputError(
        f"evaluator {job.get('evaluator')!r} returns {short_line(result)}; "
        "expected a dict of 'score', a number, and 'seconds', a dict of "
        f"numbers >= 0 by part, {', '.join(PARTS)} at least; correct its "
        "evaluate"
    )


def _failure(error: Exception, seconds: float) -> dict[str, Any]:
    name, text = type(error).__name__, one_line(error)
    return {
        "score": None,
        "seconds": {"until_failure": seconds},
        "status": "failed",
        "reason": name if text == name else f"{name}: {text}",
    }


def _never() -> bool:
    return False


def run_inline(
    function: JobFunction,
    jobs: Jobs,
    should_stop: Callable[[], bool] = _never,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Does the jobs one after the other, in their order.

    Args:
      function: Does one job.
      jobs: Emptied; asked for one more after each outcome.
      should_stop: Asked before each job; True ends it. So does a job that
        raises `Stopped`, which has no outcome.

    Yields:
      Key and outcome of each job.

    Raises:
      InputError: a job's.
    """
    while jobs and not should_stop():
        key, job = jobs.popleft()
        try:
            outcome = attempt(function, job)
        except Stopped:
            return
        yield key, outcome


class _Try(NamedTuple):
    key: str
    job: Job
    num_deaths: int = 0  # of workers, in earlier tries
    start: float = 0.0


def run_ray(
    function: JobFunction,
    jobs: Jobs,
    should_stop: Callable[[], bool] = _never,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Does the jobs on a Ray cluster.

    The cluster is the one that `ray.init` connected to, else that of the
    variable RAY_ADDRESS, else this machine. A job holds one CPU, and one GPU
    where the cluster has any. A job whose worker process or machine dies is
    begun again, up to 3 times; one that takes its worker down every time is a
    failure. When it is stopped, or no longer asked for outcomes, the
    unfinished jobs are cancelled.

    Args:
      function: Does one job; importable on every machine.
      jobs: Emptied; asked for more after each outcome.
      should_stop: Asked about once a second; True ends it.

    Yields:
      Key and outcome of each job, as they finish.

    Raises:
      InputError: the cluster cannot be reached; or a job's.
    """
    with _connected() as ray:
        num_gpus = min(1, ray.cluster_resources().get("GPU", 0))
        # Ray's own retries have no bound where memory ran out.
        remote = ray.remote(max_retries=0, num_cpus=1, num_gpus=num_gpus)
        remote_attempt = remote(attempt)
        again: list[_Try] = []
        running: dict[Any, _Try] = {}
        try:
            while jobs or again or running:
                while (jobs or again) and len(running) < _MAX_IN_FLIGHT:
                    tried = again.pop() if again else _Try(*jobs.popleft())
                    reference = remote_attempt.remote(function, tried.job)
                    running[reference] = tried._replace(
                        start=time.perf_counter()
                    )
                if should_stop():
                    return
                finished, _ = ray.wait(list(running), timeout=_POLL_SECONDS)
                for reference in finished:
                    tried = running.pop(reference)
                    outcome = _outcome(ray, reference, tried)
                    if outcome is None:
                        num_deaths = tried.num_deaths + 1
                        again.append(tried._replace(num_deaths=num_deaths))
                    else:
                        yield tried.key, outcome
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def _outcome(ray: Any, reference: Any, tried: _Try) -> dict[str, Any] | None:
    """Returns the outcome of a finished try, None where it is due again."""
    errors = ray.exceptions
    deaths = (
        errors.WorkerCrashedError,
        errors.NodeDiedError,
        errors.OutOfMemoryError,
        errors.ObjectLostError,
    )
    try:
        return ray.get(reference)
    except deaths as error:
        if tried.num_deaths + 1 < _MAX_DEATHS:
            logging.warning(
                "A worker died (%s); its job is begun again.",
                type(error).__name__,
            )
            return None
        return _failure(error, time.perf_counter() - tried.start)
    except errors.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise InputError(str(error.cause)) from error
        raise


@contextlib.contextmanager
def _connected() -> Iterator[Any]:
    """Yields the module `ray`, connected; ends what it began."""
    import ray  # an extra

    if ray.is_initialized():
        yield ray
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, include_dashboard=False)
    except ConnectionError as error:
        raise InputError(
            f"no Ray cluster at {os.environ.get('RAY_ADDRESS')!r}; expected "
            "one that runs; set RAY_ADDRESS, or unset it for this machine"
        ) from error
    try:
        # ray.init puts its own in place, which ends the process at once.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
        yield ray
    finally:
        ray.shutdown()


def executor(name: str) -> Executor:
    """Returns an executor by name.

    Raises:
      InputError: There is none of this name, or it is not installed.
    """
    if name == "ray" and importlib.util.find_spec("ray") is None:
        raise InputError(
            "search.executor is 'ray', which is not installed; expected the "
            "extra 'ray'; pip install 'gtn_tf[ray]' or set it to 'inline'"
        )
    return choose(name, EXECUTORS, "search.executor")
