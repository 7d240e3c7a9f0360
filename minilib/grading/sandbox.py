"""Processes for strangers' code: walled in by bubblewrap, watched from outside, ended for certain.

Inside there is no network, nothing can be written but a small folder in memory, and the disk shows
Python, its packages and minilib without its checkers; no gradebook, no solution, no other
submission. Outside, `Worker` counts the time, the memory and the processes, and ends all of them
when it is too much. Without bubblewrap (`walled=False`) only the watching is left, which is enough
for one's own notebook on one's own machine.
"""

import contextlib
import json
import os
import queue
import shutil
import signal
import site
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib
import psutil

from minilib.grading import wire

MINILIB = Path(__file__).parents[1]
STAND_IN = Path(__file__).parent / "stand_in"  # what the cells see in the place of the checkers
TICK = 0.2  # seconds between two looks at a worker
START = 120.0  # seconds that Python may take to start, on a busy machine
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
MARK = "MINILIB_WORKER"
RIDDLES = "sent an answer that cannot be read"


@dataclass(frozen=True)
class Limits:
    """How much a stranger's code may use.

    Attributes
    ----------
    cpu : float
        Seconds of computing for one cell, or for one call of a function.
    wall : float
        Seconds that may pass meanwhile; generous, because a busy machine is nobody's fault.
    total_cpu, total_wall : float
        The same for the whole notebook.
    memory : int
        Bytes, of each process and of all together.
    file_size, folder_size : int
        Bytes of one file, and of all files.
    processes : int
        How many may live at the same time.
    reply_size : int
        Bytes of one answer, ten times as many as the course asks for. Checkers compare it with all
        that they know, so that a larger one could cost them minutes, and gigabytes.
    grace : float
        Seconds more that a worker gets to stop by itself what has taken too long.
    """

    cpu: float = 20.0
    wall: float = 120.0
    total_cpu: float = 300.0
    total_wall: float = 1200.0
    memory: int = 3 * 2**30
    file_size: int = 64 * 2**20
    folder_size: int = 256 * 2**20
    processes: int = 64
    reply_size: int = 2**20
    grace: float = 5.0


@dataclass(frozen=True)
class Use:
    """What a worker and all processes below it use.

    Attributes
    ----------
    cpu : float
        Seconds of computing since it started.
    memory : int
        Bytes.
    processes : int
        How many there are.
    """

    cpu: float
    memory: int
    processes: int


class WorkerEnded(Exception):
    """A worker that is no more; the message says why, as the end of "your code …"."""


class Worker:
    """A process that runs cells and calls functions, one request after the other.

    Parameters
    ----------
    limits : Limits
        What it may use.
    walled : bool
        Whether it runs under bubblewrap.

    Raises
    ------
    RuntimeError
        If no worker can be started: that is never the fault of the code that it should run.
    """

    def __init__(self, limits: Limits, *, walled: bool) -> None:
        self.cpu = 0.0  # seconds of computing, as of the last look
        self._limits = limits
        self._walled = walled
        self._asked = 0
        self._mark = uuid.uuid4().hex
        self._folder = tempfile.TemporaryDirectory(prefix="minilib-", ignore_cleanup_errors=True)
        self._requests: queue.Queue = queue.Queue()
        self._replies: queue.Queue = queue.Queue()
        python = [sys.executable, "-m", "minilib.grading.worker", json.dumps(asdict(limits))]
        self._process = subprocess.Popen(
            [*wall(limits), *python] if walled else python,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(self._mark, walled=walled),
            cwd=self._folder.name,
            start_new_session=True,
        )
        self._first = psutil.Process(self._process.pid)  # knows when its number belongs to another
        self._messenger = threading.Thread(target=self._carry, daemon=True)
        self._messenger.start()
        try:
            self._ask({"do": "wait"}, replace(limits, cpu=START, wall=START))
        except WorkerEnded as end:
            raise RuntimeError(f"no worker can be started here: it {end}") from end

    def __enter__(self) -> "Worker":
        """Give the worker itself.

        Returns
        -------
        Worker
        """
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and every process that it has started."""
        self.end()

    def ask(self, **request: Any) -> dict:
        """Send a request and wait for the reply, as long as the limits allow.

        Parameters
        ----------
        **request
            Plain data; ``do`` says what is asked for.

        Returns
        -------
        dict
            The reply: plain data that nobody vouches for.

        Raises
        ------
        WorkerEnded
            If there is no worker any more, or it had to be ended.
        """
        return self._ask(request, self._limits)

    def _ask(self, request: dict, limits: Limits) -> dict:
        self._asked += 1
        self._requests.put((self._asked, wire.pack({**request, "number": self._asked})))
        began, computed = time.monotonic(), None
        while True:
            ended = self._process.poll() is not None
            try:
                reply = self._replies.get(timeout=TICK)
            except queue.Empty:  # a child that lives on may keep the pipe open
                reply = self._how_it_ended() if ended else None
            if isinstance(reply, WorkerEnded):
                self.end()
                raise reply
            if reply is not None:
                return reply
            use = self.use()
            computed = use.cpu if computed is None else computed
            excess = _excess(limits, use, use.cpu - computed, time.monotonic() - began)
            if excess:
                self.end()
                raise WorkerEnded(excess)

    def use(self) -> Use:
        """Measure what the worker and all processes below it use.

        Returns
        -------
        Use
        """
        family = self._family()
        cpu = memory = 0.0
        for process in family:
            with contextlib.suppress(psutil.Error):
                cpu += sum(process.cpu_times()[:4])  # its own, and of its children that are gone
                memory += process.memory_info().rss
        self.cpu = max(self.cpu, cpu)  # what has ended cannot be measured any more
        return Use(self.cpu, int(memory), len(family))

    def end(self) -> None:
        """End the worker and all processes that it has started, and wait until they are gone."""
        self.use()
        until = time.monotonic() + 10
        while (family := self._survivors()) and time.monotonic() < until:
            for process in family:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            while any(map(_alive, family)) and time.monotonic() < until:
                time.sleep(0.005)
        self._process.wait()
        self._requests.put(None)
        self._messenger.join(timeout=10)
        self._folder.cleanup()

    def _survivors(self) -> list[psutil.Process]:
        """Find what is alive; without a wall it may have left the family, or just been born."""
        strays = [] if self._walled else _marked(self._mark)
        return [process for process in (*self._family(), *strays) if _alive(process)]

    def _family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            return [self._first, *self._first.children(recursive=True)]
        return []

    def _carry(self) -> None:
        """Carry requests there and replies back, so that nobody else waits for a pipe."""
        broken = contextlib.suppress(BrokenPipeError)  # when what was not sent is let go
        with broken, self._process.stdin as there, self._process.stdout as back:
            for number, request in iter(self._requests.get, None):
                try:
                    there.write(len(request).to_bytes(wire.LENGTH) + request)
                    there.flush()
                    self._replies.put(self._receive(back, number))
                except OSError:
                    self._replies.put(self._how_it_ended())
                except ValueError:
                    self._replies.put(WorkerEnded(RIDDLES))

    def _receive(self, back: BinaryIO, number: int) -> dict | WorkerEnded:
        """Wait for the reply to one request; a fork, or a forger, may have sent another before."""
        length = back.read(wire.LENGTH)
        if len(length) < wire.LENGTH:
            return self._how_it_ended()
        if int.from_bytes(length) > self._limits.reply_size:
            return WorkerEnded(f"returned more than {self._limits.reply_size:,} bytes")
        match wire.unpack(back.read(int.from_bytes(length))):
            case {"number": int(told), **reply} if told == number:
                return reply
        return WorkerEnded(RIDDLES)

    def _how_it_ended(self) -> WorkerEnded:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(timeout=5)
            number = -code if code < 0 else code - 128  # bubblewrap reports signals as shells do
            with contextlib.suppress(ValueError):
                return WorkerEnded(f"ended Python ({signal.Signals(number).name})")
        return WorkerEnded("ended Python")


def wall(limits: Limits) -> list[str]:
    """Write the bubblewrap command that a program is put behind.

    Parameters
    ----------
    limits : Limits
        How much its folders may hold.

    Returns
    -------
    list of str
        The beginning of a command line.
    """
    course = MINILIB.parent
    python = sorted({"/usr", *_python_folders()})
    above = [path for path in python if course.is_relative_to(path)]
    hidden = [str(course)] if (course / "solutions").is_dir() else []
    beside = [*(path for path in python if path not in above), str(MINILIB)]
    copies = {MINILIB, *(Path(place, "minilib") for place in site.getsitepackages())}
    checks = [str(copy / "checks") for copy in copies if (copy / "checks").is_dir()]
    fonts = Path(matplotlib.get_cachedir()).glob("fontlist-*.json")
    size = ("--size", str(limits.folder_size))
    return [
        *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--proc", "/proc", "--dev", "/dev", *size, "--tmpfs", "/dev/shm"),
        *(*size, "--tmpfs", "/tmp"),
        *_system_folders(),
        *(word for path in above for word in ("--ro-bind", path, path)),
        *(word for path in hidden for word in ("--tmpfs", path)),
        *(word for path in beside for word in ("--ro-bind", path, path)),
        *(word for path in checks for word in ("--ro-bind", str(STAND_IN), path)),
        *(word for path in fonts for word in ("--ro-bind", str(path), f"/tmp/{path.name}")),
        *(word for path in ("/dev", "/", *hidden) for word in ("--remount-ro", path)),
        *("--chdir", "/tmp"),
    ]


def missing_wall() -> str | None:
    """Say why strangers' code cannot be walled in here, or None if it can.

    Returns
    -------
    str or None
        A sentence, and what to do.
    """
    install = "on Debian and Ubuntu: sudo apt install bubblewrap"
    if shutil.which("bwrap") is None:
        return f"There is no bubblewrap here to wall in strangers' code; {install}."
    tried = subprocess.run(
        [*wall(Limits()), sys.executable, "-c", "import minilib"],
        env=_environment("", walled=True),
        capture_output=True,
        text=True,
    )
    if tried.returncode == 0:
        return None
    return (
        f"bubblewrap does not work here: {tried.stderr.strip()[-300:]} Inside a container, or "
        "where AppArmor forbids user namespaces, grade in a virtual machine of its own."
    )


def _python_folders() -> list[str]:
    """List where Python and its packages are, also where the links of an environment lead."""
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    lead = {os.path.realpath(sysconfig.get_path(name)) for name in names}
    return sorted({sys.base_prefix, sys.prefix} | lead)


def _system_folders() -> list[str]:
    """Bind what programs need besides /usr; most of it is links into /usr today."""
    words = []
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/", name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for name in ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts"):
        words += ["--ro-bind-try", name, name]
    return words


def _environment(mark: str, *, walled: bool) -> dict[str, str]:
    alone = {
        "HOME": "/tmp",
        "USER": "learner",
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "MPLCONFIGDIR": "/tmp",
    }
    return {
        **(alone if walled else os.environ),
        **dict.fromkeys(ONE_THREAD, "1"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONPATH": str(MINILIB.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        MARK: mark,
    }


def _excess(limits: Limits, use: Use, cpu: float, wall: float) -> str | None:
    """Say what a worker has had too much of, as the end of "your code …"."""
    if cpu > limits.cpu + limits.grace:
        return f"computed for more than {limits.cpu:g} seconds and could not be stopped"
    if wall > limits.wall + limits.grace:
        return f"took more than {limits.wall:g} seconds and could not be stopped"
    if use.processes > limits.processes:
        return f"started more than {limits.processes} processes"
    if use.memory > limits.memory:
        return f"used more than {limits.memory / 2**30:.1f} GB of memory"
    return None


def _alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _marked(mark: str) -> list[psutil.Process]:
    """All processes that inherited a worker's mark, wherever they hide in the tree."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found
