import signal
import subprocess
import sys
import time

_LONG_CALL = """
import hashlib
from gtn_tf.runtime.interrupts import catch_signals
with catch_signals() as caught:
    print("ready", flush=True)
    # One call into C of half a minute, during which other threads run.
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 60_000_000)
"""


def test_signals_are_answered_during_one_long_call():
    process = subprocess.Popen(
        [sys.executable, "-c", _LONG_CALL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        lines = [process.stderr.readline() for _ in range(2)]
        assert lines[1].startswith("SIGINT: stopping after this step")
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        assert time.monotonic() - began < 10
        assert "stopped at once" in process.stderr.read()
    assert process.returncode == 128 + signal.SIGTERM
