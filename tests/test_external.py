import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from ecmlib import Protocol, SignalLaw, load_law
from ecmlib.laws.signal import free_numbers
from ecmlib.reproduction.external import (
    DANA,
    OUR_BATCH,
    agreement,
    at_two_million,
    beside_copies,
    by_accuracy,
    dana,
    like_worked_example,
    predict_dana,
    shared_numbers,
    statements,
    steps_by_tokens,
    stored_per_parameter,
)

LAW = SignalLaw(bits_ff=1.8, bits_att=2.9)


def test_published_rows_are_all_there_with_their_kind() -> None:
    table = dana("results/external")
    assert len(table) == 109
    assert set(table["kind"]) == set(DANA)
    assert (table.loc[table["kind"] == DANA[2], "ff_width"] > 0).all()


def test_experiments_with_an_mlp_are_trained_for_more_steps_in_larger_batches() -> None:
    """Their models without hidden units, too: each such experiment begins with one, trained as the others."""
    table = dana("results/external")
    training = table.groupby(table["experiment"].str.startswith("5_"))[["batch", "steps"]].agg(["min", "max"])
    assert training.loc[False].tolist() == [256, 256, 4096, 4096]
    assert training.loc[True].tolist() == [1024, 1024, 16384, 16384]


def test_each_model_is_predicted_for_its_own_steps() -> None:
    law = LAW.model_copy(update={"lacking": 0.2})
    table = dana("results/external").query("H == 1 and d == 10 and ff_width == 0")
    load, endless = (predict_dana(one, table).set_index("K")["asked_over_stored"] for one in (law, LAW))
    assert (endless / load).loc[[50, 70]].tolist() == pytest.approx([law.trained(4096), law.trained(16384)])


def test_steps_by_tokens_are_of_ours_that_train_as_many() -> None:
    assert Protocol(T=2048).batch_size == OUR_BATCH
    table = dana("results/external")
    counted = steps_by_tokens(table)
    tokens = counted["steps"] * OUR_BATCH * 7
    assert tokens.tolist() == pytest.approx((table["steps"] * table["batch"]).tolist())
    assert counted["steps"].iloc[0] == pytest.approx(4096 / 14)


@pytest.mark.parametrize(("d", "H"), [(3, 1), (10, 11)])
def test_shared_heads_of_the_whole_width_are_heads_of_their_own(d: int, H: int) -> None:
    sizes = {"d": d + 1, "H": H, "N": 3, "K": 50, "head_dim": d}  # a norm, which they have not, takes one away
    own = free_numbers({name: np.array(value) for name, value in sizes.items()})
    assert shared_numbers(np.array(d), np.array(H), np.array(d)) == own == 2 * H * d**2


def test_shared_compressions_are_counted_as_their_matrices_are() -> None:
    rank_of_tangent = 0
    rng = np.random.default_rng(0)
    d, r, H = 5, 2, 3
    before, after = rng.normal(size=(d, r)), rng.normal(size=(r, d))
    inner = rng.normal(size=(H, r, r))
    # Directions in which the H products before @ inner @ after can move, one parameter at a time.
    moves = []
    for i, j in np.ndindex(d, r):
        step = np.zeros((d, r))
        step[i, j] = 1
        moves.append((step @ inner @ after).ravel())
    for i, j in np.ndindex(r, d):
        step = np.zeros((r, d))
        step[i, j] = 1
        moves.append((before @ inner @ step).ravel())
    for h, i, j in np.ndindex(H, r, r):
        step = np.zeros((H, r, r))
        step[h, i, j] = 1
        moves.append((before @ step @ after).ravel())
    rank_of_tangent = np.linalg.matrix_rank(np.array(moves))
    # Value-output products; queries and keys, behind the same matrix on both sides, add H r^2 without its d - r.
    assert rank_of_tangent == H * r * r + 2 * r * (d - r)
    assert shared_numbers(np.array(d), np.array(H), np.array(r)) == H * r * r + rank_of_tangent


def test_accuracy_is_guessing_where_nothing_is_stored_and_one_where_all_is() -> None:
    table = pd.DataFrame({"d": [3, 100], "head_dim": [3, 100], "H": [1, 50], "ff_width": 0, "K": 50, "accuracy": 0.5})
    table = table.assign(steps=4096)
    nothing, everything = predict_dana(SignalLaw(bits_ff=1e-9, bits_att=1e-9), table), predict_dana(LAW, table)
    assert nothing["predicted"].iloc[0] == pytest.approx(1 / 50, rel=1e-2)
    assert everything["predicted"].iloc[1] == pytest.approx(1.0)
    assert everything["asked_over_stored"].iloc[0] == pytest.approx(50**2 * math.log2(50) / (2.9 * 18))


def test_agreement_is_of_medians_by_kind() -> None:
    ratio = [0.8, 0.9, 1.0, 1.1, 1.4, 2.0, 1.0, 0.5]
    table = pd.DataFrame({"kind": ["a"] * 5 + ["b"] * 3, "ratio": ratio, "full": [False] * 6 + [True] * 2})
    a, b = agreement(table.assign(predicted=[0.5] * 6 + [1.0, 0.5])).to_dict("records")
    assert (b["n"], b["full"], b["right_full"]) == (1, 2, 1), "what is full says little, and is counted apart"
    assert (a["n"], a["ratio"], round(a["error"], 9)) == (5, 1.0, 0.1)
    assert a["ratio_low"] <= 1.0 <= a["ratio_high"]
    assert b["ratio"] == 2.0
    assert math.isnan(b["ratio_low"]), "one row has no interval"


def test_copies_stand_beside_the_models_that_they_copy() -> None:
    published = dana("results/external")
    usual = {"N": 3, "L": 1, "K": 50, "T": 2500}
    copies = [
        usual | {"d": 10, "H": H, "embeddings": e, "C_raw": C} for H, e, C in ((6, "trained", 500), (6, "trained", 600))
    ]
    copies += [usual | {"d": 6, "H": 6, "embeddings": "frozen", "C_raw": 250}]
    first, second = beside_copies(published, pd.DataFrame(copies)).to_dict("records")
    theirs = published.query("experiment == '1_10' and H == 6")["accuracy"].item()
    assert first == {"d": 10, "H": 6, "embeddings": "trained", "accuracy": theirs, "copy": 0.22, "ratio": 0.22 / theirs}
    assert (second["embeddings"], second["copy"]) == ("frozen", 0.1)


def test_nothing_copied_is_an_empty_table() -> None:
    assert beside_copies(dana("results/external"), pd.DataFrame()).empty


def test_embeddings_that_count_add_what_the_law_gives_them() -> None:
    table = dana("results/external").query("H == 1 and experiment == '1_10'")
    law = LAW.model_copy(update={"bits_emb": 2.0})
    without, counted = predict_dana(law, table), predict_dana(law, table, embeddings=True)
    stored = [50**2 * math.log2(50) / here["asked_over_stored"].item() for here in (without, counted)]
    assert stored[1] - stored[0] == pytest.approx(2.0 * 10 * (2 * 50 + 2))


def test_two_million_puts_three_numbers_side_by_side() -> None:
    sizes = {"N": 32, "L": 1, "K": 128, "T": 16000, "P": 2_000_000}
    measured = pd.DataFrame([sizes | {"d": 469, "H": 2, "C": 7000.0}, sizes | {"d": 469, "H": 2, "C": 8000.0}])
    said = statements("results/external")
    (row,) = at_two_million(LAW, measured, said).to_dict("records")
    assert (row["published"], row["C"]) == (1600, 7500)
    assert row["predicted"] == pytest.approx(float(LAW.predict(d=469, H=2, N=32, T=16000)))
    with pytest.raises(ValueError, match=r"holds H = \[8\]; the paper speaks of H = \[2, 4\]"):
        at_two_million(LAW, measured.assign(H=8), said)


def test_every_published_number_has_its_source() -> None:
    assert dana("results/external")["source"].str.contains("Data_exp_").all()
    said = statements("results/external")
    assert said["source"].notna().all()
    assert said.loc["Morris point", ["N", "K", "T"]].tolist() == [64, 2048, 4096]
    assert 64 * math.log2(2048) * 4096 == pytest.approx(2.88e6, rel=0.01), "the bits that they say were offered"


def test_accuracies_are_summed_up_by_bands() -> None:
    rows = {"accuracy": [0.05, 0.1, 0.3, 0.6, 0.95], "ratio": [0.5, 0.7, 0.8, 1.0, 1.0], "predicted": [0.1] * 5}
    table = by_accuracy(pd.DataFrame(rows).assign(full=lambda here: here["accuracy"] >= 0.9))
    assert table["accuracy"].tolist() == ["0.0 to 0.1", "0.1 to 0.5", "0.5 to 1.0"]
    assert table["n"].tolist() == [2, 1, 1]
    assert table["ratio"].tolist() == pytest.approx([0.6, 0.8, 1.0])
    assert table["full"].tolist() == [0, 0, 1]


def test_bits_of_blocks_do_not_depend_on_embeddings() -> None:
    laws = (LAW.model_copy(update={"bits_emb": bits}) for bits in (0.0, 2.0))
    without, counted = (stored_per_parameter(law, [64], [2]).iloc[0] for law in laws)
    assert without["of_blocks"] == counted["of_blocks"]
    assert without["P"] == 2 * (12 * 64**2 + 13 * 64) + (2048 + 64) * 64 + 2 * 64
    of_embeddings = counted["bits_per_parameter"] - without["bits_per_parameter"]
    assert of_embeddings * without["P"] == pytest.approx(2.0 * (2048 + 64) * 64)


def test_heads_of_gpt_2_are_one_in_64_dimensions_and_one_at_least() -> None:
    assert stored_per_parameter(LAW, d=[32, 64, 256], L=[1])["H"].tolist() == [1, 1, 4]


def test_like_the_worked_example_is_the_size_with_as_many_parameters() -> None:
    said = statements("results/external")
    sizes = stored_per_parameter(LAW)
    like = like_worked_example(sizes, said)
    assert (like["d"], like["L"]) == (128, 2)
    assert abs(like["P"] / said.loc["Morris point", "P"] - 1) < 1e-3


def test_shipped_law_tells_which_of_other_groups_models_knows_more() -> None:
    """The law was fitted to our records alone, none of which are of attention alone."""
    law = load_law()
    assert isinstance(law, SignalLaw)
    predicted = predict_dana(law, dana("results/external"))
    open_ = predicted[(predicted["kind"] == DANA[0]) & ~predicted["full"]]
    assert spearmanr(open_["predicted"], open_["accuracy"]).statistic > 0.95
    assert agreement(predicted).set_index("kind").loc[DANA[0], "error"] < 0.2
