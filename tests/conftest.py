"""What holds for all tests."""

import os

# Before any numerical library is imported: idle OpenMP threads of this process would compete with the workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")
