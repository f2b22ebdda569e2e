"""The paper's experiments beside the main grid: a module each compares records and says what they make of a claim."""

from ecmlib.experiments.measure import combinations, measure_all

__all__ = ["combinations", "measure_all"]
