"""`run_batch`: task files → results, several at once, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

from automl.batch.check import CheckedTask, check_tasks
from automl.batch.child import Job
from automl.batch.report import write_report
from automl.batch.result import LOG, RESULT, BatchResult, TaskResult, TaskState, read_result
from automl.errors import AutoNetError, SettingError
from automl.interrupts import taken
from automl.runners.nursery import exit_reason
from automl.runners.worker import thread_environment
from metalearn import Store
from metalearn.lock import sole_holder

FREE_SHARE = 0.8
"""Share of the free memory that all tasks together may take."""
CHILD = (sys.executable, "-m", "automl.batch.child")
STOP = signal.SIGINT if os.name == "posix" else signal.SIGTERM
STORE = "runs.db"
"""The store in the folder of the results, where none is named."""
LOCK = ".lock"
IN_MEMORY = ("sqlite://", "sqlite:///", "sqlite:///:memory:")

Listen = Callable[[TaskResult], None]


def run_batch(
    paths: Sequence[str | Path],
    *,
    store: str | Path | None = None,
    jobs: int = 1,
    folder: str | Path = "autonet-results",
    listen: Listen = lambda result: None,
) -> BatchResult:
    """Learn the tasks of these files, and compare each model with gradient boosting on held-out rows.

    Every search is kept in one store. When this process is killed, the same call goes on: a task with a result is not
    run again unless its file or its table has changed, and a search that was under way continues after its last
    finished trial. A task that fails, or whose process dies, does not stop the others. The first Ctrl-C ends the
    running searches with what they found and starts no other; the second stops at once.

    Parameters
    ----------
    paths: task files; see `automl.taskfile` for their keys.
    store: a file or a URL such as "postgresql://user@host/name". None: runs.db in the folder.
    jobs: tasks at once, each with an equal share of the cores and of the free memory.
    folder: where summary.json, index.html and the folders of the tasks are written, after every task.
    listen: told of each task when it starts and when it ends; in another thread, one call at a time.

    Returns
    -------
    BatchResult: the results in the order of the files; also those of earlier calls that still hold.

    Raises
    ------
    TasksRefused: a task file breaks a rule; nothing was run. SettingError: another parameter does. AutoNetError:
    another process works in this folder.

    Examples
    --------
    >>> from automl import run_batch
    >>> run_batch(["tasks/wine.toml", "tasks/diabetes.toml"], jobs=2)  # doctest: +SKIP
    """
    return run_checked(check_tasks(paths), store=store, jobs=jobs, folder=Path(folder), listen=listen)


def run_checked(
    tasks: Sequence[CheckedTask],
    *,
    store: str | Path | None,
    jobs: int,
    folder: Path,
    listen: Listen,
    child: Sequence[str] = CHILD,
) -> BatchResult:
    """The same for tasks that were checked; `child` is the command that runs a job of its standard input."""
    import joblib

    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise SettingError(f"jobs {jobs!r} must be a whole number of at least 1")
    folder = folder.absolute()
    url, artefacts = _where(store, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with sole_holder(folder / LOCK) as mine:
        if not mine:
            raise AutoNetError(f"another process works in {folder}; wait for it to end, or name another folder")
        Store(url, artefacts=artefacts).close()  # what is wrong with it is said once, before anything is run
        cores = max(1, int(joblib.cpu_count()) // jobs)
        children = Children(tuple(child), cores, listen)
        found = {task.name: kept(task, folder / task.name) for task in tasks}
        todo = [task for task in tasks if found[task.name] is None]
        memory = _free_memory() / min(jobs, max(1, len(todo)))
        given = [Job(t.task, t.digest, folder / t.name, url, artefacts, memory) for t in todo]
        with ThreadPoolExecutor(jobs) as threads:
            futures = {job.task.name: threads.submit(children.run, job) for job in given}
            _watch(children, list(futures.values()), lambda: _report(folder, tasks, found, futures))
        return _report(folder, tasks, found, futures)


def kept(task: CheckedTask, folder: Path) -> TaskResult | None:
    """The result of an earlier batch, if it is whole and of the same settings and table."""
    result = read_result(folder)
    return result if result and result.state is TaskState.DONE and result.digest == task.digest else None


def _where(store: str | Path | None, folder: Path) -> tuple[str, Path | None]:
    """URL of the store, and the folder of its runs' files where it has none beside it."""
    named = str(folder / STORE if store is None else store)
    if named in IN_MEMORY:
        raise SettingError(f"store {named!r} is in the memory of one process, and each task has its own; name a file")
    if "://" in named and not named.startswith("sqlite:///"):
        return named, folder / "artefacts"
    return f"sqlite:///{Path(named.removeprefix('sqlite:///')).absolute()}", None


def _free_memory() -> float:
    """MiB that all tasks together may take."""
    import psutil

    return float(FREE_SHARE * psutil.virtual_memory().available / 2**20)


def _watch(children: Children, futures: Sequence[Future[TaskResult]], report: Callable[[], BatchResult]) -> None:
    """Wait for all tasks, and report after each one."""

    def pressed(count: int) -> None:
        if count == 1:
            children.stop()
        else:
            children.kill()

    pending = set(futures)
    try:
        with taken(pressed):
            while pending:
                report()
                pending = wait(pending, return_when=FIRST_COMPLETED).not_done
    except BaseException:
        children.kill()
        raise
    if children.killed:
        raise KeyboardInterrupt


def _report(
    folder: Path,
    tasks: Sequence[CheckedTask],
    found: dict[str, TaskResult | None],
    futures: dict[str, Future[TaskResult]],
) -> BatchResult:
    def result(name: str) -> TaskResult:
        before = found[name]
        if before is not None:
            return before
        future = futures[name]
        if future.done():
            return future.result()
        return TaskResult(name, TaskState.RUNNING if future.running() else TaskState.WAITING)

    batch = BatchResult(folder, tuple(result(task.name) for task in tasks))
    write_report(batch)
    return batch


class Children:
    """The processes of the tasks that run.

    Parameters
    ----------
    command: reads a job from standard input.
    cores: that each process may use.
    """

    def __init__(self, command: Sequence[str], cores: int, listen: Listen) -> None:
        self.stopped = self.killed = False
        self._command = list(command)
        # joblib's count of the cores, by which the estimators go, follows this variable.
        self._environment = {**os.environ, **thread_environment(cores), "LOKY_MAX_CPU_COUNT": str(cores)}
        self._listen = listen
        self._lock = threading.RLock()
        self._live: set[subprocess.Popen[bytes]] = set()

    def run(self, job: Job) -> TaskResult:
        """Run a job to its end, and read its result."""
        try:
            code = self._code(job)
        except OSError as error:  # its folder cannot be written, or no process be started: that is its own matter
            result = TaskResult(job.task.name, TaskState.FAILED, job.digest, error=f"{type(error).__name__}: {error}")
        else:
            if code is None:
                return TaskResult(job.task.name, TaskState.WAITING)
            result = read_result(job.folder) or self._died(job, code)
        self._tell(result)
        return result

    def stop(self) -> None:
        """Start no other process, and ask those that run to end with what they have."""
        with self._lock:
            self.stopped = True
            for process in self._live:
                process.send_signal(STOP)

    def kill(self) -> None:
        """End all processes at once."""
        with self._lock:
            self.stopped = self.killed = True
            for process in self._live:
                process.kill()

    def _code(self, job: Job) -> int | None:
        """Exit code of the process of a job; None where no other may start."""
        job.folder.mkdir(parents=True, exist_ok=True)
        (job.folder / RESULT).unlink(missing_ok=True)
        with (job.folder / LOG).open("wb") as log:
            process = self._start(job, log.fileno())
            if process is None:
                return None
            with process:
                return self._ended(process)

    def _start(self, job: Job, log: int) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self.stopped:
                return None
            self._tell(TaskResult(job.task.name, TaskState.RUNNING))
            process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in a terminal reaches the whole foreground group; it is passed on here
            )
            self._live.add(process)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # of one that has died already: its exit code says why
            process.stdin.write(job.line())
            process.stdin.flush()  # and stays open: its end would end the child
        return process

    def _ended(self, process: subprocess.Popen[bytes]) -> int:
        code = process.wait()
        with self._lock:
            self._live.discard(process)
        return code

    def _died(self, job: Job, code: int) -> TaskResult:
        """The result of a process that has left none."""
        if self.stopped:
            return TaskResult(job.task.name, TaskState.INTERRUPTED, job.digest, error="stopped by Ctrl-C")
        error = f"{exit_reason(code)}; {job.folder / LOG} has its last words"
        return TaskResult(job.task.name, TaskState.FAILED, job.digest, error=error)

    def _tell(self, result: TaskResult) -> None:
        with self._lock:
            self._listen(result)
