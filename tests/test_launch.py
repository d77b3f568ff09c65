import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gtn_tf.config import FIELDS
from gtn_tf.config.choices import STRATEGIES
from gtn_tf.main import MODES

_ROOT = Path(__file__).parents[1]
_LAUNCH = _ROOT / "launch"
_SCRIPTS = sorted(
    path
    for path in (*_LAUNCH.glob("*.sh"), *_LAUNCH.glob("*/*.sbatch"))
    if path.name != "flags.sh"
)
_MANIFESTS = sorted(_LAUNCH.glob("*/*.yaml"))
_FILES = sorted(path for path in _LAUNCH.rglob("*") if path.is_file())
_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "SLURM_ARRAY_TASK_ID": "3",
    "SLURM_ARRAY_TASK_COUNT": "16",
}


def _ids(paths):
    return [path.name for path in paths]


def _run(name, *arguments, **environment):
    return subprocess.run(
        ["bash", _LAUNCH / name, *arguments],
        cwd=_ROOT,
        env={**_ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _commands(name, *arguments, **environment):
    """Returns the words of each command that a dry run prints."""
    done = _run(name, "--dry_run", *arguments, **environment)
    assert (done.returncode, done.stderr) == (0, ""), done
    return [shlex.split(line) for line in done.stdout.splitlines()]


def test_what_there_is():
    assert len(_SCRIPTS) == 6
    assert len(_MANIFESTS) == 3


@pytest.mark.parametrize("path", _SCRIPTS, ids=_ids(_SCRIPTS))
def test_script_stops_at_errors_and_explains_itself(path):
    assert "\nset -euo pipefail\n" in path.read_text()
    assert os.access(path, os.X_OK)
    done = _run(path.relative_to(_LAUNCH), "--help")
    assert done.returncode == 0
    assert f"launch/{path.relative_to(_LAUNCH)}" in done.stdout
    assert "--dry_run" in done.stdout
    assert "Defaults come from the environment" in done.stdout
    parsed = path.read_text().partition("\nparse_flags ")[2]
    for name in parsed.partition(" --")[0].replace("\\\n", " ").split():
        assert f"--{name}" in done.stdout, name
    done = _run(path.relative_to(_LAUNCH), "--dry_run", "--nonsense=1")
    assert done.returncode == 2
    assert done.stderr.startswith("error: argument '--nonsense=1'; expected")


@pytest.mark.parametrize("path", _SCRIPTS, ids=_ids(_SCRIPTS))
def test_shellcheck(path):
    beside_python = str(Path(sys.executable).parent)
    shellcheck = shutil.which(
        "shellcheck", path=os.pathsep.join([beside_python, os.environ["PATH"]])
    )
    if shellcheck is None:
        pytest.skip("no shellcheck")
    done = subprocess.run(
        [shellcheck, "--external-sources", path],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_tpu_vm_create():
    assert _commands("tpu_vm_create.sh", "--name=a", "--spot=false") == [
        [
            *("gcloud", "compute", "tpus", "tpu-vm", "create", "a"),
            *("--zone=us-west4-a", "--accelerator-type=v5litepod-8"),
            "--version=tpu-vm-tf-2.18.0-pjrt-v5e-and-v6",
        ]
    ]
    (command,) = _commands("tpu_vm_create.sh", ZONE="z", PROJECT="p")
    assert command[6:] == [
        *("--zone=z", "--accelerator-type=v5litepod-8"),
        *("--version=tpu-vm-tf-2.18.0-pjrt-v5e-and-v6", "--project=p"),
        "--spot",
    ]


def test_tpu_queued_resource():
    assert _commands("tpu_queued_resource.sh", "--runtime_version=v") == [
        [
            *("gcloud", "compute", "tpus", "queued-resources", "create"),
            *("gtn", "--node-id=gtn", "--zone=us-west4-a"),
            *("--accelerator-type=v5litepod-8", "--runtime-version=v"),
            *("--valid-until-duration=6h", "--spot"),
        ]
    ]


@pytest.mark.parametrize(
    ("queued", "kind", "more"),
    [("false", "tpu-vm", []), ("true", "queued-resources", ["--force"])],
)
def test_tpu_delete(queued, kind, more):
    gcloud = ["gcloud", "compute", "tpus"]
    assert _commands("tpu_delete.sh", f"--queued={queued}", "--zone=z") == [
        [*gcloud, kind, "delete", "gtn", "--zone=z", *more, "--quiet"],
        [*gcloud, "queued-resources", "list", "--zone=z"],
        [*gcloud, "tpu-vm", "list", "--zone=z"],
    ]


def test_tpu_vm_run():
    flags = ["--config=configs/cifar10_tpu.py", "--config.seed=1 "]
    archive, there, install, train, folder, back = _commands(
        "tpu_vm_run.sh", "--workdir=w", "--", *flags, TMPDIR="/t"
    )
    assert archive[3:] == ["archive", "--output=/t/gtn_tf.tar", "HEAD"]
    assert there[3:6] == ["tpu-vm", "scp", "/t/gtn_tf.tar"]
    assert "pip install --quiet '.[tpu]' -f https://" in install[-1]
    shell = train[-1].removeprefix("--command=cd gtn_tf && ")
    assert shlex.split(shell) == [
        *("TPU_NAME=local", "python3", "-m", "gtn_tf.main"),
        *("--workdir=runs/tpu", *flags),
    ]
    assert folder == ["mkdir", "-p", "w"]
    assert back[3:8] == [
        *("tpu-vm", "scp", "--recurse", "gtn:gtn_tf/runs/tpu/*", "w")
    ]
    *_, train = _commands(
        "tpu_vm_run.sh", "--workdir=gs://bucket/run", "--", *flags
    )
    shell = train[-1].removeprefix("--command=cd gtn_tf && ")
    assert shlex.split(shell)[4:] == ["--workdir=gs://bucket/run", *flags]
    assert _run("tpu_vm_run.sh", "--dry_run").returncode == 2


def test_local_devices():
    assert _commands("local.sh", "--num_devices=4", "--", "--config=c") == [
        [
            *("python3", "-m", "gtn_tf.main", "--config=c"),
            "--config.num_logical_devices=4",
        ]
    ]


def test_local_workers(monkeypatch):
    from gtn_tf.runtime.cluster import Cluster, read_cluster

    commands = _commands(
        "local.sh", "--num_workers=2", "--port=9000", "--", "--config=c"
    )
    for index, (env, setting, *command) in enumerate(commands):
        assert env == "env"
        monkeypatch.setenv(*setting.split("=", 1))
        assert read_cluster() == Cluster(
            ("127.0.0.1:9000", "127.0.0.1:9001"), index
        )
        assert command == [
            *("python3", "-m", "gtn_tf.main", "--config=c"),
            "--config.strategy=multi_worker",
        ]
    assert len(commands) == 2


def test_local_workers_end_with_the_worst_code(tmp_path):
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\ncase $TF_CONFIG in *'\"index\": 1'*) exit 3;; esac\n"
    )
    python.chmod(0o755)
    done = _run(
        "local.sh", "--num_workers=3", f"--python={python}", "--", "--config=c"
    )
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize("by_terminal", [False, True])
def test_local_workers_are_told_of_a_signal_and_waited_for(
    tmp_path, by_terminal
):
    """Once: the second signal would end them unsaved."""
    python = tmp_path / "python"
    python.write_text(
        "#!/usr/bin/env bash\n"
        "trap 'kill \"$child\"; echo saved; exit 143' TERM\n"
        "trap 'echo told twice' INT\n"
        "sleep 60 &\nchild=$!\necho started\nwait\n"
    )
    python.chmod(0o755)
    with subprocess.Popen(
        [
            *("bash", _LAUNCH / "local.sh", "--num_workers=2"),
            *(f"--python={python}", "--", "--config=c"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What is begun in the background ignores it, which no shell can trap.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as local:
        assert [local.stdout.readline() for _ in range(2)] == ["started\n"] * 2
        if by_terminal:  # whose Ctrl-C is for the whole process group
            os.killpg(local.pid, signal.SIGINT)
        else:
            local.terminate()
        assert local.stdout.read() == "saved\n" * 2
        assert local.wait() == 143


@pytest.mark.parametrize("number", ["0", "two", "-1", "1.5"])
def test_a_wrong_number_of_workers_is_one_line(number):
    done = subprocess.run(
        [
            *("bash", _LAUNCH / "local.sh", f"--num_workers={number}"),
            *("--", "--config=c"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "expected whole numbers" in done.stderr
    assert done.stdout == ""


def test_slurm_array():
    assert _commands("slurm/search_array.sbatch", "--config=c") == [
        [
            *("python3", "-m", "gtn_tf.main", "--mode=search", "--config=c"),
            *("--workdir=runs/search", "--config.search.shard=3"),
            "--config.search.num_shards=16",
        ]
    ]


def _manifest(path):
    """Returns a manifest with every ${NAME} that it explains filled in."""
    text = path.read_text()
    names = set(re.findall(r"\$\{(\w+)\}", text))
    header = text.partition("\napiVersion")[0].partition("\nworkerPool")[0]
    exported = set(re.findall(r"\b([A-Z_]+)=", header))
    assert names == exported
    for name in names:
        value = "4" if name == "NUM_SHARDS" else name.lower()
        text = text.replace(f"${{{name}}}", value)
    return yaml.safe_load(text)


def test_pretrain_job():
    job = _manifest(_LAUNCH / "kubernetes" / "pretrain_job.yaml")
    assert (job["kind"], job["apiVersion"]) == ("Job", "batch/v1")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["--config=config", "--workdir=/runs/name"]


def test_search_indexed_job():
    job = _manifest(_LAUNCH / "kubernetes" / "search_indexed_job.yaml")
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == 4
    (container,) = spec["template"]["spec"]["containers"]
    (variable,) = container["env"]
    field = variable["valueFrom"]["fieldRef"]["fieldPath"]
    assert field.endswith("['batch.kubernetes.io/job-completion-index']")
    assert f"--config.search.shard=$({variable['name']})" in container["args"]
    assert "--config.search.num_shards=4" in container["args"]


def test_vertex_custom_job():
    job = _manifest(_LAUNCH / "vertex" / "custom_job.yaml")
    (pool,) = job["workerPoolSpecs"]
    assert pool["replicaCount"] == pool["machineSpec"]["acceleratorCount"] == 1
    assert "--config=config" in pool["containerSpec"]["args"]


@pytest.mark.parametrize("path", _FILES, ids=_ids(_FILES))
def test_names_exist(path):
    text = path.read_text()
    for config in re.findall(r"configs/\w+\.py", text):
        assert (_ROOT / config).exists(), config
    for key in re.findall(r"--config\.([a-z_][a-z_.]*\w)", text):
        assert key in FIELDS, key
    for mode in re.findall(r"--mode=(\w+)", text):
        assert mode in MODES, mode
    for strategy in re.findall(r"--config\.strategy=(\w+)", text):
        assert strategy in STRATEGIES
    for other in re.findall(r"launch/[\w/.]*\w", text):
        assert (_ROOT / other).exists(), other


@pytest.mark.parametrize("name", ["Dockerfile.gpu", "Dockerfile.tpu"])
def test_images_copy_what_exists(name):
    lines = (_LAUNCH / name).read_text().splitlines()
    for line in lines:
        if line.startswith("COPY"):
            for source in line.split()[1:-1]:
                assert (_ROOT / source).exists(), source
    (extra,) = re.findall(r"'\.\[(\w+)\]'", "\n".join(lines))
    assert f'"{extra}": [' in (_ROOT / "setup.py").read_text()
