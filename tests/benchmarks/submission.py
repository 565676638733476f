"""Competition runs as the organisers would see them: scores, first predictions, times, faults, AutoDL's learning curve.

`python tests/benchmarks/submission.py {sets,madeline,first,late,faults,autodl} --challenges FOLDER` where the folder
holds `examples/chalearn_input`, `examples/chalearn_ref`, `madeline` and `autodl_miniciao`. Prints lines of Markdown.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import psutil

from automl.challenge_metrics import challenge_score, learning_curve_area, present_auc
from automl.submission.archive import write_archive
from automl.submission.catalogue import form
from automl.submission.formats.autodl import Layout, Records
from automl.submission.problem import Problem, Settings

CLEAN = {"OMP_NUM_THREADS": "1"}
HIDE = """\
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.partition(".")[0] == "{package}" else found(name, *more)
"""
"""What makes a package look as if it were not installed, in every process that starts."""


def compete(source: Path, output: Path, seconds: float, kind: str = "chalearn", **env: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "automl",
        "compete",
        str(source),
        str(output),
        "-f",
        kind,
        "--budget",
        str(seconds),
    ]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | CLEAN | env)


def numbers(path: Path) -> np.ndarray:
    return np.loadtxt(path, ndmin=2)


def scores(source: Path, truth: Path, output: Path, part: str = "test") -> dict[str, tuple[float, float]]:
    """Of each data set: the score of the first file, which is the guess, and of the last."""
    found = {}
    chosen = form("chalearn")
    for name in chosen.names(source):
        problem = chosen.read(source, name)
        y, files = numbers(truth / f"{name}_{part}.solution"), sorted(output.glob(f"{name}_{part}_*.predict"))
        each = [challenge_score(problem.metric, y, numbers(file), problem.kind) for file in (files[0], files[-1])]
        found[name] = (each[0], each[1])
    return found


def sets(folder: Path) -> None:
    """Four tasks in three layouts: scores above the guess on all, every file well-formed."""
    source, truth = folder / "examples" / "chalearn_input", folder / "examples" / "chalearn_ref"
    with tempfile.TemporaryDirectory() as name:
        output = Path(name)
        code = compete(source, output, 160).wait()
        chosen = form("chalearn")
        problems = [chosen.read(source, each) for each in chosen.names(source)]
        print("exit code", code, "faults", [f for p in problems for f in chosen.faults(source, p, output)])
        for part in ("valid", "test"):
            for each, (guess, last) in scores(source, truth, output, part).items():
                print(f"| {each} {part} | {guess:.4f} | {last:.4f} |")


def madeline(folder: Path) -> None:
    """BAC on the test part within 300 s."""
    source = folder / "madeline"
    with tempfile.TemporaryDirectory() as name:
        process = compete(source, Path(name), 300)
        print(process.communicate()[1])
        print(f"| madeline | {scores(source, source, Path(name))['madeline'][1]:.4f} |")


def five(folder: Path, into: Path) -> Path:
    """A directory of five data sets."""
    shutil.copytree(folder / "examples" / "chalearn_input", into)
    shutil.copytree(folder / "madeline", into / "madeline")
    return into


def first(folder: Path) -> None:
    """Seconds from the start of the process until both files of a data set are there, by their own times; ten runs."""
    found: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        source = five(folder, Path(name) / "input")
        for k in range(10):
            output, began = Path(name) / f"out{k}", time.time()
            compete(source, output, 5).wait()
            written = [path.stat().st_mtime - began for path in output.glob("*_000.predict")]
            assert len(written) == 10, written
            found.append(max(written))
    print(f"| last of the first predictions, s | median {np.median(found):.2f}, largest {max(found):.2f} |")


def late(folder: Path, runs: int) -> None:
    """Nothing is written after the budget: the latest time of a file, as a share of the budget."""
    shares, ends, rng = [], [], np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        source = five(folder, Path(name) / "input")
        for k in range(runs):
            budget = float(np.exp(rng.uniform(np.log(5), np.log(60))))
            output, began = Path(name) / f"out{k}", time.time()
            code = compete(source, output, budget).wait()
            ends.append(time.time() - began - budget)
            shares.append(max(p.stat().st_mtime - began for p in output.iterdir()) / budget)
            count = len(list(output.iterdir()))
            print(f"run {k}: {budget:.1f} s, code {code}, last file at {shares[-1]:.3f}, {count} files", flush=True)
    late_runs = sum(share > 1 for share in shares)
    print(
        f"| runs, late ones, latest file / budget, latest end − budget (s) | {runs} | {late_runs} |"
        f" {max(shares):.3f} | {max(ends):.2f} |"
    )


def killed_child(process: subprocess.Popen[str]) -> None:
    """Kill the children whenever there are any, for five seconds."""
    end = time.monotonic() + 5
    while time.monotonic() < end and process.poll() is None:
        for child in psutil.Process(process.pid).children():
            child.kill()
        time.sleep(0.2)


def terminated(process: subprocess.Popen[str]) -> None:
    time.sleep(3)
    process.send_signal(signal.SIGTERM)


def nothing(process: subprocess.Popen[str]) -> None:
    pass


def before(place: Path) -> dict[str, str]:
    """Environment in which the modules of this folder come first."""
    return {"PYTHONPATH": f"{place}:{os.environ.get('PYTHONPATH', '')}"}


def faults(folder: Path) -> None:
    """A valid prediction for every readable set, exit code 0, and the reason in the log."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        source = five(folder, place / "input")
        broken = five(folder, place / "broken")
        (broken / "bina" / "bina_train.solution").write_bytes(b"\xff\x00")
        (broken / "regr" / "regr_train.data").write_bytes(b"no numbers")
        for package in ("torch", "sklearn"):
            (place / f"no_{package}").mkdir()
            (place / f"no_{package}" / "sitecustomize.py").write_text(HIDE.format(package=package))
            (place / f"broken_{package}").mkdir()
            (place / f"broken_{package}" / f"{package}.py").write_text("raise ImportError('a part is missing')\n")
        cases: Mapping[str, tuple[Path, Callable[[subprocess.Popen[str]], None], Mapping[str, str]]] = {
            "children killed": (source, killed_child, {}),
            "SIGTERM": (source, terminated, {}),
            "files that are no tables": (broken, nothing, {}),
            **{
                f"{package} {'missing' if how == 'no' else how}": (source, nothing, before(place / f"{how}_{package}"))
                for package in ("torch", "sklearn")
                for how in ("no", "broken")
            },
        }
        for case, (given, harm, env) in cases.items():
            shutil.rmtree(place / "out", ignore_errors=True)
            process = compete(given, place / "out", 30, **env)
            harm(process)
            told(case, given, place / "out", process)
        _with_limits(source, place)


def _with_limits(source: Path, place: Path) -> None:
    """A memory limit of 700 MiB a process, and a disk of 200 KiB that is full after the guesses (needs root)."""
    shutil.rmtree(place / "out", ignore_errors=True)
    command = f"ulimit -v 716800; {sys.executable} -m automl compete {source} {place / 'out'} -f chalearn --budget 30"
    told(
        "memory limit",
        source,
        place / "out",
        subprocess.Popen(["bash", "-c", command], stderr=subprocess.PIPE, text=True, env=os.environ | CLEAN),
    )
    small = place / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", small], check=False).returncode:
        print("| disk full | not measured: no file system could be made |")
        return
    try:
        told("disk full", source, small / "out", compete(source, small / "out", 30))
    finally:
        subprocess.run(["umount", small], check=False)


def told(case: str, source: Path, output: Path, process: subprocess.Popen[str]) -> None:
    said, chosen = process.communicate()[1], form("chalearn")
    wrong, readable = [], list[Problem]()
    for name in chosen.names(source):
        try:
            readable.append(chosen.read(source, name))
        except ValueError:
            continue
    for problem in readable:
        wrong += chosen.faults(source, problem, output)
    reasons = [line[12:] for line in said.splitlines() if "written, score" not in line and "no better" not in line]
    files = len(list(output.glob("*.predict")))
    print(
        f"| {case} | exit {process.returncode}, {len(readable)} sets, {files} files, faults {wrong} | "
        f"{' / '.join(reasons)[:300]} |",
        flush=True,
    )


def autodl(folder: Path, seconds: float = 120.0) -> None:
    """ALC of the archive under the kit's protocol, beside a logistic regression on raw pixels."""
    source = folder / "autodl_miniciao"
    truth = numbers(source / "miniciao.solution")
    with tempfile.TemporaryDirectory() as name:
        program, output = Path(name) / "program", Path(name) / "output"
        write_archive(Path(name) / "a.zip", form("autodl"), Settings("autodl", seconds))
        shutil.unpack_archive(Path(name) / "a.zip", program)
        command = [sys.executable, "-m", "automl.submission.platforms", "autodl", program, source, output, str(seconds)]
        env = os.environ | CLEAN | {"PYTHONPATH": str(program / "lib")}
        subprocess.run(command, check=True, env=env)
        lines = dict(line.split(": ", 1) for line in (output / "start.txt").read_text().splitlines())
        began = float(lines["start_time"])
        files = sorted(output.glob("miniciao.predict_*"), key=lambda path: int(path.name.rpartition("_")[2]))
        times = [float(lines[str(k)]) - began for k in range(len(files))]
        each = [present_auc(truth, numbers(file)) for file in files]
    print("ours: " + ", ".join(f"{t:.2f} s {score:.4f}" for t, score in zip(times, each, strict=True)))
    began = time.time()
    train, test = list(Records(source / "miniciao.data" / "train")), list(Records(source / "miniciao.data" / "test"))
    from sklearn.linear_model import LogisticRegression

    X, Z = (np.stack([x.ravel() for x, _ in part]) for part in (train, test))
    y = np.stack([labels for _, labels in train]).argmax(axis=1)
    model = LogisticRegression(max_iter=300).fit(X, y)
    shares = np.zeros((len(Z), truth.shape[1]))
    shares[:, model.classes_] = model.predict_proba(Z)
    pixels, took = present_auc(truth, shares), time.time() - began
    print(f"| ours | {learning_curve_area(times, each, seconds):.4f} | last NAUC {each[-1]:.4f} |")
    print(
        f"| raw pixels | {learning_curve_area([took], [pixels], seconds):.4f} | NAUC {pixels:.4f} after {took:.2f} s |"
    )
    print(f"features of a picture: {Layout.of([train[0][0]]).table([train[0][0]]).shape[1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("sets", "madeline", "first", "late", "faults", "autodl"))
    parser.add_argument("--challenges", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=50)
    args = parser.parse_args()
    if args.what == "late":
        late(args.challenges, args.runs)
    else:
        globals()[args.what](args.challenges)


if __name__ == "__main__":
    main()
