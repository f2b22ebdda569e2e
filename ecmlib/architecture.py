"""Which transformer is measured: its sizes, its parameter count and how it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from ecmlib.validation import LARGEST, Parameters, Positive

if TYPE_CHECKING:
    from x_transformers import TransformerWrapper
HEAD_DIM = 64  # size of a head, by default (paper, section 4)
FEED_FORWARD_WIDTH = 4  # hidden units of a feed-forward block per unit of d, by default (Vaswani et al. 2017)


class Architecture(Parameters):
    """Sizes of a causal transformer, in the paper's letters.

    Parameters
    ----------
    d : int
        Token vector size, at least 1.
    H : int
        Attention heads, at least 1.
    N : int
        Sequence length in tokens, at least 2: ``N - 1`` tokens predict the last.
    L : int
        Layers, at least 1; one layer is multi-head attention followed by a feed-forward block.
    K : int
        Vocabulary size, at least 2.
    head_dim : int
        Size of one attention head, at least 1 (the paper: 64).
    ff : {"train", "identity"}
        "identity" replaces every feed-forward block by the identity (paper, Fig. 2).
    ff_mult : int
        Hidden units of a feed-forward block per unit of d, at least 1 (Vaswani et al. 2017: 4).
    embeddings : {"frozen", "trained", "tied"}
        Token and positional embedding and the final linear map: frozen, as the paper has them; trained; or trained with
        one matrix that serves as token embedding and as final map.
    dropout : float
        Of attention weights and of feed-forward activations, in training only; 0 or more and less than 1.

    Raises
    ------
    ValueError
        If a value is out of range; the message names it.

    Examples
    --------
    >>> from ecmlib import Architecture
    >>> Architecture(d=16, H=1, N=8).n_params
    6272
    >>> Architecture(d=0)
    Traceback (most recent call last):
    ValueError: d = 0: input should be greater than or equal to 1
    """

    d: Positive
    H: Positive = 1
    N: Annotated[int, Field(ge=2, le=LARGEST)] = 32
    L: Positive = 1
    K: Annotated[int, Field(ge=2, le=LARGEST)] = 128
    head_dim: Positive = HEAD_DIM
    ff: Literal["train", "identity"] = "train"
    ff_mult: Positive = FEED_FORWARD_WIDTH
    embeddings: Literal["frozen", "trained", "tied"] = "frozen"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _no_width_of_nothing(self) -> Self:
        if self.ff == "identity" and not self.is_default("ff_mult"):
            raise ValueError(f"ff_mult = {self.ff_mult}: ff = 'identity' has no feed-forward block")
        return self

    @property
    def n_params(self) -> int:
        """P, the number of trainable parameters: of attention, feed-forward and norm gains, and trained embeddings."""
        d, heads = self.d, self.H * self.head_dim
        attention = 4 * d * heads + d
        width = self.ff_mult * d
        feed_forward = 2 * d * width + width + 2 * d if self.ff == "train" else 0
        final_norm = d
        matrices = {"frozen": 0, "trained": 2, "tied": 1}[self.embeddings]
        embeddings = matrices * self.K * d + (self.N * d if matrices else 0)
        return self.L * (attention + feed_forward) + final_norm + embeddings

    def build(self, seed: int) -> TransformerWrapper:
        """Build the model with fresh weights.

        Where token embedding, positional embedding and the final linear map are frozen, what is memorised must be held
        by attention and feed-forward.

        Parameters
        ----------
        seed : int
            Seed of the initial weights. PyTorch's global random state is left as it was.

        Returns
        -------
        TransformerWrapper
            On the CPU, float32; maps tokens (B, n <= N) to logits (B, n, K).
        """
        import torch  # takes seconds, as x-transformers does: reading records need not wait
        from x_transformers import Decoder, TransformerWrapper

        # x-transformers changes defaults between releases: everything that sets a shape is said here.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed GPUs, too
            model = TransformerWrapper(
                num_tokens=self.K,
                max_seq_len=self.N,
                use_abs_pos_emb=True,
                tie_embedding=self.embeddings == "tied",
                attn_layers=Decoder(
                    dim=self.d,
                    depth=self.L,
                    heads=self.H,
                    custom_layers=("a", "f") * self.L if self.ff == "train" else ("a",) * self.L,
                    pre_norm=True,
                    attn_dim_head=self.head_dim,
                    attn_project_out=True,  # the default drops it for H = 1, and H = 1 then needs d = head_dim
                    attn_flash=False,
                    attn_dropout=self.dropout,
                    ff_dropout=self.dropout,
                    ff_mult=self.ff_mult,
                    ff_glu=False,
                    ff_no_bias=False,
                    verbose=False,
                ),
            )
        if self.embeddings == "frozen":
            for frozen in (model.token_emb, model.pos_emb, model.to_logits):
                frozen.requires_grad_(False)
        return model
