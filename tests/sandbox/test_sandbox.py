"""Untrusted Python runs within limits, and nothing that it tries reaches beyond them."""

import sys
import time

import pytest

from lm.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls are those of Linux")

SANDBOX = Sandbox(elapsed=30)
# Each line is tried on its own; what does not raise, or returns something other than -1, has got out.
ATTEMPTS = {
    "socket": "import socket; socket.socket()",
    "local socket": "import socket; socket.socketpair()",
    "fork": "import os; os.fork() or os._exit(0)",
    "program": "import subprocess; subprocess.run(['/bin/true'])",
    "shell": "import os; assert os.system('true') != 0; 1 / 0",
    "exec": "import os; os.execv('/bin/true', ['true'])",
    "signal": "import os; os.kill(os.getppid(), 0)",
    "every process": "import os; os.kill(-1, 0)",
    "read a file": "open('/etc/passwd').read()",
    "read a directory": "import os; os.listdir('/')",
    "read the environment": "open('/proc/self/environ').read()",
    "read another's": "import os; open(f'/proc/{os.getppid()}/environ').read()",
    "write a file": "open('/tmp/escaped-file', 'w')",
    "remove a file": "import os; os.remove(FILE)",
    "make a link": "import os; os.symlink(FILE, '/tmp/escaped-link')",
    "make a directory": "import os; os.mkdir('/tmp/escaped-directory')",
    "raise a limit": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (100, 100))",
}
NATIVE = {
    "native socket": "refuse(libc.socket(2, 1, 0))",
    "native fork": "refuse(libc.syscall(56, 17, 0, 0, 0, 0)) if MACHINE == 'x86_64' else 1 / 0",
    "native kill": "refuse(libc.kill(1, 0))",
    "native open": "refuse(libc.open(b'/etc/passwd', 0))",
    "native write": "refuse(libc.open(b'/tmp/escaped-file', 65, 384))",
    "native mount": "refuse(libc.mount(b'none', b'/mnt', b'tmpfs', 0, 0))",
    "native unshare": "refuse(libc.unshare(0x10000000))",
    "native ptrace": "refuse(libc.ptrace(16, 1, 0, 0))",
    "native limits": "refuse(libc.prlimit(1, 0, 0, 0))",
}
TRY = """
import json
tries = json.loads({tries!r})
FILE = {file!r}
try:
    import ctypes, platform
    libc, MACHINE = ctypes.CDLL(None, use_errno=True), platform.machine()
except Exception:
    libc = MACHINE = None
def refuse(result):
    assert result == -1
    raise PermissionError
for name, code in tries.items():
    try:
        exec(code, globals())
    except (OSError, PermissionError, ValueError, ZeroDivisionError):
        pass
    else:
        print(name)
print("end")
"""


def escaped(walls, tries, file):
    import json

    outcome = Sandbox(elapsed=30, walls=walls).run(TRY.format(tries=json.dumps(tries), file=str(file)))
    assert outcome.output.endswith("end\n"), outcome
    return outcome.output.split("\n")[:-2], outcome.walls


@pytest.mark.parametrize("walls", [("seccomp", "landlock"), ("audit",), ("seccomp", "landlock", "audit")], ids="-".join)
def test_nothing_gets_out_by_the_kernel_or_by_the_audit_hook_alone(walls, tmp_path):
    (tmp_path / "mine").touch()
    native = NATIVE if "audit" not in walls else {}  # which Python's audit hook refuses to load
    got, standing = escaped(walls, ATTEMPTS | native, tmp_path / "mine")
    if {*standing} != {*walls}:
        pytest.skip(f"this machine has only {', '.join(standing)}")
    assert got == []
    assert (tmp_path / "mine").exists()


def test_the_attempts_succeed_without_walls_so_that_the_tests_above_mean_something(tmp_path):
    (tmp_path / "mine").touch()
    safe = {name: code for name, code in ATTEMPTS.items() if not code.startswith("open('/tmp") and "/tmp/" not in code}
    safe = {name: code for name, code in safe.items() if name not in ("exec", "shell", "raise a limit")}
    got, _ = escaped((), {**safe, "native socket": NATIVE["native socket"].replace("refuse", "abs")}, tmp_path / "mine")
    assert {"socket", "fork", "program", "read a file", "remove a file", "native socket"} <= {*got}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("print(1)", "done"),
        ("import sys; sys.exit(0)", "done"),
        ("import sys; sys.exit(3)", "error"),
        ("import os; os._exit(0)", "done"),
        ("1 / 0", "error"),
        ("(", "error"),
        ("x = bytearray(10**10)", "memory"),
        ("x = [0] * 10**9", "memory"),
        ("while True: print('x' * 1000)", "output"),
        ("import sys\nwhile True: sys.stderr.write('x' * 1000)", "output"),
        ("n = 0\nwhile True:\n    n += 1\n    open(f'a{n}', 'w').write('x' * 10**6)", "disk"),
        ("n = 0\nwhile True:\n    n += 1\n    open(f'a{n}', 'w').close()", "disk"),
        ("f = open('a', 'w')\nwhile True: f.write('x' * 10**6)", "error"),
        ("def f(): f()\nf()", "error"),
        ("import os; os.abort()", "crash"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_program_ends_as_its_status_says(code, status):
    assert SANDBOX.run(code).status == status


def test_recursion_without_a_limit_is_ended():
    code = "import sys; sys.setrecursionlimit(10**8)\ndef f(): f()\nf()"
    assert Sandbox(seconds=1, memory_mb=64, elapsed=30).run(code).status in ("memory", "crash", "time")


def test_a_busy_program_is_ended_by_its_cpu_time_and_a_sleeping_one_by_the_clock():
    start = time.perf_counter()
    assert Sandbox(seconds=1, elapsed=60).run("print('on', flush=True)\nwhile True: pass").status == "time"
    assert time.perf_counter() - start < 30
    outcome = Sandbox(elapsed=1.5).run("import time; print('on', flush=True); time.sleep(1000)")
    assert (outcome.status, outcome.output) == ("time", "on\n")


def test_a_program_reads_its_input_and_writes_in_a_directory_of_its_own(tmp_path):
    code = "import os\nprint(sorted(os.environ), os.listdir())\nopen('a', 'w').write(input())\nprint(open('a').read())"
    first, second = SANDBOX.run(code, stdin="\u00e9 x\n"), SANDBOX.run(code, stdin="\u00e9 x\n")
    assert first.output == second.output == "['HOME', 'LC_ALL', 'PYTHONHASHSEED', 'TMPDIR'] []\n\u00e9 x\n"


def test_no_file_descriptor_of_ours_is_inherited(tmp_path):
    with open(tmp_path / "secret", "w") as file:
        import os

        os.set_inheritable(file.fileno(), True)
        code = "import os\nfor n in range(64):\n    try: os.fstat(n); print(n)\n    except OSError: pass"
        assert SANDBOX.run(code).output.split() == ["0", "1", "2"]


def test_sets_have_the_same_order_in_every_run():
    code = "print({'a', 'b', 'c', 'd', 'e'})"
    assert SANDBOX.run(code).output == SANDBOX.run(code).output


def test_an_error_shows_the_program_and_nothing_of_this_machine():
    outcome = SANDBOX.run("def f():\n    return open('/etc/passwd')\nf()")
    assert 'File "answer.py", line 2, in f' in outcome.errors
    assert "PermissionError: opening '/etc/passwd' is not allowed in the sandbox" in outcome.errors
    assert "inside.py" not in outcome.errors
    assert "confine.py" not in outcome.errors
    assert 'File "python/json/decoder.py"' in SANDBOX.run("import json; json.loads('{')").errors


def test_threads_are_allowed():
    code = "import threading; t = threading.Thread(target=print, args=('hi',)); t.start(); t.join()"
    assert SANDBOX.run(code).output == "hi\n"


def test_output_is_cut_at_the_limit_and_need_not_be_text():
    outcome = Sandbox(output_kb=1, elapsed=30).run("print('x' * 5000)")
    assert (outcome.status, len(outcome.output)) == ("output", 1024)
    assert SANDBOX.run("import os; os.write(1, bytes([255]))").output == "\N{REPLACEMENT CHARACTER}"
