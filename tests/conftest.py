"""What holds for every test: ``oracles`` can be imported from any folder, and torch takes one thread.

The tests run side by side (``pytest -n 2``): threads that outnumber the cores wait for one another. No example of
hypothesis has a deadline, which would measure how busy the machine is.
"""

import os
import sys
from pathlib import Path

from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, and by the processes that tests start
sys.path.append(str(Path(__file__).parent))
settings.register_profile("apcli", deadline=None)
settings.load_profile("apcli")
