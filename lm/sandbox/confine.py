"""Confine this process before it runs what others wrote. Only the standard library: a bare interpreter imports it.

Four walls, of which Linux gives the first three to any process without privileges:

1. limits of the process (setrlimit): CPU time, memory, size of files, open files, core dumps;
2. a filter of system calls (seccomp): no network or other sockets, no further process or program, no signal to, no view
   into and no limit of other processes; x86-64 and arm64;
3. Landlock (Linux 5.13): files are read below Python's own library only, and written below its own directory only;
4. an audit hook of Python, which refuses the same with a message, but which native code can go round.

Where 2 or 3 is missing, `confine` says so, and the fourth is all that is left of it.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
import sysconfig

NO_NEW_PRIVILEGES, DEATH_SIGNAL, SECCOMP, DUMPABLE, DROP_BOUND = 38, 1, 22, 4, 24  # options of prctl
KILL = 9
PERMISSION, NOT_IMPLEMENTED = 1, 38  # errno
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
THREAD = 0x00010000  # flag of clone: a thread of this process
CLONE, CLONE3 = "clone", "clone3"

# Numbers of system calls: x86-64, arm64; None where the machine lacks the call.
CALLS = {
    "socket": (41, 198), "socketpair": (53, 199), "io_uring_setup": (425, 425),
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438), "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "kcmp": (312, 272), "prlimit64": (302, 261), "setrlimit": (160, 164),
    "setpriority": (141, 140), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
    "sched_setattr": (314, 274), "sched_setaffinity": (203, 122), "ioprio_set": (251, 30), "migrate_pages": (256, 238),
    "move_pages": (279, 239), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "open_by_handle_at": (304, 265),
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180), "personality": (135, 92),
    "setsid": (112, 157), "setpgid": (109, 154), "memfd_create": (319, 279),
    CLONE: (56, 220), CLONE3: (435, 435),
}  # fmt: skip
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # audit number, column of CALLS

# Rights of Landlock.
READ = 1 << 0 | 1 << 2 | 1 << 3  # execute (map a library), read a file, list a directory
READ_FILE, WRITE_FILE, TRUNCATE = 1 << 2, 1 << 1, 1 << 14
LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/usr/share/zoneinfo", "/etc/localtime")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")

REFUSED_EVENTS = (
    "socket.", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.kill", "os.killpg",
    "subprocess.", "pty.", "ctypes.", "webbrowser.", "ftplib.", "http.client.", "smtplib.", "urllib.", "signal.pthread",
    "os.putenv", "os.startfile", "syslog.",
)  # fmt: skip
WRITING_EVENTS = (
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "os.utime", "os.setxattr", "os.removexattr", "shutil.",
)  # fmt: skip


def confine(*, seconds: int, memory: int, file_bytes: int, directory: str, walls: list[str]) -> list[str]:
    """Confine this process for good.

    Args:
        seconds: CPU time.
        memory: Bytes of address space.
        file_bytes: Largest size of a file.
        directory: The only directory to write in.
        walls: Which of `seccomp`, `landlock` and `audit` to raise; all of them outside of tests.

    Returns:
        Those of them that stand.
    """
    standing = []
    if sys.platform == "linux":
        system = ctypes.CDLL(None, use_errno=True)
        system.prctl(DEATH_SIGNAL, KILL, 0, 0, 0)
        system.prctl(DUMPABLE, 0, 0, 0, 0)
        _drop_capabilities(system)
        if system.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0:
            standing += ["landlock"] * ("landlock" in walls and _restrict_files(system, directory))
    limits = {
        resource.RLIMIT_CPU: (seconds, seconds + 1),
        resource.RLIMIT_AS: (memory, memory),
        resource.RLIMIT_FSIZE: (file_bytes, file_bytes),
        resource.RLIMIT_NOFILE: (64, 64),
        resource.RLIMIT_CORE: (0, 0),
    }
    for limit, values in limits.items():
        resource.setrlimit(limit, values)
    if sys.platform == "linux" and "seccomp" in walls and _filter_calls(system):
        standing.append("seccomp")
    if "audit" in walls:
        _install_audit_hook(directory)
        standing.append("audit")
    return standing


def _drop_capabilities(system: ctypes.CDLL) -> None:
    """Give up what root may do, now and for programs that it starts."""
    for capability in range(64):
        system.prctl(DROP_BOUND, capability, 0, 0, 0)
    header, data = struct.pack("II", 0x20080522, 0), bytes(24)
    number = {"x86_64": 126, "aarch64": 91}.get(platform.machine())
    if number is not None:
        system.syscall(number, header, data)


def _restrict_files(system: ctypes.CDLL, directory: str) -> bool:
    version = system.syscall(444, None, 0, 1)  # landlock_create_ruleset, asked for its version
    if version < 1:
        return False
    rights = (1 << 13) - 1 | (1 << 13 if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    rights |= 1 << 15 if version >= 5 else 0
    everything = struct.pack("QQQ", rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    ruleset = system.syscall(444, everything, 24 if version >= 6 else 16 if version >= 4 else 8, 0)
    if ruleset < 0:
        return False
    python = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    rules = [(path, READ) for path in (*python, *LIBRARIES)]
    rules += [(path, READ_FILE | WRITE_FILE) for path in DEVICES] + [(directory, rights & ~1)]
    for path, allowed in rules:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        allowed &= rights if os.path.isdir(path) else READ_FILE | WRITE_FILE
        system.syscall(445, ruleset, 1, struct.pack("=Qi", allowed, handle), 0)
        os.close(handle)
    done = system.syscall(446, ruleset, 0) == 0
    os.close(ruleset)
    return done


def _filter_calls(system: ctypes.CDLL) -> bool:
    """Install a filter: each instruction is (code, jump if true, jump if false, constant)."""
    if platform.machine() not in MACHINES or sys.maxsize < 2**32:
        return False
    machine, column = MACHINES[platform.machine()]
    numbers = {name: columns[column] for name, columns in CALLS.items() if columns[column] is not None}
    load, equal, above, bits, done = 0x20, 0x15, 0x35, 0x45, 0x06
    refuse, absent = (done, 0, 0, REFUSE | PERMISSION), (done, 0, 0, REFUSE | NOT_IMPLEMENTED)
    steps = [(load, 0, 0, 4), (equal, 1, 0, machine), refuse, (load, 0, 0, 0), (above, 0, 1, 0x40000000), refuse]
    for name, number in numbers.items():
        if name == CLONE:  # threads are allowed
            steps += [(equal, 0, 4, number), (load, 0, 0, 16), (bits, 1, 0, THREAD), refuse, (done, 0, 0, ALLOW)]
        else:  # without clone3 the C library takes clone, whose flags can be seen
            steps += [(equal, 0, 1, number), absent if name == CLONE3 else refuse]
    steps.append((done, 0, 0, ALLOW))
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    pointer = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(program))
    return system.prctl(SECCOMP, 2, pointer, 0, 0) == 0


def _install_audit_hook(directory: str) -> None:
    """Refuse by Python's own events; `open` may write below `directory` only, and read below Python's library."""
    readable = (directory, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *LIBRARIES, *DEVICES)
    real, decode, separator = os.path.realpath, os.fsdecode, os.sep

    def inside(path: object, places: tuple[str, ...]) -> bool:
        if isinstance(path, int) or path is None:
            return True
        path = real(decode(path))
        return any(path == place or path.startswith(place + separator) for place in places)

    def hook(event: str, arguments: tuple) -> None:
        if event.startswith(REFUSED_EVENTS):
            raise PermissionError(f"{event} is not allowed in the sandbox")
        if event == "open":
            path, mode, flags = arguments
            writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & 3)
            if not inside(path, (directory, "/dev/null") if writes else readable):
                raise PermissionError(f"opening {path!r} is not allowed in the sandbox")
        elif event in ("os.listdir", "os.scandir") and not inside(arguments[0] or ".", readable):
            raise PermissionError(f"listing {arguments[0]!r} is not allowed in the sandbox")
        elif event.startswith(WRITING_EVENTS) and not all(
            inside(each, (directory,)) for each in arguments[:2] if isinstance(each, str | bytes)
        ):
            raise PermissionError(f"{event} outside of {directory}{separator} is not allowed in the sandbox")

    sys.addaudithook(hook)
