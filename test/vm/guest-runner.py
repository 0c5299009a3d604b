"""Lives in the guest: runs what the tests outside ask for over a virtio port, as root.

A request is a line of JSON, {"id", "argv", "input" (base64), "timeoutMs"}; requests run side by side. An answer is
one, too: {"id", "code", "stdout", "stderr" (base64)}, with "trouble" when there is no exit code to tell.
A line that is not JSON is the rest of one whose sender went away: it is skipped. guest.ts is the other end.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from tempfile import TemporaryFile as Temporary

MAX_OUTPUT = 1 << 20
ENVIRONMENT = {
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}


def open_port(path):
    """The port appears when udev has found it, which may be after we were started."""
    while not os.path.exists(path):
        time.sleep(0.1)
    return os.open(path, os.O_RDWR)


def first_bytes(file):
    file.seek(0)
    return base64.b64encode(file.read(MAX_OUTPUT)).decode()


def outcome(request):
    """Runs one program to its end. Outputs are files: a daemon that it leaves behind may hold them open."""
    with Temporary() as stdin, Temporary() as stdout, Temporary() as stderr:
        stdin.write(base64.b64decode(request["input"]))
        stdin.seek(0)
        child = subprocess.Popen(
            request["argv"],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
        )
        trouble = {}
        try:
            child.wait(request["timeoutMs"] / 1000)
            if child.returncode < 0:
                trouble = {"trouble": f"was ended by signal {-child.returncode}"}
        except subprocess.TimeoutExpired:
            # Not waited for: what hangs on a dead server's mount survives even this.
            os.killpg(child.pid, signal.SIGKILL)
            trouble = {"trouble": f"was still running after {request['timeoutMs']} ms"}
        outputs = {"stdout": first_bytes(stdout), "stderr": first_bytes(stderr)}
        return {"code": child.returncode, **outputs, **trouble}


def serve(port, lock, line):
    try:
        request = json.loads(line)
    except ValueError:
        return
    try:
        answer = outcome(request)
    except Exception as error:
        answer = {"trouble": f"could not be run: {error}"}
    # What the last listener did not read to its end must not spoil our line.
    rest = b"\n" + json.dumps({"id": request["id"], **answer}).encode() + b"\n"
    with lock:
        while rest:
            rest = rest[os.write(port, rest) :]


def main():
    port = open_port(sys.argv[1])
    lock = threading.Lock()
    buffer = b""
    while True:
        chunk = os.read(port, 65536)
        if not chunk:  # nobody is connected outside
            time.sleep(0.1)
            continue
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in filter(None, lines):
            threading.Thread(target=serve, args=(port, lock, line), daemon=True).start()


main()
