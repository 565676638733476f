"""The families of genotypes that share weights."""

from __future__ import annotations

from automl.errors import unknown
from automl.genotypes.plan import Shape
from automl.genotypes.space_of_cells import CellsSpace, EdgeCellSpace
from automl.supernet.layout import Definition, Layout
from automl.supernet.layouts.cells import CellsLayout
from automl.supernet.layouts.edge_cells import EdgeCellLayout


def layout_of(definition: Definition, shape: Shape, outputs: int, *, pool_norms: bool = False) -> Layout:
    """The layout of the supernet over a space of cells.

    Parameters
    ----------
    definition: of the space; the supernet is stacked by the first of its `cells` and `filters`.
    shape, outputs: of the images, and logits.
    pool_norms: put a batch norm behind pools, which the architectures' own networks do not have (as DARTS searches).
    """
    if isinstance(definition, EdgeCellSpace):
        return EdgeCellLayout(definition, shape, outputs, pool_norms)
    if isinstance(definition, CellsSpace):
        return CellsLayout(definition, shape, outputs, pool_norms)
    raise unknown("space with shared weights", getattr(definition, "family", definition), ("cells", "edge_cell"))
