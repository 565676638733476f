"""FT-Transformer: its attention, its tokens, and what its last block may leave out."""

from __future__ import annotations

import copy

import torch
from torch.nn import functional as F

from automl.architectures.catalogue import family
from automl.architectures.family import Shape
from automl.architectures.ft_transformer_network import Attention, Block, FTTransformerNetwork, Tokens
from automl.architectures.rates import parameter_rates


@torch.no_grad()
def test_attention_equals_that_of_torch() -> None:
    torch.manual_seed(0)
    layer = Attention(16, 4, dropout=0.0)
    x = torch.randn(5, 7, 16)
    q = layer.query(x[:, :2])
    k, v = layer.key_value(x).chunk(2, -1)
    heads = [t.unflatten(-1, (4, 4)).transpose(1, 2) for t in (q, k, v)]
    expected = layer.out(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(-2))
    torch.testing.assert_close(layer(x, queries=2), expected)


@torch.no_grad()
def test_the_last_block_gives_the_learned_token_what_a_whole_block_gives_it() -> None:
    torch.manual_seed(0)
    whole = Block(16, 4, 20, 0.0, 0.0, 0.0, first=False, last=False)
    last = copy.deepcopy(whole)
    last.last = True
    x = torch.randn(5, 7, 16)
    assert last(x).shape == (5, 1, 16)
    torch.testing.assert_close(last(x)[:, 0], whole(x)[:, 0])


@torch.no_grad()
def test_a_token_is_the_number_times_its_vector_or_the_vector_of_the_level() -> None:
    tokens = Tokens(Shape(3, 2, 50, numbers=1, levels=(3, 2)), 8)
    out = tokens(torch.tensor([[0.5], [2.0]]), torch.tensor([[3, 0], [0, 2]]))
    assert out.shape == (2, 4, 8)
    assert torch.equal(out[0, 0], tokens.first)
    torch.testing.assert_close(out[1, 1], 2 * tokens.weight[0] + tokens.bias[0])
    torch.testing.assert_close(out[0, 2], tokens.table.weight[3] + tokens.bias[1])
    torch.testing.assert_close(out[0, 3], tokens.table.weight[4] + tokens.bias[2])  # missing in the second column
    torch.testing.assert_close(out[1, 3], tokens.table.weight[6] + tokens.bias[2])


def test_the_configuration_of_the_paper_is_in_the_space_and_has_its_size() -> None:
    space = family("ft_transformer").space()
    paper = {
        "n_blocks": 3,
        "d_token": 192,
        "n_heads": 8,
        "ffn_factor": 4 / 3,
        "attention_dropout": 0.2,
        "ffn_dropout": 0.1,
        "residual_dropout": 0.0,
    }
    assert all(space[name].legal_value(value) for name, value in paper.items())
    net: FTTransformerNetwork = family("ft_transformer").build(Shape(8, 1, 100, 8, ()), **paper)
    d, hidden = 192, 256
    attention, ffn = 4 * (d * d + d), (d + 1) * 2 * hidden + (hidden + 1) * d
    blocks = 3 * (attention + ffn) + 5 * 2 * d  # the first block has no norm before its attention
    assert sum(p.numel() for p in net.parameters()) == (2 * 8 + 1) * d + blocks + 2 * d + (d + 1)


def test_tokens_norms_and_biases_do_not_decay() -> None:
    config = dict(family("ft_transformer").space().get_default_configuration())
    net = family("ft_transformer").build(Shape(2, 2, 100, 1, (4,)), **config)
    decays = {name for name, rate in parameter_rates(net).items() if rate.decay}
    assert decays
    assert all(name.startswith(("blocks", "head.2")) and name.endswith("weight") for name in decays)
