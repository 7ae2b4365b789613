"""Sessions in this process: gone with it, and known to it alone.

Nothing waits between a look and what comes of it, so every method is atomic. Each looks at the
sessions that it is asked about, and at no others: what is due is ended by an `Agenda`, a few at a
time.
"""

from .clock import steady_time
from .store import MemoryStore

__all__ = ["MemoryStore", "steady_time"]
