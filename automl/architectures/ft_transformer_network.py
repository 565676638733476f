"""The network of the FT-Transformer: a token per column, a transformer over them, and a head on a token of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from automl.architectures.family import Shape
from automl.architectures.rates import Rate


class Tokens(nn.Module):
    """numbers (rows, d) and codes (rows, c) → (rows, 1 + d + c, width): a learned token, then one per column.

    A number's token is x · w + b, that of a category the vector of its level plus b (section 3.3 of the paper).
    """

    starts: Tensor

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        sizes = torch.tensor([n + 1 for n in shape.levels], dtype=torch.int64)
        self.register_buffer("starts", sizes.cumsum(0) - sizes, persistent=False)
        self.first = nn.Parameter(torch.empty(width))
        self.weight = nn.Parameter(torch.empty(shape.numbers, width))
        self.bias = nn.Parameter(torch.empty(shape.numbers + len(shape.levels), width))
        self.table = nn.Embedding(int(sizes.sum()), width) if shape.levels else None
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(width**-0.5), width**-0.5)
        # Tokens do not decay (the authors' code).
        self.rates = {name: Rate(decay=0.0) for name in ("first", "weight", "bias")}
        if self.table is not None:
            self.table.rates = {"weight": Rate(decay=0.0)}  # type: ignore[assignment]

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        parts = [numbers.unsqueeze(-1) * self.weight]
        if self.table is not None:
            parts.append(self.table(codes + self.starts))
        columns = torch.cat(parts, 1) + self.bias
        return torch.cat([self.first.expand(columns.shape[0], 1, -1), columns], 1)


class Attention(nn.Module):
    """Multi-head attention of the first `queries` tokens to all: (rows, tokens, width) → (rows, queries, width)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        for layer in (self.query, self.key_value, self.out):
            nn.init.zeros_(layer.bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, queries: int) -> Tensor:
        rows, tokens, width = x.shape
        each = width // self.heads
        q = self.query(x[:, :queries]).view(rows, queries, self.heads, each).transpose(1, 2)
        k, v = self.key_value(x).view(rows, tokens, 2, self.heads, each).permute(2, 0, 3, 1, 4)
        weights = self.dropout((q @ k.transpose(2, 3) * each**-0.5).softmax(-1))
        out: Tensor = self.out((weights @ v).transpose(1, 2).reshape(rows, queries, width))
        return out


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)) with ReGLU (Shazeer 2020, arXiv:2002.05202).

    Parameters
    ----------
    first: without the norm before the attention, which is crucial for the first block (the paper, appendix E).
    last: for the learned token alone, since only that is read.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        attention_dropout: float,
        ffn_dropout: float,
        residual_dropout: float,
        *,
        first: bool,
        last: bool,
    ) -> None:
        super().__init__()
        self.last = last
        self.attention_norm = nn.Identity() if first else nn.LayerNorm(width)
        self.attention = Attention(width, heads, attention_dropout)
        self.ffn_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * hidden)
        self.ffn_dropout = nn.Dropout(ffn_dropout)
        self.narrow = nn.Linear(hidden, width)
        self.after_attention, self.after_ffn = nn.Dropout(residual_dropout), nn.Dropout(residual_dropout)

    def forward(self, x: Tensor) -> Tensor:
        queries = 1 if self.last else x.shape[1]
        x = x[:, :queries] + self.after_attention(self.attention(self.attention_norm(x), queries))
        value, gate = self.widen(self.ffn_norm(x)).chunk(2, dim=-1)
        return x + self.after_ffn(self.narrow(self.ffn_dropout(value * gate.relu())))


class FTTransformerNetwork(nn.Module):
    """numbers (rows, d) and codes (rows, c) → logits (rows, outputs).

    Parameters
    ----------
    d_token: width of a token, a multiple of n_heads. ffn_factor: hidden units of a feed-forward over d_token.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        n_blocks: int,
        d_token: int,
        n_heads: int,
        ffn_factor: float,
        attention_dropout: float,
        ffn_dropout: float,
        residual_dropout: float,
    ) -> None:
        super().__init__()
        dropouts = (attention_dropout, ffn_dropout, residual_dropout)
        hidden = int(ffn_factor * d_token)
        self.tokens = Tokens(shape, d_token)
        self.blocks = nn.Sequential(
            *(Block(d_token, n_heads, hidden, *dropouts, first=i == 0, last=i == n_blocks - 1) for i in range(n_blocks))
        )
        self.head = nn.Sequential(nn.LayerNorm(d_token), nn.ReLU(), nn.Linear(d_token, shape.outputs))

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(self.tokens(numbers, codes))[:, 0])
        return logits
