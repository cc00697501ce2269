# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that stays loaded between the tasks of a farm's session, in a process beside them.

The process listens on this machine's loopback; its port and its key are in a file that only its user can
read. Messages are JSON, one at a time; nothing is unpickled.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from sync_engine.batch.plan import Plan
from sync_engine.batch.runner import Engine, Runner
from sync_engine.batch.shared_folder import SharedFolder
from sync_engine.batch.standing import State
from sync_engine.common import children
from sync_engine.common.errors import EngineError, JobCancelled, describe
from sync_engine.interface.messages import EXIT_CANCELLED, EXIT_STATUS, FailureCode
from sync_engine.interface.wording import Message

FILE, LOG = "syncscape-session.json", "syncscape-session.log"
START_S = 60.0
"""A process that does not listen after so long has failed."""
SOME_FAILED = 6
"""Exit status: every job was tried, some were set aside."""
WATCH_EVERY_S = 2.0


def start(folder: Path) -> None:
    """Start the session's process; return when it listens, or raise EngineError with its last words."""
    log = folder / LOG
    with log.open("wb") as words:
        process = subprocess.Popen(
            [*children.COMMAND, "batch-session", "serve", str(folder)],
            env=children.environment(),
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            start_new_session=True,
        )
    end = time.monotonic() + START_S
    while not (folder / FILE).exists():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise EngineError(
                FailureCode.ENGINE_DIED,
                Message(
                    "The session's engine did not start ({last}).", last="".join(last) or "it said nothing"
                ),
                Message("{log} has more.", log=log),
            )
        time.sleep(0.05)


def serve(folder: Path, make_engine: Callable[[], Engine]) -> None:
    """Answer one client after the other until one says stop, or the session's folder is gone."""
    key = secrets.token_bytes(32)
    with Listener(("127.0.0.1", 0), authkey=key) as listener:
        part = folder / f".{FILE}.part"
        with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
            json.dump({"address": listener.address, "key": key.hex()}, file)
        os.replace(part, folder / FILE)
        threading.Thread(target=_end_with, args=(folder / FILE,), daemon=True).start()
        engine: Engine | None = None
        while True:
            try:
                connection = listener.accept()
            except (OSError, AuthenticationError, EOFError):
                continue  # somebody without the key, or who went away
            with connection:
                request = json.loads(connection.recv_bytes())
                if request.get("stop"):
                    break
                engine = engine or make_engine()
                _answer(connection, request, engine)


def _end_with(file: Path) -> None:
    while file.exists():
        time.sleep(WATCH_EVERY_S)
    os._exit(0)  # the session ended without saying so


def _answer(connection: Connection, request: dict[str, Any], engine: Engine) -> None:
    def tell(told: dict[str, Any]) -> None:
        try:
            connection.send_bytes(json.dumps(told).encode())
        except OSError as error:  # the task was cancelled
            raise JobCancelled from error

    def gone() -> bool:
        try:
            return connection.poll()  # a client that lives says nothing more
        except OSError:
            return True

    try:
        told = work(request, engine, lambda state: tell({"state": vars(state)}), gone)
        tell({"end": told})
    except JobCancelled:
        return


def work(
    request: dict[str, Any],
    engine: Engine,
    tell: Callable[[State], object],
    gone: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Make the jobs of a request and return ``status`` (as the command exits) and ``words``.

    ``request`` has ``plan``, ``out``, ``numbers`` (of jobs in the plan) and ``stale_after``.
    """
    try:
        plan = Plan(Path(request["plan"]))
        numbers = [number for number in request["numbers"] if number < len(plan)]
        with SharedFolder(Path(request["out"]), request["stale_after"]) as folder:
            state = Runner(plan, folder, engine, tell, stop=gone, cancelled=gone).run(numbers)
            errors = [folder.error(plan.identities[number]) for number in numbers]
    except EngineError as error:
        return {"status": EXIT_STATUS.get(error.code, 1), "words": str(error)}
    except OSError as error:
        return {"status": 1, "words": str(describe(error))}
    if not state.over:
        return {"status": EXIT_CANCELLED, "words": "Interrupted."}
    words = Message(
        "{done} of {jobs} done by process {pid}.", done=state.done, jobs=state.jobs, pid=os.getpid()
    )
    failed = [error for error in errors if error] if state.failed else []
    return {"status": SOME_FAILED if state.failed else 0, "words": " ".join([words, *failed])}


def ask(folder: Path, request: dict[str, Any], tell: Callable[[State], object]) -> dict[str, Any]:
    """Have the session's process do a request; return what ``work`` does.

    Raises EngineError when there is no such process, or it dies meanwhile.
    """
    try:
        with _connect(folder) as connection:
            connection.send_bytes(json.dumps(request).encode())
            while True:
                told = json.loads(connection.recv_bytes())
                if "end" in told:
                    return told["end"]
                tell(State(**told["state"]))
    except (OSError, EOFError, AuthenticationError, ValueError, KeyError) as error:
        raise EngineError(
            FailureCode.ENGINE_DIED,
            Message(
                "The session's engine in {folder} does not answer ({reason}).",
                folder=folder,
                reason=repr(error),
            ),
            Message("{folder} has its last words.", folder=folder / LOG),
        ) from error


def stop(folder: Path) -> None:
    """End the session's process; nothing if it is gone already."""
    try:
        with _connect(folder) as connection:
            connection.send_bytes(b'{"stop": true}')
    except (OSError, EOFError, AuthenticationError, ValueError, KeyError):
        pass
    finally:
        (folder / FILE).unlink(missing_ok=True)


def _connect(folder: Path) -> Connection:
    told = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return Client(tuple(told["address"]), authkey=bytes.fromhex(told["key"]))
