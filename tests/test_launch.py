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
_SHELL = sorted([*_LAUNCH.glob("*.sh"), *_LAUNCH.glob("*/*.sbatch")])
_PARTS = ("flags.sh", "on_tpu_vm.sh")  # of other scripts
_SCRIPTS = [path for path in _SHELL if path.name not in _PARTS]
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


@pytest.mark.parametrize("path", _SHELL, ids=_ids(_SHELL))
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


_CREATING = ("tpu_vm_create.sh", "tpu_queued_resource.sh")


@pytest.mark.parametrize("name", _CREATING)
def test_tpus_of_one_host(name):
    for kind in ("v2-8", "v3-8", "v4-8", "v5p-8", "v5litepod-1", "v6e-8"):
        (command,) = _commands(name, f"--accelerator_type={kind}")
        assert f"--accelerator-type={kind}" in command


@pytest.mark.parametrize("name", _CREATING)
@pytest.mark.parametrize(
    "kind", ["v2-32", "v4-16", "v5p-16", "v5litepod-16", "v6e-16", "v6e", ""]
)
def test_tpus_of_several_hosts_are_refused(name, kind):
    done = _run(name, "--dry_run", f"--accelerator_type={kind}")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"error: --accelerator_type={kind}; expected one of v2-8 "
    )


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("tpu_vm_create.sh", "--spot=yes"),
        ("tpu_queued_resource.sh", "--spot="),
        ("tpu_delete.sh", "--queued=1"),
        ("tpu_vm_run.sh", "--pjrt=no"),
    ],
)
def test_a_switch_is_true_or_false(name, flag):
    done = _run(name, "--dry_run", flag)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {flag}; expected one of true false; see --help\n"
    )


_JOB = ["bash", "gtn_tf/launch/on_tpu_vm.sh"]
_RUN_FLAGS = ["--config=configs/cifar10_tpu.py", "--config.seed=1 "]


def _remote(command):
    """Returns the words of the shell command that a `gcloud .. ssh` runs."""
    assert command[:5] == ["gcloud", "compute", "tpus", "tpu-vm", "ssh"]
    return shlex.split(command[-1].removeprefix("--command="))


def test_tpu_vm_run(tmp_path):
    (tmp_path / "held").touch()
    folder = f"gtn_tf/runs{tmp_path}"
    flags = [f"--workdir=runs{tmp_path}", *_RUN_FLAGS]
    archive = "/t/gtn_tf.gtn.tar"
    commands = _commands(
        *("tpu_vm_run.sh", f"--workdir={tmp_path}", "--", *_RUN_FLAGS),
        TMPDIR="/t",
    )
    state, sources, to_vm, install, *commands = commands
    assert _remote(state)[:-4] == [*_JOB, "state", *flags]
    assert sources[3:] == ["archive", f"--output={archive}", "HEAD"]
    assert to_vm[3:7] == ["tpu-vm", "scp", archive, "gtn:gtn_tf.tar"]
    assert _remote(install)[-5:-1] == [
        *(".[tpu]", "tensorflow-tpu==2.18.0", "tensorflow-metadata<1.18", "-f")
    ]
    pack, workdir_to_vm, unpack, start, follow, code, *commands = commands
    assert pack == ["tar", "-cf", archive, "-C", str(tmp_path), "."]
    assert workdir_to_vm == to_vm
    assert folder in _remote(unpack)
    assert "--keep-newer-files" in _remote(unpack)
    assert _remote(start) == [*_JOB, "start", "true", *flags]
    assert _remote(follow) == [*_JOB, "follow"]
    assert _remote(code) == [*_JOB, "code"]
    pack, from_vm, _, unpack = commands
    assert _remote(pack)[-5:] == ["-cf", "gtn_tf.tar", "-C", folder, "."]
    assert from_vm[5:7] == ["gtn:gtn_tf.tar", archive]
    assert unpack == ["tar", "-xf", archive, "-C", str(tmp_path)]


def test_tpu_vm_run_in_a_bucket():
    *_, install, start, follow, code = _commands(
        *("tpu_vm_run.sh", "--workdir=gs://bucket/run", "--tensorflow=2.19.1"),
        *("--pjrt=false", "--", *_RUN_FLAGS),
    )
    assert "tensorflow-tpu==2.19.1" in _remote(install)
    assert _remote(start) == [
        *(*_JOB, "start", "false", "--workdir=gs://bucket/run", *_RUN_FLAGS)
    ]
    assert (_remote(follow)[-1], _remote(code)[-1]) == ("follow", "code")


def test_tpu_vm_run_needs_flags():
    done = _run("tpu_vm_run.sh", "--dry_run")
    assert done.returncode == 2
    assert "expected -- --config=FILE" in done.stderr


@pytest.mark.parametrize("mode", ["--mode=search", "--mode evaluate"])
def test_tpu_vm_run_refuses_modes_without_a_tpu(mode):
    command = ["tpu_vm_run.sh", "--dry_run", "--", "--config=c"]
    done = _run(*command, *mode.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {mode.replace(' ', '=')}; expected one of pretrain retrain; "
        "see --help\n"
    )
    assert _run(*command, "--mode=retrain").returncode == 0


# The VM is a folder. A file `drop` there stands for a connection that is lost
# while the log is followed, `silent` for one that is not back after that.
_GCLOUD = """\
#!/usr/bin/env bash
set -euo pipefail
cd "$VM"
if [[ $4 == ssh ]]; then
  command=${!#}
  command=${command#--command=}
  echo "$command" >>commands
  [[ $command != *follow ]] || ps -o pgid= $$ >group_of_follow
  # gcloud repeats a command whose connection is lost: here each start.
  [[ $command != *"sh start "* ]] || HOME=$VM setsid --wait bash -c "$command"
  if [[ $command == *follow && -e drop ]]; then
    rm drop
    exit 255
  fi
  if [[ $command == *"on_tpu_vm.sh code" && -e silent ]]; then
    rm silent
    exit 1
  fi
  # As by sshd: what runs there is not of this process group.
  HOME=$VM exec setsid --wait bash -c "$command"
fi
from=${5/#gtn:/$VM/} to=${6/#gtn:/$VM/}
cp "$from" "$to"
"""
_GIT = """\
#!/usr/bin/env bash
tar -cf "${4#--output=}" -C "$2" launch
"""
# Stands for pip, libtpu and gtn_tf.main, which `behaviour` directs.
_PYTHON = """\
#!/usr/bin/env bash
if [[ $1 == -c ]]; then
  cat "$VM/libtpu" || exit 1
  exit
fi
[[ $2 == gtn_tf.main ]] || exit 0
workdir=${3#--workdir=}
source "$VM/behaviour"
"""


class _Vm:
    """A TPU VM that is a folder, and a script that runs on it."""

    def __init__(self, folder):
        self.home = folder / "vm"
        self.workdir = folder / "workdir"
        tools = folder / "tools"
        for path in (self.home, tools):
            path.mkdir()
        for name, text in (
            *(("gcloud", _GCLOUD), ("git", _GIT), ("python3", _PYTHON)),
        ):
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        self.environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "TMPDIR": str(folder),
            "VM": str(self.home),
        }

    @property
    def there(self):
        """The folder of the workdir on the VM."""
        return self.home / f"gtn_tf/runs{self.workdir}"

    @property
    def commands(self):
        return (self.home / "commands").read_text()

    def begin(self, behaviour, *flags):
        """Starts the script; what gtn_tf.main does there is shell text."""
        (self.home / "behaviour").write_text(behaviour)
        return subprocess.Popen(
            [
                *("bash", _LAUNCH / "tpu_vm_run.sh"),
                *(f"--workdir={self.workdir}", *flags, "--", "--config=c"),
            ],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # What is begun in the background ignores it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, behaviour, *flags):
        """Returns (exit code, stdout, stderr) of a whole run."""
        process = self.begin(behaviour, *flags)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors


@pytest.fixture
def vm(tmp_path):
    if shutil.which("pgrep") is None or shutil.which("setsid") is None:
        pytest.skip("no pgrep or setsid")
    return _Vm(tmp_path)


_SAVES = 'mkdir -p "$workdir" && echo saved >"$workdir/file" && echo hello\n'


def test_tpu_vm_run_copies_back_and_ends_with_the_code_of_the_run(vm):
    assert vm.run(_SAVES + "exit 3") == (3, "hello\n", "")
    assert (vm.workdir / "file").read_text() == "saved\n"


def test_tpu_vm_run_that_fails_before_it_has_a_workdir(vm):
    assert vm.run("echo 'error: bad' >&2; exit 2") == (2, "error: bad\n", "")


def test_tpu_vm_run_resumes_on_a_new_vm(vm):
    vm.workdir.mkdir()
    (vm.workdir / "checkpoint").write_text("7")
    (vm.workdir / ".hidden").write_text("8")
    code, output, _ = vm.run('cat "$workdir/checkpoint" "$workdir/.hidden"')
    assert (code, output) == (0, "78")
    assert (vm.workdir / "checkpoint").read_text() == "7"


@pytest.mark.parametrize("kept", ["here", "there"])
def test_tpu_vm_run_keeps_the_newer_file(vm, kept):
    for folder, text in ((vm.workdir, "here"), (vm.there, "there")):
        folder.mkdir(parents=True)
        (folder / "file").write_text(text)
        seconds = 1.1e9 if text == kept else 1e9
        os.utime(folder / "file", (seconds, seconds))
    assert vm.run('cat "$workdir/file"') == (0, kept, "")
    assert (vm.workdir / "file").read_text() == kept


def test_tpu_vm_run_keeps_two_workdirs_of_one_name_apart(vm, tmp_path):
    assert vm.run(_SAVES)[0] == 0
    vm.workdir = tmp_path / "other" / "workdir"
    assert vm.run('ls "$workdir"')[0] == 2  # there is none
    assert list(vm.workdir.iterdir()) == []


@pytest.mark.parametrize("pjrt", ["true", "false"])
@pytest.mark.parametrize("library", ["/site/libtpu/libtpu.so", None])
def test_tpu_vm_run_names_the_library_of_the_tpu(vm, pjrt, library):
    if library is not None:
        (vm.home / "libtpu").write_text(library + "\n")
    code, output, _ = vm.run(
        "env | grep -E '^(TPU_|NEXT_PLUGGABLE|TF_PLUGGABLE|PYTHONUNB)'",
        f"--pjrt={pjrt}",
    )
    assert code == 0
    library = library or "/lib/libtpu.so"
    expected = {"TPU_NAME": "local", "TPU_LIBRARY_PATH": library}
    expected["PYTHONUNBUFFERED"] = "1"  # for who follows the log
    if pjrt == "true":
        expected["NEXT_PLUGGABLE_DEVICE_USE_C_API"] = "true"
        expected["TF_PLUGGABLE_DEVICE_LIBRARY_PATH"] = library
    assert dict(line.split("=") for line in output.splitlines()) == expected


_SAVES_WHEN_ASKED = (
    'echo begun >>"$VM/begun"\n'
    'trap \'kill "$child"; mkdir -p "$workdir"; echo 1 >>"$workdir/saved"; '
    "echo saved; exit 143' TERM\n"
    "sleep 60 &\nchild=$!\necho started\nwait\n"
)


@pytest.mark.parametrize("by_terminal", [False, True])
def test_tpu_vm_run_passes_a_signal_on_and_waits(vm, by_terminal):
    with vm.begin(_SAVES_WHEN_ASKED) as script:
        assert script.stdout.readline() == "started\n"
        if by_terminal:  # whose Ctrl-C is for the whole process group
            os.killpg(script.pid, signal.SIGINT)
        else:
            script.terminate()
        assert script.stdout.read() == "saved\n"
        assert script.wait() == 143
    assert (vm.home / "begun").read_text() == "begun\n"
    # gcloud, unlike a shell in the background, would end at the terminal's.
    assert int((vm.home / "group_of_follow").read_text()) != script.pid
    assert (vm.workdir / "saved").read_text() == "1\n"
    assert vm.commands.count("on_tpu_vm.sh stop") == 1


def test_tpu_vm_run_goes_on_without_its_script_which_attaches_again(vm):
    with vm.begin(_SAVES_WHEN_ASKED) as script:
        assert script.stdout.readline() == "started\n"
        script.kill()
    with vm.begin(_SAVES_WHEN_ASKED) as script:
        assert script.stdout.readline() == "started\n"
        script.terminate()
        assert script.wait() == 143
    assert vm.commands.count("pip install") == 1
    assert vm.commands.count("on_tpu_vm.sh start") == 1
    assert (vm.workdir / "saved").read_text() == "1\n"


def test_tpu_vm_run_refuses_a_vm_that_runs_something_else(vm):
    with vm.begin(_SAVES_WHEN_ASKED) as script:
        assert script.stdout.readline() == "started\n"
        vm.workdir = vm.workdir / "of another"
        code, output, errors = vm.run(_SAVES)
        script.terminate()
        assert script.wait() == 143
    assert (code, output) == (2, "")
    assert errors.startswith("error: another run on gtn; expected none")
    assert errors.count("\n") == 1


def test_tpu_vm_run_survives_hangups(vm):
    assert vm.run("kill -HUP $$ $PPID; echo alive") == (0, "alive\n", "")


def test_tpu_vm_run_knows_a_pid_that_is_of_something_else(vm):
    (vm.home / "gtn_tf_run").mkdir()
    (vm.home / "gtn_tf_run/pid").write_text(f"{os.getpid()}\n")
    assert vm.run(_SAVES) == (0, "hello\n", "")


def test_tpu_vm_run_that_goes_on_has_no_exit_code(vm):
    assert vm.run("exit 3")[0] == 3
    (vm.home / "drop").touch()
    code, _, errors = vm.run(_SAVES_WHEN_ASKED)
    assert (code, errors.count("\n")) == (1, 1)
    assert errors.startswith("error: no connection to gtn")
    with vm.begin(_SAVES_WHEN_ASKED) as script:
        assert script.stdout.readline() == "started\n"
        script.terminate()
        assert script.wait() == 143


def test_tpu_vm_run_says_what_to_do_without_a_connection(vm):
    (vm.home / "drop").touch()
    (vm.home / "silent").touch()
    code, _, errors = vm.run(_SAVES)
    assert code == 1
    assert errors.startswith("error: no connection to gtn")
    assert not vm.workdir.exists()
    assert vm.run(_SAVES)[0] == 0
    assert (vm.workdir / "file").exists()


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
    sbatch = "slurm/search_array.sbatch"
    expected = [
        *("python3", "-m", "gtn_tf.main", "--mode=search", "--config=c"),
        *("--workdir=runs/search", "--config.search.shard=3"),
        "--config.search.num_shards=16",
    ]
    assert _commands(sbatch, "--config=c") == [expected]
    again = {"SLURM_ARRAY_TASK_COUNT": "1", "SLURM_ARRAY_TASK_MAX": "3"}
    repeated = _commands(sbatch, "--config=c", "--num_shards=16", **again)
    assert repeated == [expected]
    assert _commands(sbatch, CONFIG="c", NUM_SHARDS="16", **again) == [expected]


@pytest.mark.parametrize(
    ("array", "variables"),
    [
        ("1-16", {"SLURM_ARRAY_TASK_MAX": "16"}),
        ("0-30:2", {"SLURM_ARRAY_TASK_MAX": "30"}),
        ("3", {"SLURM_ARRAY_TASK_COUNT": "1", "SLURM_ARRAY_TASK_MAX": "3"}),
        ("0-15", {"NUM_SHARDS": "3"}),
        ("0-15", {"NUM_SHARDS": "many"}),
        ("", {"SLURM_ARRAY_TASK_ID": ""}),
        ("", {"SLURM_ARRAY_TASK_COUNT": ""}),
    ],
)
def test_slurm_tasks_outside_of_the_shards_are_refused(array, variables):
    done = _run("slurm/search_array.sbatch", "--dry_run", **variables)
    assert (done.returncode, done.stdout) == (2, ""), array
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "sbatch --array=0-N" in line


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


@pytest.mark.parametrize("name", ["pretrain_job", "search_indexed_job"])
def test_jobs_outlive_evictions_and_end_at_bad_input(name):
    spec = _manifest(_LAUNCH / "kubernetes" / f"{name}.yaml")["spec"]
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # else the API server refuses
    bad_input, evicted = spec["podFailurePolicy"]["rules"]
    assert bad_input == {
        "action": "FailJob",
        "onExitCodes": {"operator": "In", "values": [2]},
    }
    assert evicted == {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget"}],
    }
    (container,) = pod["containers"]
    (mount,) = container["volumeMounts"]
    (data,) = [e for e in container["env"] if e["name"] == "TFDS_DATA_DIR"]
    assert data["value"].startswith(f"{mount['mountPath']}/")


def test_search_indexed_job():
    job = _manifest(_LAUNCH / "kubernetes" / "search_indexed_job.yaml")
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == 4
    assert spec["backoffLimitPerIndex"] > 0
    assert "backoffLimit" not in spec  # of all shards together
    (container,) = spec["template"]["spec"]["containers"]
    (variable,) = [v for v in container["env"] if v["name"] == "SHARD"]
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


def test_tpu_image_loads_the_library_of_its_wheel():
    text = (_LAUNCH / "Dockerfile.tpu").read_text()
    variables = dict(re.findall(r"^ENV (\w+)=(.+)$", text, re.MULTILINE))
    library = variables["TF_PLUGGABLE_DEVICE_LIBRARY_PATH"]
    assert variables["TPU_LIBRARY_PATH"] == library
    assert variables["NEXT_PLUGGABLE_DEVICE_USE_C_API"] == "true"
    link = r"ln -s .*libtpu\.get_library_path\(\).*\s+" + re.escape(library)
    assert re.search(link, text.replace("\\\n", ""))


def test_one_version_of_tensorflow_on_tpus():
    """The default image's, as the wheels pin libtpu by it."""
    create, run, image = (
        (_LAUNCH / name).read_text()
        for name in ("tpu_vm_create.sh", "tpu_vm_run.sh", "Dockerfile.tpu")
    )
    (version,) = re.findall(r"RUNTIME_VERSION:-tpu-vm-tf-([\d.]+)-pjrt", create)
    assert f"tensorflow=${{TENSORFLOW:-{version}}}" in run
    assert f"ARG TENSORFLOW={version}" in image
    assert "tensorflow-metadata<1.18" in run
    assert "tensorflow-metadata<1.18" in image
