"""Meta-learning: what past tasks, runs and trials teach the next one."""

from metalearn.errors import StoreError
from metalearn.records import Run, TaskRecord, TrialRecord
from metalearn.store import Store

__all__ = ["Run", "Store", "StoreError", "TaskRecord", "TrialRecord"]
