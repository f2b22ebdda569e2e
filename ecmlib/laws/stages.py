"""Where an error of our law arises: in what it says is stored, or in how many tokens it lets so many bits tell."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecmlib.laws.demand import knowable_bits
from ecmlib.laws.detection import detected
from ecmlib.laws.points import COMPONENTS, configurations, scored
from ecmlib.laws.scope import out_of_scope
from ecmlib.laws.signal import SignalLaw

STAGES = ["counted", "stored", "told"]
_OTHERS = ["d", "H", "N", "L", "K", "T", "max_steps", *COMPONENTS]


def stages(law: SignalLaw, frame: pd.DataFrame) -> pd.DataFrame:
    """Compare each stage of our law with what was measured, where it speaks and can be wrong.

    Parameters
    ----------
    law : SignalLaw
        Fitted to ends of runs (``C``).
    frame : DataFrame
        Rows of `ecmlib.load_results`.

    Returns
    -------
    DataFrame
        A row a configuration of the law's scope that is neither full nor lost, with three ratios: ``counted``, of C to
        what is predicted; ``stored``, of the measured bits to the law's; ``told``, of C to what the law says of the
        measured bits.
    """
    spoken = frame[out_of_scope(frame) == ""]
    points = scored(spoken, "C", law.same)
    points = points.assign(bits=configurations(spoken, ["C", "bits"], law.same)["bits"])
    points = points[points["telling"]].reset_index(drop=True)
    N, K, T = (points[size].to_numpy(float) for size in "NKT")
    share = points["bits"].to_numpy(float) / knowable_bits(N, K, T)
    return points.assign(
        counted=points["C"] / law.predict_frame(points),
        stored=points["bits"] / law.stored(points),
        told=points["C"] / (T * detected(np.asarray(share), K, law.uneven)),
    )


def along(cells: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Sum up the stages by the values of one axis, over cells that have a like in everything else at another value.

    Returns
    -------
    DataFrame
        A row a value: ``axis``, ``value``, ``n``, the number of cells, and the medians of `STAGES`.
    """
    others = [name for name in _OTHERS if name in cells and name != axis]
    alike = cells[cells.groupby(others)[axis].transform("nunique") > 1]
    by_value = alike.groupby(axis)
    medians = by_value[STAGES].median().assign(n=by_value.size()).rename_axis("value").reset_index()
    return medians.assign(axis=axis)[["axis", "value", "n", *STAGES]]
