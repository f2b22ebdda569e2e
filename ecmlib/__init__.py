"""How much can a transformer memorise? Measure it, model it, design with it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecmlib.architecture import Architecture
    from ecmlib.capacity import Memorised, count_memorised, measure_mac
    from ecmlib.laws.design import smallest_architectures
    from ecmlib.laws.ecm import EmpiricalCapacityModel
    from ecmlib.laws.registry import load_law
    from ecmlib.laws.signal import SignalLaw
    from ecmlib.library import random_library
    from ecmlib.mls import measure_mls
    from ecmlib.mls_record import MlsRecord
    from ecmlib.protocol import Protocol
    from ecmlib.results import CapacityRecord, load_results
    from ecmlib.shatter import epochs_to_shatter
    from ecmlib.shatter_record import ShatterRecord

    __version__: str

_HOMES = {  # modules are imported when a name is asked for: whoever reads records and laws need not wait for PyTorch
    "Architecture": "architecture",
    "CapacityRecord": "results",
    "EmpiricalCapacityModel": "laws.ecm",
    "Memorised": "capacity",
    "MlsRecord": "mls_record",
    "Protocol": "protocol",
    "ShatterRecord": "shatter_record",
    "SignalLaw": "laws.signal",
    "count_memorised": "capacity",
    "epochs_to_shatter": "shatter",
    "load_law": "laws.registry",
    "load_results": "results",
    "measure_mac": "capacity",
    "measure_mls": "mls",
    "random_library": "library",
    "smallest_architectures": "laws.design",
}

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


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("ecmlib")
    if name in _HOMES:
        return getattr(import_module(f"ecmlib.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ecmlib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
