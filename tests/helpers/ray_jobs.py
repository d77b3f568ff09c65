"""Jobs on a local Ray cluster, in a process of their own.

Ray starts processes, threads and warnings that would reach other tests, and
prints what it likes; what a function here returns goes to a file, as JSON.
"""

import collections
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from absl import logging

from gtn_tf.nas import executors
from gtn_tf.nas.job_results import PARTS
from gtn_tf.types import InputError


def queue(jobs):
    return collections.deque(jobs.items())


def score(job):
    if job["number"] == 3:
        raise MemoryError("cell too large")
    if job["number"] == 4 and not Path(job["marker"]).exists():
        Path(job["marker"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if job["number"] == 5 and job["may_kill"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"score": job["number"] ** 2, "seconds": dict.fromkeys(PARTS, 0.0)}


def sleep(job):
    time.sleep(job["seconds"])
    return {"score": 0.0, "seconds": dict.fromkeys(PARTS, 0.0)}


def read_data(job):
    raise InputError("no data; expected some; bring them")


def lack_data():
    try:
        next(executors.run_ray(read_data, queue({"job": {}})))
    except InputError as error:
        return str(error)


def jobs(marker, may_kill):
    return {
        f"job {number}": {
            "number": number,
            "marker": marker,
            "may_kill": may_kill,
        }
        for number in range(8)
    }


def lose_workers(marker):
    import ray

    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    return list(executors.run_ray(score, queue(jobs(marker, may_kill=True))))


def stop_by_signal():
    """SIGTERM after the first outcome, while a long job runs."""
    caught = []
    signal.signal(signal.SIGTERM, lambda number, _: caught.append(number))
    given = {"short": {"seconds": 0}, "long": {"seconds": 600}}
    found = []
    for key, _ in executors.run_ray(sleep, queue(given), lambda: bool(caught)):
        found.append(key)
        os.kill(os.getpid(), signal.SIGTERM)
    return [found, caught]


def reach_no_cluster():
    os.environ["RAY_ADDRESS"] = "auto"
    try:
        next(executors.run_ray(sleep, queue({"short": {"seconds": 0}})))
    except InputError as error:
        return str(error)


def search(workdir, *arguments):
    """Runs the command line on this machine; its exit code and errors."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gtn_tf.main", "--mode=search"),
            *(f"--workdir={workdir}", *arguments),
            "--config.search.executor=ray",
        ],
        # Not a cluster that another run has left behind.
        env={**os.environ, "RAY_ADDRESS": "local"},
        capture_output=True,
        text=True,
    )
    return [done.returncode, done.stderr]


def search_on_two_nodes(workdir, *arguments):
    """Runs the command line; kills a worker, later a node with its workers.

    Returns the exit code, what it wrote, and how many results there were when
    the worker and the node were killed.
    """
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False},
    )
    node = cluster.add_node(num_cpus=1)
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "gtn_tf.main", "--mode=search"),
            *(f"--workdir={workdir}", *arguments),
            "--config.search.executor=ray",
        ],
        env={**os.environ, "RAY_ADDRESS": cluster.address},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as search:
        kills = [
            lambda busy: os.kill(busy, signal.SIGKILL),
            lambda _: cluster.remove_node(node, allow_graceful=False),
        ]
        killed_at = []
        for number, kill in enumerate(kills):
            while search.poll() is None:
                found = len(list(Path(workdir).glob("search/results/*.json")))
                busy = _busy_workers()
                if found >= 2 * number and busy:
                    kill(busy[0])
                    killed_at.append(found)
                    break
                time.sleep(0.05)
        errors = search.stderr.read()
    cluster.shutdown()
    return [search.returncode, errors, killed_at]


def _busy_workers():
    """Returns the ids of this process' descendants that do a job."""
    parents, busy = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
        if command.startswith(b"ray::attempt"):
            busy.append(int(folder.name))
    return [pid for pid in busy if os.getpid() in _ancestors(pid, parents)]


def _ancestors(pid, parents):
    while pid in parents:
        pid = parents[pid]
        yield pid


if __name__ == "__main__":
    logging.set_verbosity(logging.ERROR)
    file, name, *arguments = sys.argv[1:]
    Path(file).write_text(json.dumps(globals()[name](*arguments)))
