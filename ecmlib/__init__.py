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
    from ecmlib.laws.text_design import smallest_for_text
    from ecmlib.library import random_library
    from ecmlib.memorisation import measure_text
    from ecmlib.mls import MlsRecord, measure_mls
    from ecmlib.protocol import Protocol
    from ecmlib.results import CapacityRecord, load_results
    from ecmlib.shatter import ShatterRecord, epochs_to_shatter
    from ecmlib.text import read_corpus
    from ecmlib.text_record import TextProtocol, TextRecord

    __version__: str

_HOMES = {  # modules are imported when a name is asked for: whoever reads records and laws need not wait for PyTorch
    "Architecture": "architecture",
    "CapacityRecord": "results",
    "EmpiricalCapacityModel": "laws.ecm",
    "Memorised": "capacity",
    "MlsRecord": "mls",
    "Protocol": "protocol",
    "ShatterRecord": "shatter",
    "SignalLaw": "laws.signal",
    "TextProtocol": "text_record",
    "TextRecord": "text_record",
    "count_memorised": "capacity",
    "epochs_to_shatter": "shatter",
    "load_law": "laws.registry",
    "load_results": "results",
    "measure_mac": "capacity",
    "measure_mls": "mls",
    "measure_text": "memorisation",
    "random_library": "library",
    "read_corpus": "text",
    "smallest_architectures": "laws.design",
    "smallest_for_text": "laws.text_design",
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
    "TextProtocol",
    "TextRecord",
    "count_memorised",
    "epochs_to_shatter",
    "load_law",
    "load_results",
    "measure_mac",
    "measure_mls",
    "measure_text",
    "random_library",
    "read_corpus",
    "smallest_architectures",
    "smallest_for_text",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("ecmlib")
    if name in _HOMES:
        return getattr(import_module(f"ecmlib.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ecmlib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
