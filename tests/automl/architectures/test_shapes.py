"""The seven shapes, against their definition and by hand."""

from __future__ import annotations

import pytest

from automl.architectures.shapes import SHAPES, shares, widths
from automl.errors import SettingError


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", range(1, 16))
def test_every_shape_has_as_many_layers_as_asked_all_with_units(shape: str, n: int) -> None:
    for inputs, outputs, top in [(1, 1, 10), (20, 2, 200), (500, 3, 64), (7, 100, 32)]:
        made = widths(shape, n, inputs, outputs, top)
        assert len(made) == n
        assert min(made) >= 1
        assert made[-1] == outputs
        assert max(made[:-1], default=0) <= max(inputs, top)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        # By hand from the formulas of Auto-PyTorch for 6 layers, 10 inputs, 20 outputs, at most 120 units.
        ("brick", (120, 120, 120, 120, 120, 20)),
        ("funnel", (120, 100, 80, 60, 40, 20)),
        ("long_funnel", (120, 120, 120, 120, 70, 20)),
        ("triangle", (32, 54, 76, 98, 120, 20)),
        ("diamond", (46, 82, 120, 87, 54, 20)),
        ("hexagon", (65, 120, 120, 120, 70, 20)),
        ("stairs", (120, 80, 80, 40, 40, 20)),
    ],
)
def test_shapes_are_those_of_the_reference(shape: str, expected: tuple[int, ...]) -> None:
    assert widths(shape, 6, inputs=10, outputs=20, max_units=120) == expected


def test_an_unknown_shape_names_the_nearest_one() -> None:
    with pytest.raises(SettingError, match="did you mean 'funnel'"):
        widths("funel", 3, 4, 2, 16)


@pytest.mark.parametrize("shape", ["constant", *SHAPES])
@pytest.mark.parametrize("n", range(1, 16))
def test_shares_of_a_largest_value_lie_between_nothing_and_all_of_it(shape: str, n: int) -> None:
    assert len(shares(shape, n)) == n
    assert all(0 < share <= 1 for share in shares(shape, n))


def test_a_constant_share_is_all_of_it() -> None:
    assert shares("constant", 3) == (1.0, 1.0, 1.0)
    assert shares("triangle", 3) == (0.334, 0.667, 1.0)  # from 1 to 1000 thousandths in steps of 999 // 3
