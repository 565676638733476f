"""What can be said of a task in numbers, so that tasks can be compared: one group of metafeatures a file."""

from metalearn.metafeatures.describe import METAFEATURES, describe
from metalearn.metafeatures.sample import Sample

__all__ = ["METAFEATURES", "Sample", "describe"]
