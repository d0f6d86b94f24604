"""What runs a network: each engine maps float32 NumPy arrays to the same."""

from ccnet.restoration.engines.engine import Averages, Engine, MemoryRanOut

__all__ = ["Averages", "Engine", "MemoryRanOut"]
