"""What a trial frees is kept for its next step, and is given back when it ends."""

from __future__ import annotations

import platform
import resource

import psutil
import pytest
from processes import done, one

from automl.runners.processes import ProcessRunner
from automl.search.trial import Result, Trial

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap of glibc")

MEGABYTE = 2**20


def use_twenty_blocks(_: Trial) -> Result:
    """Loss: page faults while twenty blocks of 40 MiB are written and freed, one after another."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        bytearray(40 * MEGABYTE)[::4096] = b"\1" * (40 * MEGABYTE // 4096)
    return done(float(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before))


def resident(_: Trial) -> Result:
    return done(psutil.Process().memory_info().rss / MEGABYTE)


def test_blocks_are_mapped_once_and_not_at_each_step() -> None:
    with ProcessRunner(use_twenty_blocks, n_jobs=1) as runner:
        pages = 40 * MEGABYTE // resource.getpagesize()
        assert one(runner, 0).loss < 3 * pages  # 20 blocks would be 20 times the pages


def test_what_a_trial_has_freed_is_given_back_when_it_ends() -> None:
    held: list[bytearray] = []

    def target(trial: Trial) -> Result:
        if trial.number == 1:
            blocks = [bytearray(b"\1") * (10 * MEGABYTE) for _ in range(30)]
            blocks.append(bytearray(1))  # the last one stands above them, and stays
            held.append(blocks.pop())
        return resident(trial)

    with ProcessRunner(target, n_jobs=1) as runner:
        before = one(runner, 0).loss
        assert one(runner, 1).loss > before + 250
        assert one(runner, 2).loss < before + 50
