"""From a curve of losses to places on a drawing."""

from __future__ import annotations

import pytest

from automl.batch.plot import HEIGHT, LEFT, TOP, WIDTH, plot, ticks_between

CURVE = ((1.0, 0.5), (2.0, 0.3), (4.0, 0.3))


def test_the_curve_goes_in_steps_from_the_first_loss_to_the_end() -> None:
    drawn = plot(CURVE, 0.2)
    assert drawn is not None
    assert [(p.seconds, p.loss) for p in drawn.points] == [(1.0, 0.5), (2.0, 0.3)]
    first, second = drawn.points
    assert drawn.path == f"M{first.x} {first.y}H{second.x}V{second.y}H{drawn.right}V{second.y}"
    width = drawn.right - drawn.left
    assert (first.x - drawn.left, second.x - drawn.left) == pytest.approx((width / 4, width / 2), abs=0.05)


def test_lower_losses_are_lower_and_the_heights_are_in_proportion() -> None:
    drawn = plot(CURVE, 0.2)
    assert drawn is not None
    first, second = drawn.points
    assert first.y < second.y < drawn.line < drawn.bottom
    assert (drawn.line - second.y) / (second.y - first.y) == pytest.approx((0.3 - 0.2) / (0.5 - 0.3), abs=0.01)


def test_losses_far_apart_are_drawn_on_a_logarithmic_axis() -> None:
    drawn = plot(((1.0, 10.0), (2.0, 0.1)), 0.1)
    assert drawn is not None
    assert drawn.logarithmic
    assert [tick.label for tick in drawn.y_ticks] == ["0.1", "1", "10"]
    gaps = [a.at - b.at for a, b in zip(drawn.y_ticks, drawn.y_ticks[1:], strict=False)]
    assert gaps[0] == pytest.approx(gaps[1], abs=0.2)


@pytest.mark.parametrize("ensemble", [0.3, 0.0, -2.0])
@pytest.mark.parametrize("curve", [((0.0, 0.3),), ((1.0, 0.3), (1.0, 0.3)), ((5.0, 0.0),), ((3.0, -1.0), (9.0, -2.0))])
def test_all_that_is_drawn_is_inside_the_drawing(curve: tuple[tuple[float, float], ...], ensemble: float) -> None:
    drawn = plot(curve, ensemble)
    assert drawn is not None
    assert all(LEFT <= p.x <= WIDTH and TOP <= p.y <= HEIGHT for p in drawn.points)
    assert TOP <= drawn.line <= HEIGHT
    assert all(TOP <= tick.at <= drawn.bottom + 0.1 for tick in drawn.y_ticks)


def test_without_a_finished_trial_there_is_no_drawing() -> None:
    assert plot((), 0.1) is None
    assert plot(CURVE, float("inf")) is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0.0, 0.5, 1.0]),
        (0.31, 0.74, [0.4, 0.5, 0.6, 0.7]),
        (-1.0, 1.0, [-1.0, -0.5, 0.0, 0.5, 1.0]),
        (990.0, 1010.0, [990.0, 995.0, 1000.0, 1005.0, 1010.0]),
    ],
)
def test_ticks_are_round_numbers_and_at_most_five(low: float, high: float, expected: list[float]) -> None:
    assert ticks_between(low, high) == pytest.approx(expected)
