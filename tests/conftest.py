"""What holds for every test: ``oracles`` can be imported from any folder, and torch takes one thread.

The tests run side by side (``pytest -n 2``): threads that outnumber the cores wait for one another.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, and by the processes that tests start
sys.path.append(str(Path(__file__).parent))
