"""Studies: lists of trainings over several seeds, and a table of what they gave.

``python -m benchmarks.study NAME`` runs one; `studies.py` declares them.
"""

from .declaration import Entry, FineTuning, Study
from .studies import STUDIES

__all__ = ["STUDIES", "Entry", "FineTuning", "Study"]
