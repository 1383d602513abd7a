"""Lets a test in any folder import ``oracles``."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
