"""How much can a transformer memorise? Measure it, model it, design with it."""

from ecmlib.architecture import Architecture
from ecmlib.capacity import Memorised, count_memorised, measure_mac
from ecmlib.library import random_library
from ecmlib.results import CapacityRecord, load_results
from ecmlib.training import Protocol

__all__ = [
    "Architecture",
    "CapacityRecord",
    "Memorised",
    "Protocol",
    "count_memorised",
    "load_results",
    "measure_mac",
    "random_library",
]
