"""The transformer's logits with less work than its modules spend on them: the same function of the same weights.

Three identities, exact but for rounding (x̂ is a normalised vector, g the gain of its norm, W a matrix that follows):

- W (g x̂) = (W diag(g)) x̂. Gains are multiplied into matrices, which are small. Where embeddings are frozen, no gradient
  then goes further back than to the first layer's matrices.
- q_i · k_j = x̂_i (Wq' Wk) x̂_j: the normalised vectors themselves serve all heads as keys.
- Wo (sum_j a_ij Wv x̂_j) = (Wo Wv) (sum_j a_ij x̂_j): and as values.

The last two replace four matrices of d x head_dim a head by two of d x d. They cost less up to d = 2 head_dim, where
nothing is copied to sort heads either, and more beyond.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from x_transformers import TransformerWrapper

Weights = Mapping[str, torch.Tensor]  # by the names of the module's parameters
Logits = Callable[[Weights, torch.Tensor], torch.Tensor]


def make_logits(model: TransformerWrapper, dtype: torch.dtype) -> Logits:
    """Return the function from weights and tokens (B, n) to logits (B, n, K), in ``dtype``.

    Parameters
    ----------
    model : TransformerWrapper
        Of `Architecture.build`, without dropout.
    dtype : dtype
        Of factors and results of matrix products; norms, softmax and the sums over blocks are float32.
    """
    heads = [getattr(block, "heads", None) for _, block, _ in model.attn_layers.layers]  # None: a feed-forward block
    offset = float(model.attn_layers.final_norm.unit_offset)
    scale = model.pos_emb.scale
    tied = "to_logits.weight" not in dict(model.named_parameters())
    final, final_scale = ("token_emb.emb.weight", model.tie_embedding_scale) if tied else ("to_logits.weight", 1.0)

    def logits(weights: Weights, tokens: torch.Tensor) -> torch.Tensor:
        n = tokens.shape[1]
        x = weights["token_emb.emb.weight"][tokens] + weights["pos_emb.emb.weight"][:n] * scale
        for number, H in enumerate(heads):
            block = f"attn_layers.layers.{number}."
            gain = weights[f"{block}0.0.gamma"] + offset
            if H is None:
                x = x + _feed_forward(_normalised(x, dtype), gain, weights, f"{block}1.ff.")
            else:
                x = x + _attention(_normalised(x, dtype), gain, H, weights, f"{block}1.")
        gain = (weights["attn_layers.final_norm.gamma"] + offset) * final_scale
        return functional.linear(_normalised(x, dtype), (weights[final] * gain).to(dtype))

    return logits


class _Heads(NamedTuple):
    """An attention block's matrices in float32, a head in the first dimension."""

    q: torch.Tensor  # (H, head_dim, d), scaled
    k: torch.Tensor  # (H, head_dim, d)
    v: torch.Tensor  # (H, head_dim, d)
    out: torch.Tensor  # (H, d, head_dim)


def _normalised(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return functional.layer_norm(x, x.shape[-1:]).to(dtype)


def _feed_forward(x: torch.Tensor, gain: torch.Tensor, weights: Weights, block: str) -> torch.Tensor:
    inner, inner_bias, outer, outer_bias = (
        weights[f"{block}{part}"] for part in ("0.0.weight", "0.0.bias", "2.weight", "2.bias")
    )
    hidden = functional.gelu(functional.linear(x, (inner * gain).to(x.dtype), inner_bias.to(x.dtype)))
    return functional.linear(hidden, outer.to(x.dtype), outer_bias.to(x.dtype))


def _attention(x: torch.Tensor, gain: torch.Tensor, H: int, weights: Weights, block: str) -> torch.Tensor:
    d = x.shape[-1]
    q, k, v = ((weights[f"{block}to_{name}.weight"] * gain).view(H, -1, d) for name in "qkv")
    out = weights[f"{block}to_out.weight"].view(d, H, -1).transpose(0, 1)
    head_dim = q.shape[1]
    matrices = _Heads(q * head_dim**-0.5, k, v, out)
    return _merged_attention(x, matrices) if d <= 2 * head_dim else _plain_attention(x, matrices)


def _merged_attention(x: torch.Tensor, heads: _Heads) -> torch.Tensor:
    B, n, d = x.shape
    H = len(heads.q)
    asking = torch.bmm(heads.q.mT, heads.k).permute(1, 0, 2).reshape(d, H * d)  # q' k of all heads, side by side
    answer = torch.bmm(heads.v.mT, heads.out.mT).reshape(H * d, d)
    queries = (x @ asking.to(x.dtype)).view(B, n * H, d)
    shares = _causal_softmax(torch.bmm(queries, x.mT).view(B, n, H, n))
    seen = torch.bmm(shares.view(B, n * H, n), x).view(B, n, H * d)
    return seen @ answer.to(x.dtype)


def _plain_attention(x: torch.Tensor, heads: _Heads) -> torch.Tensor:
    B, n, d = x.shape
    H, head_dim, _ = heads.q.shape
    matrices = torch.cat([part.reshape(H * head_dim, d) for part in (heads.q, heads.k, heads.v)]).to(x.dtype)
    q, k, v = functional.linear(x, matrices).view(B, n, 3, H, head_dim).permute(2, 0, 3, 1, 4).flatten(1, 2).unbind()
    shares = _causal_softmax(torch.bmm(q, k.mT))
    seen = torch.bmm(shares, v).view(B, H, n, head_dim).transpose(1, 2).reshape(B, n, H * head_dim)
    return seen @ heads.out.mT.reshape(H * head_dim, d).to(x.dtype)


def _causal_softmax(scores: torch.Tensor) -> torch.Tensor:
    """Softmax over the last dimension, the keys, of which no query, of the second one, sees a later one."""
    n = scores.shape[-1]
    keys = torch.arange(n, device=scores.device)
    queries = keys.view(-1, *(1,) * (scores.ndim - 2))
    return scores.float().masked_fill(keys > queries, -torch.inf).softmax(-1).to(scores.dtype)
