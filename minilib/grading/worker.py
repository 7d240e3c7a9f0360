"""The process that runs a stranger's cells and functions, and knows nothing else.

It reads commands from its standard input and answers on its standard output, in frames of
`minilib.grading.wire`. The cells see neither of the two: for them, input is empty and output goes
nowhere. Whatever they do to this process, they cannot change what the checkers make of its answers.
"""

import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from minilib.grading import wire

PRINTED = 10_000  # characters kept of what one cell prints
MESSAGE = 500  # and of what an error says


class Overrun(KeyboardInterrupt):
    """A cell or a call that took longer than it may; `except Exception` does not stop it."""


class Excerpt(io.TextIOBase):
    """Keeps the beginning of a text, however much is written."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def writable(self) -> bool:
        """Say yes.

        Returns
        -------
        bool
        """
        return True

    def write(self, text: str) -> int:
        """Keep what still fits.

        Parameters
        ----------
        text : str
            Anything.

        Returns
        -------
        int
            The number of characters that were given.
        """
        self.text += text[: PRINTED - len(self.text)]
        return len(text)


def main() -> None:
    """Serve commands until the other side hangs up."""
    commands, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    limits = json.loads(sys.argv[1])
    bound_resources(memory=limits["memory"], file_size=limits["file_size"])
    shell = InteractiveShell.instance(config=_quiet())
    sys.modules["__main__"] = shell.user_module  # what a notebook's own classes belong to
    myself = os.getpid()
    while (command := receive(commands)) is not None:
        reply = _reply(shell, command, limits)
        if os.getpid() != myself:  # a fork that came back from a cell: two cannot serve
            os._exit(0)
        replies.write(len(reply).to_bytes(wire.LENGTH) + reply)
        replies.flush()


def receive(stream: BinaryIO) -> Any:
    """Read one frame; None when there is no other.

    Parameters
    ----------
    stream : binary file
        Where frames come from.

    Returns
    -------
    object
        Plain data.
    """
    length = stream.read(wire.LENGTH)
    return wire.unpack(stream.read(int.from_bytes(length))) if length else None


def bound_resources(*, memory: int, file_size: int) -> None:
    """Limit what this process and its children may use, where the system can do that.

    Parameters
    ----------
    memory : int
        Bytes of address space of each process.
    file_size : int
        Bytes of each file that is written.
    """
    with contextlib.suppress(ImportError):  # Windows
        import resource

        bounds = {resource.RLIMIT_FSIZE: file_size, resource.RLIMIT_CORE: 0}
        if sys.platform == "linux":
            bounds[resource.RLIMIT_AS] = memory
        for kind, most in bounds.items():
            resource.setrlimit(kind, (most, most))


@contextlib.contextmanager
def with_deadline(cpu: float, wall: float) -> Iterator[None]:
    """Raise `Overrun` inside the block when it has used this much time, where the system can.

    Parameters
    ----------
    cpu, wall : float
        Seconds of this process, and seconds that pass.

    Yields
    ------
    None
    """
    if not hasattr(signal, "setitimer"):  # Windows: the other side ends this process
        yield
        return

    def stop(*_: object) -> None:
        raise Overrun("it took too long")

    clocks = ((signal.SIGPROF, signal.ITIMER_PROF, cpu), (signal.SIGALRM, signal.ITIMER_REAL, wall))
    for name, clock, seconds in clocks:
        signal.signal(name, stop)
        signal.setitimer(clock, seconds)
    try:
        yield
    finally:
        for _, clock, _ in clocks:
            signal.setitimer(clock, 0)


def _quiet() -> Config:
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    config.InteractiveShell.xmode = "Plain"
    return config


def _reply(shell: InteractiveShell, command: dict, limits: dict) -> bytes:
    printed, most = Excerpt(), limits["reply_size"]
    answer, number = ANSWERS[command.pop("do")], command.pop("number")
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            # Packing belongs to it: an object may misbehave when it is looked at.
            with with_deadline(limits["cpu"], limits["wall"]):
                reply = answer(shell, **command)
                reply = wire.pack({**reply, "printed": printed.text, "number": number})
        if len(reply) <= most:
            return reply
        problem = ["ValueError", f"the answer has {len(reply):,} bytes, {most:,} are enough"]
    except BaseException as error:
        problem = _described(error)
    return wire.pack({"error": problem, "printed": printed.text, "number": number})


def _described(error: BaseException) -> list[str]:
    try:
        return [type(error).__name__, str(error)[:MESSAGE]]
    except BaseException:
        return [type(error).__name__, ""]


def _wait(shell: InteractiveShell) -> dict:
    return {"error": None}


def _run(shell: InteractiveShell, source: str) -> dict:
    result = shell.run_cell(source, store_history=False)
    error = result.error_before_exec or result.error_in_exec
    return {"error": None if error is None else _described(error)}


def _call(shell: InteractiveShell, name: str, arguments: tuple) -> dict:
    try:
        answer = shell.user_ns[name](*arguments)
    except Overrun:
        raise
    except BaseException as error:
        answer = error
        return {"error": None, "raised": True, "answer": answer, "arguments": arguments}
    return {"error": None, "raised": False, "answer": answer, "arguments": arguments}


def _value(shell: InteractiveShell, name: str) -> dict:
    known = name in shell.user_ns
    value = shell.user_ns.get(name)
    return {"error": None, "known": known, "callable": callable(value), "value": value}


ANSWERS: dict[str, Callable[..., dict]] = {
    "wait": _wait,
    "run": _run,
    "call": _call,
    "value": _value,
}


if __name__ == "__main__":
    main()
