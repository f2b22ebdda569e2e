"""The K for which Table 1 is right is found in data that it has made."""

import numpy as np
import pandas as pd
import pytest

from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.reproduction.inferred_k import (
    by_size,
    compare,
    exponents,
    judge,
    likelihoods,
    plot_inferred,
    with_dropout,
)
from ecmlib.reproduction.stats import NOT_MEASURED

RIGHT = 512


def rows(power: float = 0.0, K: tuple[int, ...] = (128, RIGHT, 2048)) -> pd.DataFrame:
    """Counts of Table 1 at K = 512, up to noise, and of others in proportion to it elsewhere; bent by a power of d."""
    axes = {"K": list(K), "d": [32, 64, 128, 256], "H": [1, 4], "N": [8]}
    frame = pd.MultiIndex.from_product(axes.values(), names=list(axes)).to_frame(index=False).assign(L=1, T=16000)
    noise = np.exp(0.05 * np.sin(np.arange(len(frame)) ** 2))
    published = EmpiricalCapacityModel.published(L=1).predict_frame(frame)
    C = noise * published * (RIGHT / frame["K"]) ** 0.5 * (frame["d"] / 90) ** power
    return frame.assign(C_paper_rule=C, dropout=0.0)


def test_right_vocabulary_has_the_likelihood() -> None:
    table = compare(rows())
    found = likelihoods(table).set_index("K")
    assert found["share"].sum() == pytest.approx(1)
    assert found["share"].idxmax() == RIGHT
    assert found.loc[RIGHT, "share"] > 0.99
    assert found.loc[RIGHT, "sigma"] < 0.06
    assert found.loc[2048, "factor"] == pytest.approx(2, rel=0.1)
    assert by_size(table).query("K == 2048")["ratio"].to_numpy() == pytest.approx(2, rel=0.1)
    finding = judge(table)
    assert finding.verdict == "supported"
    assert "The likeliest is K = 512" in str(finding)


def test_capacity_that_bends_is_linear_at_no_vocabulary() -> None:
    finding = judge(compare(rows(power=1.2)))
    assert finding.statements[1].holds is False
    assert set(exponents(compare(rows(power=1.2)))) == {128, RIGHT, 2048}
    assert finding.statements[1].estimate is not None
    assert finding.statements[1].estimate.value == pytest.approx(2.2, abs=0.15)


def test_dropout_is_put_beside_the_same_without_it() -> None:
    plain = rows()
    dropping = plain.query("K == 512 and d == 64 and H == 1").assign(dropout=0.1)
    dropping["C_paper_rule"] *= 0.4
    (found,) = with_dropout(pd.concat([plain, dropping])).to_dict("records")
    assert (found["K"], found["d"], found["H"], found["dropout"]) == (512, 64, 1, 0.1)
    assert found["ratio"] == pytest.approx(0.4)
    assert found["with"] == pytest.approx(0.4 * found["without"])
    finding = judge(compare(plain), with_dropout(pd.concat([plain, dropping])))
    assert "multiplies what is counted by 0.40 (dropout = 0.1, d = 64" in finding.note
    assert with_dropout(plain).empty
    assert with_dropout(dropping).empty
    assert with_dropout(pd.DataFrame()).empty


def test_two_vocabularies_alike_leave_it_open() -> None:
    alike = pd.concat([rows(K=(RIGHT,)), rows(K=(RIGHT,)).assign(K=500)])
    found = likelihoods(compare(alike))
    assert found["share"].to_numpy() == pytest.approx([0.5, 0.5])
    assert judge(compare(alike)).statements[0].holds is False


def test_part_of_a_grid_is_compared_where_all_vocabularies_are() -> None:
    part = rows().query("K < 2048 or d < 128")
    assert set(compare(part)["d"]) == {32, 64}
    assert len(compare(pd.concat([part, part.assign(dropout=0.1, C_paper_rule=1e4)]))) == 12
    for nothing in (pd.DataFrame(), rows(K=(128,)), rows().query("K == 128 and d == 32 or K == 2048 and d == 64")):
        assert judge(compare(nothing)) == NOT_MEASURED


def test_figure_has_a_line_for_each_vocabulary() -> None:
    sizes, vocabularies = plot_inferred(compare(rows())).axes
    assert [line.get_label() for line in sizes.lines[:3]] == ["K=128", "K=512", "K=2048"]
    assert vocabularies.lines[0].get_xdata().tolist() == [128, 512, 2048]
