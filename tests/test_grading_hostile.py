"""Submissions that attack: they earn what their answers are worth, and nothing outlives them.

Wherever there is no bubblewrap the tests are skipped, unless SANDBOX_TEST says that they are
required, as in CI.
"""

import contextlib
import itertools
import json
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilib.grading import examiner, sandbox
from minilib.grading.examiner import Examined, examine
from minilib.grading.sandbox import MINILIB, Limits, Worker, missing_wall
from tests.notebooks import ROOT
from tests.test_grading_wire import DATA

needs_wall = pytest.mark.skipif(
    missing_wall() is not None and os.environ.get("SANDBOX_TEST") != "required",
    reason="bubblewrap does not work here (on Debian: sudo apt install bubblewrap)",
)

OURS = 3000 + os.getpid() / 1e9  # in the command line of all workers of these tests
LIMITS = Limits(
    cpu=1.0,
    wall=20.0,
    total_cpu=200.0,
    total_wall=OURS,
    memory=2**30,
    file_size=2**23,
    folder_size=2**25,
    processes=20,
    grace=1.0,
)

RANK = """
def rank(n_out, n_in, share):
    return max(0, int((share * (n_out * n_in + n_out) - n_out) // (n_out + n_in)))
"""
WRONG_RANK = "def rank(n_out, n_in, share): return 1.5"
TRANSLATE = """
def translate(strength, n, loss, penalty):
    per_row = {"sum": 1 / (2 * n), "half sum": 1 / n, "mean": 0.5, "half mean": 1.0}
    return per_row[loss] * strength * {"square": 2, "half square": 1, "absolute": 1}[penalty]
"""


def cell(name: str, source: str, **marks: object) -> dict:
    metadata = {"nbgrader": {"grade_id": name, **marks}} if marks else {}
    return {"cell_type": "code", "id": name, "metadata": metadata, "source": source}


def notebook(*cells: dict) -> bytes:
    whole = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole).encode()


def graded(task: str, name: str, source: str, points: float = 1) -> list[dict]:
    """An answer cell and its check."""
    check = cell(f"check-{name}", f'check("{task}", {name})', grade=True, points=points)
    return [cell(name, source, solution=True), check]


def exam(*cells: dict, limits: Limits = LIMITS, walled: bool = True) -> Examined:
    """Let one notebook be both the teacher's and the submission."""
    return examine(notebook(*cells), notebook(*cells), seed=7, limits=limits, walled=walled)


def attacked(attack: str, *, rank: str = WRONG_RANK, **how: object) -> tuple[Examined, list[float]]:
    """Run an attack before a wrong and a right answer; give the points of the two as well."""
    answers = graded("08.rank", "rank", rank, 2) + graded("01.translate", "translate", TRANSLATE, 3)
    examined = exam(cell("attack", attack), *answers, **how)
    return examined, [mark.points for mark in examined.marks]


def printed(examined: Examined, name: str = "attack") -> str:
    """What a cell printed."""
    (one,) = (one for one in examined.notebook["cells"] if one["id"] == name)
    return "".join(output.get("text", "") for output in one["outputs"])


@pytest.fixture(autouse=True)
def nothing_survives(tmp_path_factory, monkeypatch) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("workers")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert not leftovers()
    assert not list(folder.iterdir())


def leftovers() -> list[psutil.Process]:
    """Workers of these tests and their children, even those that forgot their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and str(OURS) in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_a_leftover_would_be_seen():
    with Worker(LIMITS, walled=False):
        assert leftovers()


# What ends, or never ends, at the top of a notebook

FOREVER = "while True: pass"
STUBBORN = """
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
"""
SWALLOWING = """
def spin():
    while True: sum(range(100))
while True:
    try: spin()
    except BaseException: pass
"""
DETACHED = f"""
import os, signal
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)
            if os.fork() == 0: os.execve("/bin/sh", ["sh", "-c", "sleep 5000; : {OURS}"], {{}})
            signal.pause()
        os._exit(0)
"""
DETACHED_HERE = DETACHED.replace("{}", "os.environ")  # without a wall, who forgets its mark is lost
FAMILY = """
import os, time
for _ in range(7): os.fork()
time.sleep(5000)
"""
THREADS = """
import threading
def spin():
    while True: pass
for _ in range(3): threading.Thread(target=spin).start()
"""
GLUTTON = """
hoard = []
while True: hoard.append(bytearray(10**8))
"""
GLUTTONS = """
import os, time
for _ in range(4): os.fork()
hoard = bytearray(b"x") * (2 * 10**8)
time.sleep(5000)
"""
DEEP = """
import sys
sys.setrecursionlimit(10**9)
def deeper(): return sorted([1], key=lambda _: deeper())
deeper()
"""

WRITE = """
import os
for fd in range(3, 9):
    try: os.write(fd, {})
    except OSError: pass
"""

DEADLY = {
    "a loop that ignores signals": (STUBBORN + FOREVER, "computed for more than 1 seconds"),
    "a loop that swallows all exceptions": (SWALLOWING, "computed for more than 1 seconds"),
    "many processes": (FAMILY, "started more than 20 processes"),
    "memory of several processes": (GLUTTONS, "used more than 1.0 GB of memory"),
    "os._exit": ("import os; os._exit(0)", "ended Python"),
    "its own death": ("import os, signal; os.kill(os.getpid(), 9)", "ended Python (SIGKILL)"),
    "abort": ("import os; os.abort()", "ended Python (SIGABRT)"),
    "a wild pointer": ("import ctypes; ctypes.string_at(1)", "ended Python (SIGSEGV)"),
    "a deep call": (DEEP, "ended Python (SIGSEGV)"),
    "closed files": ("import os; os.closerange(0, 1000)", "ended Python"),
    "bytes in the answers": (
        WRITE.format(bytes(4096)),
        "sent an answer that cannot be read",
    ),
    "an announcement of bytes": (
        WRITE.format(b"\1" * 8),
        "returned more than",
    ),
    "a loop": (FOREVER, "did not end within 1 seconds"),
    "memory": ("hoard = bytearray(10**11)", "stopped with MemoryError"),
    "memory bit by bit": (GLUTTON, ""),  # the machine decides which limit it meets first
    "sys.exit": ("import sys; sys.exit(0)", "stopped with SystemExit"),
    "an interruption": ("raise KeyboardInterrupt", "stopped with KeyboardInterrupt"),
}


@pytest.fixture(scope="module")
def after_deaths() -> Examined:
    """A notebook of all that is deadly, then two right answers."""
    attacks = [cell(name, source) for name, (source, _) in DEADLY.items()]
    return exam(
        *attacks, *graded("08.rank", "rank", RANK), *graded("01.translate", "translate", TRANSLATE)
    )


@needs_wall
@pytest.mark.parametrize("name", DEADLY)
def test_a_cell_that_ends_python_or_never_ends_is_named(after_deaths, name):
    _, sentence = DEADLY[name]
    assert [note for note in after_deaths.notes if f"{name!r} {sentence}" in note]


@needs_wall
def test_the_answers_behind_deadly_cells_keep_their_points(after_deaths):
    assert [mark.points for mark in after_deaths.marks] == [1, 1]


HARMLESS = {
    "exit": "exit()",
    "quit": "quit()",
    "detached children": DETACHED,
    "threads": THREADS,
    "killing the parent": "import os\nfor pid in (os.getppid(), 1): os.kill(pid, 9)",
    "killing everybody": "import os; os.kill(-1, 9)",
    "much printed": "print('x' * 10**8)\nfor _ in range(10**4): print('x')",
    "much written": "import os\nfor fd in (1, 2): os.write(fd, b'x' * 10**6)",
    "a large file": "open('/tmp/large', 'wb').write(bytes(2**24))",
    "a full folder": "for n in range(99): open(f'/tmp/{n}', 'wb').write(bytes(2**20))",
    "many files": "for n in range(20_000): open(f'/tmp/{n}', 'w').close()",
    "an alarm": "import signal; signal.setitimer(signal.ITIMER_REAL, 50)",
    "no more output": "import sys; sys.stdout.close(); sys.stdout = sys.stderr = None",
    "no more input": "import os; os.close(0); os.close(1); os.close(2)",
    "no name": "del __builtins__, In, Out, get_ipython",
    "a plea": "from minilib.checks import check; check('08.rank', 7)",
}


@pytest.fixture(scope="module")
def after_nuisances() -> tuple[Examined, list[float]]:
    answers = [
        *graded("08.rank", "rank", WRONG_RANK),
        *graded("01.translate", "translate", TRANSLATE),
    ]
    return exam(*(cell(name, source) for name, source in HARMLESS.items()), *answers)


@needs_wall
def test_what_is_only_a_nuisance_neither_helps_nor_harms(after_nuisances):
    assert [mark.points for mark in after_nuisances.marks] == [0, 1]


@needs_wall
@pytest.mark.parametrize("name", HARMLESS)
def test_of_what_is_printed_only_the_beginning_is_kept(after_nuisances, name):
    assert len(printed(after_nuisances, name)) <= 10_000


@needs_wall
def test_a_disk_does_not_fill_up():
    names = ("a large file", "a full folder")
    notes = exam(*(cell(name, HARMLESS[name]) for name in names)).notes
    assert [re.findall(r"Errno (\d+)", note) for note in notes] == [["27"], ["28"]]


@needs_wall
def test_waiting_forever_ends():
    limits = replace(LIMITS, wall=2.0)
    began = time.monotonic()
    examined, points = attacked("import time; time.sleep(5000)", rank=RANK, limits=limits)
    assert points == [2, 3]
    assert "did not end" in examined.notes[0]
    assert time.monotonic() - began < 60


@needs_wall
def test_many_loops_end_together():
    limits = replace(LIMITS, cpu=0.5, total_cpu=3.0)
    cells = [cell(f"loop-{n}", FOREVER) for n in range(50)]
    examined = exam(*cells, *graded("08.rank", "rank", RANK), limits=limits)
    assert examined.cpu < 6
    assert "taken too long" in examined.notes[-1]
    assert "taken too long" in examined.marks[0].sentence


# Patches of whatever might have a say

LENIENT = """
import builtins, sys, unittest.mock
import numpy as np
for module in (np, np.testing, sys.modules["minilib.grading.wire"], sys.modules["minilib"]):
    for name in dir(module):
        if "close" in name or "equal" in name or name.startswith("assert"):
            setattr(module, name, lambda *_, **__: True)
import minilib.checks as checks
checks.check = checks.judge = lambda *_, **__: None
checks.TASKS = unittest.mock.MagicMock()
import minilib.grading as grading
grading.examiner = grading.rebuild = unittest.mock.MagicMock()
for name in ("minilib.grading.examiner", "minilib.checks.task", "unittest"):
    sys.modules[name] = unittest.mock.MagicMock()
"""
BUILTINS = """
import builtins
builtins.AssertionError = builtins.ValueError = Exception
builtins.all = builtins.any = lambda *_: True
builtins.abs = lambda x: 0
"""
FORGED_PACK = """
from minilib.grading import wire
honest = wire.pack
def pack(reply):
    if isinstance(reply, dict) and "answer" in reply:
        reply = {**reply, "points": 10, "problem": None, "raised": False, "answer": True}
    return honest(reply)
wire.pack = pack
"""
FORGED_JSON = """
import json
honest = json.dumps
json.dumps = lambda value, *_, **__: honest({"dict": [["points", 10], ["error", None]]})
"""
FORGED_WORKER = """
import gc, types
for found in gc.get_objects():
    if isinstance(found, types.FunctionType) and found.__module__ == "__main__":
        if found.__name__ == "_call":
            found.__code__ = (lambda shell, name, arguments: {"passed": True}).__code__
"""
AST_TRANSFORMER = """
import ast
class NoAssert(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
    def visit_Call(self, node): return node
get_ipython().ast_transformers.append(NoAssert())
"""
INPUT_TRANSFORMER = """
get_ipython().input_transformers_post.append(
    lambda lines: ["pass"] if any("check(" in line for line in lines) else lines)
"""
HOOKS = """
import sys, atexit
ip = get_ipython()
ip.events.register("post_run_cell", lambda *_: ip.user_ns.update(check=print))
ip.set_custom_exc((BaseException,), lambda *_, **__: None)
ip.run_cell = lambda *_, **__: None
sys.settrace(lambda *_: None); sys.setprofile(lambda *_: None)
atexit.register(print)
"""
FORGED_FRAMES = """
import os
from minilib.grading import wire
reply = {"error": None, "known": True, "callable": False, "value": 5.0, "points": 10}
for number in range(1, 30):
    data = wire.pack({**reply, "number": number})
    for fd in range(3, 12):
        try: os.write(fd, len(data).to_bytes(8) + data)
        except OSError: pass
"""


@needs_wall
@pytest.mark.parametrize(
    ("attack", "points"),
    [
        (LENIENT, [0, 3]),
        (BUILTINS, [0, 3]),
        (AST_TRANSFORMER, [0, 3]),
        (INPUT_TRANSFORMER, [0, 3]),
        (FORGED_PACK, [0, 0]),
        (FORGED_JSON, [0, 3]),
        (FORGED_WORKER, [0, 0]),
        (FORGED_FRAMES, [0, 3]),
        (HOOKS, [0, 0]),
    ],
    ids="lenient builtins ast input pack json worker frames hooks".split(),
)
def test_whoever_patches_the_worker_earns_nothing_by_it(attack, points):
    assert attacked(attack)[1] == points


# Functions: what they do when they are called

CALLS = {
    "loop": (FOREVER, "did not end within 1 seconds"),
    "swallow": (SWALLOWING, "computed for more than 1 seconds and could not be stopped"),
    "leave": ("import sys; sys.exit()", "stops with SystemExit"),
    "vanish": ("import os; os._exit(0)", "ended Python"),
    "crash": ("import ctypes; ctypes.string_at(1)", "ended Python (SIGSEGV)"),
    "eat": ("return bytearray(10**11)", "stops with MemoryError"),
    "fork": ("import os; os.fork(); return 1.5", "for the arguments"),
    "multiply": (FAMILY, "started more than 40 processes"),
    "close": ("import os; os.closerange(0, 1000)", "ended Python"),
    "bombast": ("import numpy as np; return np.zeros(10**7)", "bytes"),
    "large": ("return '1' * 10**9", "MemoryError"),
    "nested": ("x = []\nfor _ in range(10**5): x = [x]\nreturn x", "32 deep"),
    "bushy": ("x = []\nfor _ in range(28): x = [x, x]\nreturn x", "did not end within 1 seconds"),
    "selfish": ("x = []; x.append(x); return x", "32 deep"),
    "selfish_table": ("x = {}; x[0] = x; return x", "32 deep"),
    "selfish_array": (
        "import numpy as np; x = np.zeros(1, object); x[0] = x; return x",
        "deep",
    ),
    "generate": ("yield 1", "Write list(...)"),
    "mapped": ("return map(abs, [1])", "Write list(...)"),
    "unordered": ("return {1, 2}", "type set"),
    "objects": ("import numpy as np; return np.array([{1}, None])", "type set"),
    "dated": ("import numpy as np; return np.datetime64('2026-01-01')", "type datetime64"),
    "function": ("return abs", "type builtin_function_or_method"),
    "keyed": ("return {float('nan'): 1, (1, 2): 3}", "yours is"),
    "many_keys": ("return dict.fromkeys(range(20_000), 0)", "cannot be read"),
    "digits": ("return 10**5000", "4300 digits"),
    "wide": ("import numpy as np; return np.zeros((0, 2**40), np.int8)", "cannot be read"),
    "letters": ("return '\\ud800\\x1b[2J'", "yours is"),
    "raising": ("raise Exception('\\x1b[2J\\ud800' + 'x' * 10**5)", "your function stops"),
    "pretending": ("raise NotImplementedError", "not written yet"),
    "returning_errors": ("return ValueError('right')", "stops with ValueError"),
    "remembering": ("rank.seen = getattr(rank, 'seen', 0) + 1; return rank.seen", "asked twice"),
    "watching": (
        "import sys; f = sys._getframe(1); f.f_locals.clear(); return f.f_code.co_name",
        "yours is",
    ),
    "whispering": ("print('0 0 0'); return 1.5", "yours is 1.5"),
}
OBJECTS = {
    "flatterer": (
        "class F(float):\n"
        " __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = lambda *_: True\n"
        " __sub__ = __rsub__ = __abs__ = lambda *_: F(0)\n"
        " __hash__ = None\n"
        "flatterer = lambda *_: F(1.5)",
        "yours is 1.5",
    ),
    "chameleon": (
        "class F:\n"
        " __array__ = __float__ = __iter__ = __len__ = detach = lambda *_: 1 / 0\n"
        " __eq__ = __str__ = __repr__ = __reduce__ = __deepcopy__ = lambda *_: 1 / 0\n"
        "chameleon = lambda *_: F()",
        "type F",
    ),
    "tensor": (
        "class F:\n"
        " def detach(self): return self\n"
        " cpu = detach\n"
        " def numpy(self): return 'yes'\n"
        "tensor = lambda *_: F()",
        "type F",
    ),
    "endless_tensor": (
        "class F:\n"
        " def __getattr__(self, name):\n"
        "  while True: pass\n"
        "endless_tensor = lambda *_: F()",
        "did not end within 1 seconds",
    ),
    "pickled": (
        "import os\n"
        "class F:\n"
        " def __reduce__(self): return os.system, ('touch /tmp/evil',)\n"
        "pickled = lambda *_: F()",
        "type F",
    ),
    "liar": (
        "class E(Exception):\n def __str__(self): raise RuntimeError('no')\ndef liar(*_): raise E",
        "no",
    ),
    "nameless": (
        "E = type('evil\\x1b[2J\\n', (Exception,), {})\ndef nameless(*_): raise E('hm')",
        "stops with object: hm",
    ),
    "callable_object": (
        "class F:\n def __call__(self, *_): return self\ncallable_object = F()",
        "type F",
    ),
    "any_attribute": (
        "class F:\n"
        " def __getattribute__(self, name): raise SystemExit\n"
        " def __call__(self, *_): raise KeyboardInterrupt\n"
        "any_attribute = F()",
        "SystemExit",
    ),
    "some_class": ("class some_class:\n def __init__(self, *_): pass", "type some_class"),
    "number": ("number = 7", "hand in the function itself"),
    "bomb": ("import numpy as np; bomb = np.zeros(10**6)", "bytes"),
    "mute": ("mute = None", "hand in the function itself"),
    "missing": ("", "there is no missing"),
    "slip": ("def slip(:", "SyntaxError"),
}
LIVING = {
    "right_in_a_class": "class right_in_a_class(int):\n"
    " def __new__(cls, m, n, share): return max(0, int((share * (m * n + m) - m) // (m + n)))",
    "right_in_an_object": RANK + "\nimport functools; right_in_an_object = functools.partial(rank)",
    "right_and_loud": RANK + "\ndef right_and_loud(*case): print('x' * 10**6); return rank(*case)",
    "right_and_forking": RANK + "\ndef right_and_forking(*case):\n"
    " import os\n pid = os.fork()\n if pid == 0:\n  while True: pass\n return rank(*case)",
}


def written(name: str, body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"def {name}(*case):\n{lines}\nrank = {name}"


@pytest.fixture(scope="module")
def of_functions() -> dict:
    """The marks of all functions, each handed in for the same task, in one notebook."""
    sources = {name: written(name, body) for name, (body, _) in CALLS.items()}
    sources |= {name: source for name, (source, _) in OBJECTS.items()} | LIVING
    cells = [one for name in sources for one in graded("08.rank", name, sources[name])]
    # One after the other a function goes, and ten of them take Python along.
    examined = exam(*cells, limits=replace(LIMITS, processes=40))
    return {mark.cell.removeprefix("check-"): mark for mark in examined.marks}


@needs_wall
@pytest.mark.parametrize("name", CALLS | OBJECTS)
def test_a_hostile_function_earns_nothing_and_is_told_why(of_functions, name):
    _, sentence = (CALLS | OBJECTS)[name]
    assert of_functions[name].points == 0
    assert sentence in of_functions[name].sentence
    assert of_functions[name].sentence.isprintable()
    assert len(of_functions[name].sentence) <= 1000


@needs_wall
@pytest.mark.parametrize("name", LIVING)
def test_a_right_function_among_hostile_ones_keeps_its_points(of_functions, name):
    assert of_functions[name].points == 1


# What can be seen, reached and changed from inside

PEEK = """
import importlib, os, pathlib, subprocess
def attempt(look):
    try: return look()
    except BaseException as error: return f"nothing ({{type(error).__name__}})"
for path in {paths}:
    print("FILE", attempt(lambda: open(path, "rb").read(100)))
    print("FOLDER", attempt(lambda: os.listdir(path)))
    print("WRITE", attempt(lambda: open(path, "ab").write(b"evil")))
for name in ("minilib.checks.task", "minilib.checks.lesson_08", "tests.answers", "solutions"):
    print("MODULE", attempt(lambda: importlib.import_module(name)))
import minilib
print("CHECKS", sorted(name for name in os.listdir(minilib.__path__[0] + "/checks")))
print("DELETE", attempt(lambda: os.remove(minilib.__file__)))
for number in ("1", "2", "self"):
    print("ENVIRONMENT", attempt(lambda: open(f"/proc/{{number}}/environ").read()))
print("PROCESSES", sorted(int(name) for name in os.listdir("/proc") if name.isdigit())[-1] < 100)
bind = f"mount --bind {{minilib.__path__[0]}} /tmp/below && ls /tmp/below/checks"
os.mkdir("/tmp/below")
print("BELOW", subprocess.run(["unshare", "-Urm", "sh", "-c", bind], capture_output=True).stdout)
"""


@needs_wall
def test_nothing_of_the_course_and_of_the_teacher_can_be_seen_or_changed(tmp_path, monkeypatch):
    monkeypatch.setenv("TEACHERS_SECRET", "EVIL-ENVIRONMENT")
    gradebook, other = tmp_path / "gradebook.db", tmp_path / "submitted" / "other.ipynb"
    other.parent.mkdir()
    for path in (gradebook, other):
        path.write_text("EVIL-FILE")
    homes = ("/home", "/root/.ssh", "/etc/passwd", "/etc/shadow", "/sys", "/run", "/var", "/mnt")
    course = (ROOT / name for name in ("solutions", "tests", "exercises", ".git", "README.md"))
    lesson = MINILIB / "checks" / "lesson_08.py"
    paths = [str(path) for path in (gradebook, other, lesson, tmp_path, *homes, *course)]
    seen = printed(attacked(PEEK.format(paths=paths))[0]).splitlines()
    assert [line for line in seen if line.startswith(("FILE", "FOLDER", "WRITE", "MODULE"))]
    assert not [
        line
        for line in seen
        if line.startswith(("FILE", "FOLDER", "WRITE", "MODULE", "DELETE"))
        and "nothing (" not in line
    ]
    assert "CHECKS ['__init__.py']" in seen
    assert "PROCESSES True" in seen
    assert set(line for line in seen if line.startswith("BELOW")) <= {
        "BELOW b''",
        "BELOW b'__init__.py\\n'",
    }
    assert not [line for line in seen if "EVIL" in line]
    assert gradebook.read_text() == other.read_text() == "EVIL-FILE"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gradebook.db", "submitted"]


@needs_wall
def test_a_course_inside_a_folder_of_python_is_hidden_all_the_same(tmp_path, monkeypatch):
    """As in a container whose course lies in /usr/src, or a virtual environment around a course."""
    course = tmp_path / "course"
    (course / "minilib" / "checks").mkdir(parents=True)
    (course / "solutions").mkdir()
    monkeypatch.setattr(sandbox, "MINILIB", course / "minilib")
    monkeypatch.setattr(sandbox.sys, "prefix", str(tmp_path))
    command = [*sandbox.wall(LIMITS), "ls", str(course), str(course / "minilib" / "checks")]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "minilib" in listed
    assert "__init__.py" in listed
    assert "solutions" not in listed


REACH = """
import socket
def attempt(family, kind, address):
    with socket.socket(family, kind) as one:
        one.settimeout(2)
        try:
            one.connect(address)
            one.send(b"hello")
            return "reached"
        except OSError as error: return f"nothing ({{error.strerror}})"
print("TCP", attempt(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", {tcp})))
print("UDP", attempt(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", {udp})))
print("UNIX", attempt(socket.AF_UNIX, socket.SOCK_STREAM, {unix!r}))
print("ABSTRACT", attempt(socket.AF_UNIX, socket.SOCK_STREAM, {abstract!r}))
print("OUTSIDE", attempt(socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 80)))
try: print("NAME", socket.getaddrinfo("example.org", 80))
except OSError: print("NAME nothing ()")
print("CARDS", socket.if_nameindex())
"""


@needs_wall
def test_no_socket_reaches_this_machine_or_another(tmp_path):
    unix, abstract = str(tmp_path / "socket"), f"\0minilib-{os.getpid()}"
    families = (socket.AF_INET, socket.AF_INET, socket.AF_UNIX, socket.AF_UNIX)
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_STREAM)
    addresses = (("127.0.0.1", 0), ("127.0.0.1", 0), unix, abstract)
    with contextlib.ExitStack() as stack:
        ears = [
            stack.enter_context(socket.socket(*one)) for one in zip(families, kinds, strict=True)
        ]
        for ear, address in zip(ears, addresses, strict=True):
            ear.bind(address)
            ear.setblocking(False)
        tcp, udp, *others = ears
        for ear in (tcp, *others):
            ear.listen()
        ports = {"tcp": tcp.getsockname()[1], "udp": udp.getsockname()[1]}
        code = REACH.format(**ports, unix=unix, abstract=abstract)
        said = printed(attacked(code)[0]).splitlines()
        heard = [*(ear.accept for ear in (tcp, *others)), lambda: udp.recv(10)]
        for listen in heard:
            with pytest.raises(BlockingIOError):
                listen()
    assert [line for line in said if "reached" in line] in ([], ["UDP reached"])  # sent, not heard
    assert "NAME nothing ()" in said
    assert any(line.startswith("CARDS [(1, 'lo')]") for line in said)


# Replies that no worker of ours would send

REPLY = st.dictionaries(
    st.sampled_from(["error", "known", "callable", "value", "raised", "answer", "arguments"])
    | st.sampled_from(["printed", "points"]),
    st.sampled_from([True, False, None, "Overrun", "\x1b[2J\ud800", ValueError(), np.ones(2)])
    | st.sampled_from([[np.ones(2), 0], ["Overrun", np.ones(2)], ["ValueError", "no"], [], {}])
    | DATA,
)


class Forger:
    """In the place of a worker: says whatever comes to its mind."""

    cpu = 0.0

    def __init__(self, replies):
        self._replies = itertools.cycle(replies)

    def ask(self, **request):
        return next(self._replies)

    def end(self):
        pass


@given(st.lists(REPLY, min_size=1))
def test_whatever_a_worker_replies_the_examiner_marks_it(replies):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examiner, "Worker", lambda *_, **__: Forger(replies))
        examined, points = attacked("x = 1")
    assert points == [0, 0]
    assert all(mark.sentence and mark.sentence.isprintable() for mark in examined.marks)
    assert json.dumps(examined.notebook, ensure_ascii=False).encode()
    assert "".join(examined.notes).isprintable()


@pytest.mark.parametrize(
    "reply",
    [
        {"error": [np.ones(2), 0]},
        {"known": np.ones(2)},
        {"known": True, "callable": np.ones(2)},
        {"known": True, "callable": True, "raised": np.ones(2), "answer": ValueError()},
        {"known": True, "callable": True, "arguments": 7},
        {"known": True, "callable": True, "arguments": ([], {}, np.ones(2))},
    ],
    ids=repr,
)
def test_an_array_is_no_truth_value_of_a_reply(reply, monkeypatch):
    monkeypatch.setattr(examiner, "Worker", lambda *_, **__: Forger([reply]))
    assert attacked("x = 1")[1] == [0, 0]


@pytest.mark.parametrize(
    "stumble", [MemoryError(), RecursionError(), AssertionError(""), KeyError()]
)
def test_a_checker_that_stumbles_over_an_answer_gives_no_points(stumble, monkeypatch):
    def judge(*_):
        raise stumble

    monkeypatch.setattr(examiner, "judge", judge)
    monkeypatch.setattr(examiner, "Worker", lambda *_, **__: Forger([{"known": True}]))
    assert attacked("x = 1")[1] == [0, 0]


def test_a_checker_without_a_word_gives_no_points(monkeypatch):
    monkeypatch.setattr(examiner, "judge", lambda *_: "")
    monkeypatch.setattr(examiner, "Worker", lambda *_, **__: Forger([{"known": True}]))
    assert attacked("x = 1")[1] == [0, 0]


@pytest.mark.parametrize("walled", [pytest.param(True, marks=needs_wall), False])
def test_a_worker_that_cannot_start_is_nobodys_wrong_answer(walled, monkeypatch):
    monkeypatch.setattr(sandbox.sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="no worker can be started here: it ended Python"):
        attacked("x = 1", walled=walled)


# Without a wall: for one's own code, but nothing may be left of it either


@pytest.mark.parametrize("name", ["a loop that ignores signals", "many processes", "os._exit"])
def test_without_a_wall_what_is_deadly_ends_as_well(name):
    source, sentence = DEADLY[name]
    examined, points = attacked(DETACHED_HERE + source, rank=RANK, walled=False)
    assert points == [2, 3]
    assert sentence in examined.notes[0]


def test_without_a_wall_detached_children_end_with_their_worker():
    assert attacked(DETACHED_HERE, walled=False)[1] == [0, 3]
