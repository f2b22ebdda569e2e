"""How much can a transformer memorise? Measure it, model it, design with it."""

from ecmlib.architecture import Architecture
from ecmlib.capacity import Memorised, count_memorised, measure_mac
from ecmlib.laws.design import smallest_architectures
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.registry import load_law
from ecmlib.laws.signal import SignalLaw
from ecmlib.library import random_library
from ecmlib.mls import MlsRecord, measure_mls
from ecmlib.protocol import Protocol
from ecmlib.results import CapacityRecord, load_results
from ecmlib.shatter import ShatterRecord, epochs_to_shatter

__all__ = [
    "Architecture",
    "CapacityRecord",
    "EmpiricalCapacityModel",
    "Memorised",
    "MlsRecord",
    "Protocol",
    "ShatterRecord",
    "SignalLaw",
    "count_memorised",
    "epochs_to_shatter",
    "load_law",
    "load_results",
    "measure_mac",
    "measure_mls",
    "random_library",
    "smallest_architectures",
]
