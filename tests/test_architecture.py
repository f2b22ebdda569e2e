import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecmlib import Architecture, random_library
from ecmlib.forward import make_forward

architectures = st.builds(
    Architecture,
    d=st.integers(1, 40),
    H=st.integers(1, 5),
    N=st.integers(2, 12),
    L=st.integers(1, 3),
    K=st.integers(2, 20),
    head_dim=st.integers(1, 70),
    ff=st.sampled_from(["train", "identity"]),
    embeddings=st.sampled_from(["frozen", "trained", "tied"]),
)


@settings(max_examples=50, deadline=None)
@given(architectures)
def test_parameter_count_is_that_of_the_built_model(architecture: Architecture) -> None:
    trainable = [p.numel() for p in architecture.build(0).parameters() if p.requires_grad]
    assert architecture.n_params == sum(trainable)


@settings(max_examples=20, deadline=None)
@given(architectures)
def test_model_maps_tokens_to_logits(architecture: Architecture) -> None:
    tokens = torch.zeros(3, architecture.N - 1, dtype=torch.long)
    assert architecture.build(0)(tokens).shape == (3, architecture.N - 1, architecture.K)


@pytest.mark.parametrize("ff_mult", [1, 2, 8])
def test_parameter_count_knows_the_width_of_feed_forward_blocks(ff_mult: int) -> None:
    architecture = Architecture(d=8, L=2, ff_mult=ff_mult)
    assert architecture.n_params == sum(p.numel() for p in architecture.build(0).parameters() if p.requires_grad)


def test_dropout_disturbs_training_and_not_counting() -> None:
    architecture = Architecture(d=16, N=8, K=16, dropout=0.5)
    model, library = architecture.build(0), random_library(64, 8, 16, seed=0)
    forward = make_forward(model)
    assert not torch.equal(forward.losses(library), forward.losses(library))
    losses, right = forward.judged(library)
    plain = architecture.model_copy(update={"dropout": 0.0}).build(0)
    torch.testing.assert_close(losses, make_forward(plain).losses(library))
    assert model.training
    assert right.shape == (64, 7)


def test_one_head_keeps_its_output_projection_when_d_differs_from_head_dim() -> None:
    attention = Architecture(d=24, H=1).build(0).attn_layers.layers[0][1]
    assert attention.to_out.weight.shape == (24, 64)


def test_only_embeddings_and_final_linear_are_frozen() -> None:
    frozen = {name for name, p in Architecture(d=8).build(0).named_parameters() if not p.requires_grad}
    assert frozen == {"token_emb.emb.weight", "pos_emb.emb.weight", "to_logits.weight"}


def test_identity_feed_forward_computes_what_zeroed_feed_forward_does() -> None:
    with_ff, without = Architecture(d=8, H=2, N=6, L=2), Architecture(d=8, H=2, N=6, L=2, ff="identity")
    model, reference = without.build(0), with_ff.build(1)
    # A residual block whose last linear map is zero passes its input on unchanged: an identity made another way.
    for norms, block, _ in reference.attn_layers.layers[1::2]:
        for parameter in [*norms.parameters(), *block.parameters()]:
            torch.nn.init.zeros_(parameter)
    attention_of = [layer.state_dict() for layer in model.attn_layers.layers]
    for layer, weights in zip(reference.attn_layers.layers[::2], attention_of, strict=True):
        layer.load_state_dict(weights)
    for part in ("token_emb", "pos_emb", "to_logits"):
        getattr(reference, part).load_state_dict(getattr(model, part).state_dict())
    reference.attn_layers.final_norm.load_state_dict(model.attn_layers.final_norm.state_dict())
    tokens = torch.randint(128, (5, 5), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(tokens), reference(tokens))


def test_same_seed_same_weights_and_global_random_state_untouched() -> None:
    before = torch.get_rng_state()
    first, second, other = (Architecture(d=8).build(seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_no_prediction_sees_its_own_or_a_later_token() -> None:
    model = Architecture(d=8, H=2, N=8, K=16).build(0)
    tokens = torch.randint(16, (1, 7), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[0, 4:] = (changed[0, 4:] + 1) % 16
    torch.testing.assert_close(model(tokens)[:, :4], model(changed)[:, :4])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"d": 0}, "d = 0: input should be greater than or equal to 1"),
        ({"d": -3}, "d = -3: input should be greater than or equal to 1"),
        ({"d": "wide"}, "d = 'wide': input should be a valid integer"),
        ({"d": 8.5}, "d = 8.5: input should be a valid integer"),
        ({"d": True}, "d = True: input should be a valid integer"),
        ({"d": 8, "H": 0}, "H = 0: input should be greater than or equal to 1"),
        ({"d": 8, "N": 1}, "N = 1: input should be greater than or equal to 2"),
        ({"d": 8, "L": 0}, "L = 0: input should be greater than or equal to 1"),
        ({"d": 8, "K": 1}, "K = 1: input should be greater than or equal to 2"),
        ({"d": 8, "head_dim": 0}, "head_dim = 0: input should be greater than or equal to 1"),
        ({"d": 8, "ff": "none"}, "ff = 'none': input should be 'train' or 'identity'"),
        ({"d": 8, "ff_mult": 0}, "ff_mult = 0: input should be greater than or equal to 1"),
        ({"d": 8, "ff": "identity", "ff_mult": 2}, "ff_mult = 2: ff = 'identity' has no feed-forward block"),
        ({"d": 8, "embeddings": "free"}, "embeddings = 'free': input should be 'frozen', 'trained' or 'tied'"),
        ({"d": 8, "dropout": 1.0}, "dropout = 1.0: input should be less than 1"),
        ({"d": 8, "heads": 2}, "heads = 2: extra inputs are not permitted"),
        ({}, "d is missing"),
    ],
)
def test_bad_value_is_named_with_what_is_allowed(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Architecture(**values)


def test_building_leaves_the_random_state_of_gpus_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "manual_seed_all", pytest.fail)
    Architecture(d=8).build(3)
