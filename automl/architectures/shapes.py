"""Widths of consecutive layers from one number: the seven shapes of Auto-Net.

Source: Mendoza et al. 2018, "Towards Automatically-Tuned Deep Neural Networks", and `get_shaped_neuron_counts`
of Auto-PyTorch (Zimmer et al. 2021, arXiv:2006.13799). Deviation: a hexagon of three layers has three layers
here; the reference gives four.
"""

from __future__ import annotations

from automl.errors import SettingError, unknown

SHAPES = ("brick", "funnel", "long_funnel", "triangle", "diamond", "hexagon", "stairs")


def widths(shape: str, n_groups: int, inputs: int, outputs: int, max_units: int) -> tuple[int, ...]:
    """Widths of `n_groups` layers in the given shape; the last one is `outputs`.

    Parameters
    ----------
    shape: one of `SHAPES`.
    n_groups: layers, at least 1.
    inputs: width that comes in; shapes that grow start from it.
    outputs: width that goes out, at least 1.
    max_units: the widest layer; counts as at least `inputs`, as in the reference. Callers that do not want
        wide inputs to inflate the network pass `min(inputs, max_units)` as `inputs`.

    Returns
    -------
    `n_groups` widths, all at least 1.

    Examples
    --------
    >>> widths("funnel", 4, inputs=10, outputs=2, max_units=128)
    (128, 86, 44, 2)
    """
    if shape not in SHAPES:
        raise unknown("shape", shape, SHAPES)
    if min(n_groups, inputs, outputs, max_units) < 1:
        raise SettingError(
            f"shape {shape!r} needs n_groups, inputs, outputs and max_units of at least 1, "
            f"got {n_groups}, {inputs}, {outputs} and {max_units}"
        )
    return tuple(_widths(shape, n_groups, inputs, outputs, max(inputs, max_units)))


def shares(shape: str, n: int) -> tuple[float, ...]:
    """What each of `n` layers has of a largest value, in (0, 1]; all of it when the shape is "constant".

    The shape of dropout rates in Auto-PyTorch (Zimmer et al. 2021): widths of at most 1000, in thousandths, of which
    the last layer's is not used, as hidden layers have a head behind them.

    Examples
    --------
    >>> shares("funnel", 4)
    (1.0, 0.751, 0.502, 0.253)
    """
    if shape == "constant":
        return (1.0,) * n
    return tuple(width / 1000 for width in widths(shape, n + 1, inputs=1, outputs=1, max_units=1000)[:-1])


def _widths(shape: str, n: int, start: int, end: int, top: int) -> list[int]:
    if n < 1:
        return []
    if n == 1:
        return [end]
    match shape:
        case "brick":
            return [top] * (n - 1) + [end]
        case "triangle":
            step = (top - start) // (n - 1)
            return [start + i * step for i in range(1, n - 1)] + [top, end]
        case "funnel":
            step = max(0, top - end) // (n - 1)
            return [top - i * step for i in range(n - 1)] + [end]
        case "long_funnel":
            half = n // 2
            return _widths("brick", half, start, top, top) + _widths("funnel", n - half, start, end, top)
        case "diamond":
            rising = _widths("triangle", n // 2 + 1, start, top, top)[:-2]
            return rising + _widths("funnel", n - len(rising), start, end, top)
        case "hexagon":
            falling = n // 3 + 1
            rising_count = min(falling, n - falling)
            middle = n - rising_count - falling
            return (
                _widths("triangle", rising_count, start, top, top)
                + _widths("brick", middle, top, top, top)
                + _widths("funnel", falling, start, end, top)
            )
        case _:  # stairs: pairs of equal width
            step = 2 * (max(0, top - end) // (n - 1))
            flat = [top] if n % 2 == 0 else [top, top]
            steps = [top - i * step for i in range(1, (n - 2) // 2 + 1) for _ in range(2)]
            return flat + steps + [end]
