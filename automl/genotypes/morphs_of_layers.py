"""Morphisms of chains and branches.

Layers are counted from 0, places from the input: place 0 is the input, place i + 1 layer i, as in `Branches.taken`.

    widen (layer, filters)           and all layers that are summed with it
    deepen (place, operation, kernel, residual)     a layer behind a place: residual, or the identity, which needs the
                                     order conv-norm-relu and values that are not negative
    skip (row, place)                row i also takes a place; concatenated, or summed with a scale of 0
    branch (layer)                   a copy of the layer beside it; of what is summed, each gives a part
    kernel (layer, kernel)           a larger one, padded with zeros
    prune (layer, filters), remove (layer)          approximate
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from types import MappingProxyType
from typing import Any

from automl.errors import GenotypeError
from automl.genotypes.branches import Branches
from automl.genotypes.chain import Chain
from automl.genotypes.layers import Layer
from automl.genotypes.morphs import Argument, Link, Morph

Layered = Chain | Branches
KERNELS = (1, 3, 5, 7)
WIDE = ("conv", "sep_conv")
MOST_LINKS = 64
"""Links between two networks that are looked at: which new layer is a copy, and of which one."""

REFUSED: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class _Net:
    """A chain or branches, as layers and the skip matrix.

    Attributes
    ----------
    rows: places that each layer takes, and last the classifier, as they are stated.
    taken: the same, with what follows from the rules of `Branches`.
    """

    layers: tuple[Layer, ...]
    rows: tuple[tuple[int, ...], ...]
    taken: tuple[tuple[int, ...], ...]
    merge: str
    order: str

    @classmethod
    def of(cls, genotype: Layered) -> _Net:
        if isinstance(genotype, Chain):
            rows = tuple((i,) for i in range(len(genotype.layers) + 1))
            return cls(genotype.layers, rows, rows, "sum", genotype.order)
        stated = tuple(tuple(j for j, on in enumerate(row) if on) for row in genotype.skips)
        return cls(genotype.layers, stated, genotype.taken, genotype.merge, genotype.order)

    def genotype(self, like: Layered) -> Layered:
        if isinstance(like, Branches):
            return Branches.of(self.layers, self.rows, merge=self.merge, order=self.order)
        if any(row != (i,) for i, row in enumerate(self.rows)):
            raise GenotypeError("a chain has no skips and no branches; use the family 'branches'")
        return Chain(self.layers, self.order)

    def width(self, place: int) -> int | None:
        """Channels at a place; None where they follow from the input."""
        if place == 0:
            return None
        layer, row = self.layers[place - 1], self.taken[place - 1]
        if layer.filters:
            return layer.filters
        if self.merge != "concat":
            return self.width(row[-1])
        widths = [self.width(j) for j in row]
        return None if None in widths else sum(w for w in widths if w is not None)

    def halvings(self, place: int) -> int:
        """How often the resolution at a place has been halved."""
        if place == 0:
            return 0
        layer, row = self.layers[place - 1], self.taken[place - 1]
        if layer.operation == "dense":
            return 99
        return max(self.halvings(j) for j in row) + (layer.stride == 2)

    def positive(self, place: int) -> bool:
        """Whether nothing negative stands at a place, whatever the weights."""
        if place == 0:
            return False
        layer, row = self.layers[place - 1], self.taken[place - 1]
        if layer.operation == "relu":
            return True
        if layer.filters:
            return self.order == "conv-norm-relu"
        if layer.residual or (len(row) > 1 and self.merge != "concat"):
            return False
        return all(self.positive(j) for j in row)

    def owner(self, place: int) -> int:
        """The place whose filters are the width of this one, where layers are not concatenated."""
        while place and not self.layers[place - 1].filters:
            place = self.taken[place - 1][-1]
        return place


def _checked(net: _Net, layer: Any, weighted: bool = True) -> Layer:
    if not isinstance(layer, int) or not 0 <= layer < len(net.layers):
        raise GenotypeError(f"there is no layer {layer!r}; there are {len(net.layers)}, counted from 0")
    found = net.layers[layer]
    if weighted and not found.filters:
        raise GenotypeError(f"layer {layer}, {found.label}, has no filters of its own; choose one that has")
    return found


def _same(net: _Net) -> tuple[int | None, ...]:
    return tuple(range(len(net.layers)))


# Widths


def _resized(genotype: Layered, layer: int, filters: int, *, exact: bool) -> tuple[Layered, Link]:
    net = _Net.of(genotype)
    group = _summed(net, layer)
    layers = tuple(replace(each, filters=filters) if i in group else each for i, each in enumerate(net.layers))
    changed = replace(net, layers=layers)
    if net.merge != "concat" and _fits(net) != _fits(changed):
        raise GenotypeError(f"with {filters} filters, layer {layer} fits other layers of its sums than before")
    return changed.genotype(genotype), Link(_same(net), exact=exact)


def _widen(genotype: Layered, layer: int, filters: int) -> tuple[Layered, Link]:
    before = _checked(_Net.of(genotype), layer).filters
    if filters <= before:
        raise GenotypeError(f"layer {layer} has {before} filters; widening it to {filters!r} needs more")
    return _resized(genotype, layer, filters, exact=True)


def _prune(genotype: Layered, layer: int, filters: int) -> tuple[Layered, Link]:
    before = _checked(_Net.of(genotype), layer).filters
    if not 1 <= filters < before:
        raise GenotypeError(f"layer {layer} has {before} filters; pruning it to {filters!r} needs fewer, at least 1")
    return _resized(genotype, layer, filters, exact=False)


def _summed(net: _Net, layer: int) -> set[int]:
    """The layer and those whose outputs are summed with its own, directly or through others."""
    if net.merge == "concat":
        return {layer}
    group, size = {layer + 1}, 0
    while len(group) != size:
        size = len(group)
        for row in net.taken:
            equal = {net.owner(j) for j in row if net.width(j) == net.width(row[-1]) is not None}
            if equal & group:
                group |= equal
    return {place - 1 for place in group}


def _fits(net: _Net) -> list[list[bool]]:
    """Of each row, which places have the width of the last."""
    return [[net.width(j) == net.width(row[-1]) for j in row] for row in net.taken]


def _kernel(genotype: Layered, layer: int, kernel: int) -> tuple[Layered, Link]:
    net = _Net.of(genotype)
    found = _checked(net, layer, weighted=False)
    if found.operation not in WIDE or kernel <= found.kernel:
        raise GenotypeError(f"layer {layer} is {found.label}; a kernel of {kernel!r} does not enlarge it")
    layers = (*net.layers[:layer], replace(found, kernel=kernel), *net.layers[layer + 1 :])
    return replace(net, layers=layers).genotype(genotype), Link(_same(net))


# Layers and their ways


def _inserted(net: _Net, at: int, layer: Layer, row: tuple[int, ...], moved: Callable[[int], tuple[int, ...]]) -> _Net:
    """With a layer more, number `at`; `moved` says what places a place of the later rows becomes."""
    before, after = net.rows[:at], net.rows[at:]
    rows = (*before, row, *(tuple(sorted({new for j in each for new in moved(j)})) for each in after))
    whole = Branches.of((*net.layers[:at], layer, *net.layers[at:]), rows, merge=net.merge, order=net.order)
    return _Net.of(whole)


def _links(net: _Net, at: int, source: int | None) -> tuple[int | None, ...]:
    return (*range(at), source, *range(at, len(net.layers)))


def _deepen(
    genotype: Layered, place: int, operation: str, kernel: int = 1, residual: bool = True
) -> tuple[Layered, Link]:
    net = _Net.of(genotype)
    if not isinstance(place, int) or not 1 <= place <= len(net.layers):
        raise GenotypeError(f"there is no layer at place {place!r}; a new one stands behind 1 to {len(net.layers)}")
    if (operation == "dense") != (net.layers[place - 1].operation == "dense"):
        raise GenotypeError(f"a {operation} layer cannot follow {net.layers[place - 1].label} without a loss")
    width = net.width(place)
    if residual:
        layer = Layer(operation, kernel, residual=True)
    elif net.order == "conv-norm-relu" and net.positive(place) and width is not None:
        layer = Layer(operation, kernel, width)
    else:
        raise GenotypeError(
            f"a layer that begins as the identity needs the order conv-norm-relu and values that are not negative "
            f"at place {place}; add a residual one"
        )

    def moved(j: int) -> tuple[int, ...]:
        return (j + 1,) if j >= place else (j,)

    changed = _inserted(replace(net, rows=_explicit(net)), place, layer, (place,), moved)
    identities = frozenset() if residual else frozenset({place})
    return changed.genotype(genotype), Link(_links(net, place, None), identities)


def _explicit(net: _Net) -> tuple[tuple[int, ...], ...]:
    """The rows in which every layer states what it takes; the classifier states what it did."""
    return (*net.taken[:-1], net.rows[-1])


def _skip(genotype: Layered, row: int, place: int) -> tuple[Layered, Link]:
    net = _Net.of(genotype)
    if isinstance(genotype, Chain):
        raise GenotypeError("a chain has no skips; use the family 'branches'")
    if net.merge == "sum":
        raise GenotypeError("a sum without scales has no skip that begins at 0; use merge='concat' or 'scaled'")
    if not 0 <= row <= len(net.layers) or not 0 <= place < max(net.taken[row]) or place in net.taken[row]:
        raise GenotypeError(f"a skip from place {place!r} to row {row!r} must come from an earlier place not yet taken")
    if net.halvings(place) > max(net.halvings(j) for j in net.taken[row]):
        raise GenotypeError(f"place {place} is smaller than what row {row} takes, which would shrink it")
    rows = list(_explicit(net))
    rows[row] = tuple(sorted({*rows[row], place}))
    if place in net.taken[-1]:  # the classifier may have taken it only because nothing else did
        rows[-1] = tuple(sorted({*rows[-1], place}))
    changed = _Net.of(Branches.of(net.layers, rows, merge=net.merge, order=net.order))
    return changed.genotype(genotype), Link(_same(net))


def _branch(genotype: Layered, layer: int) -> tuple[Layered, Link]:
    net, place = _Net.of(genotype), layer + 1
    if isinstance(genotype, Chain):
        raise GenotypeError("a chain has no branches; use the family 'branches'")
    copied = _checked(net, layer)
    sums = [row for row in net.taken if place in row and net.merge != "concat"]
    if any(
        net.width(row[-1]) != copied.filters or net.halvings(place) < max(net.halvings(j) for j in row) for row in sums
    ):
        raise GenotypeError(f"layer {layer} passes a projection, which cannot be halved")

    def moved(j: int) -> tuple[int, ...]:
        return (j, j + 1) if j == place else (j + 1,) if j > place else (j,)

    changed = _inserted(replace(net, rows=_explicit(net)), place, copied, net.taken[layer], moved)
    both = frozenset() if net.merge == "concat" else frozenset({layer, place})
    return changed.genotype(genotype), Link(_links(net, place, layer), shared=both)


def _remove(genotype: Layered, layer: int) -> tuple[Layered, Link]:
    net, place = _Net.of(genotype), layer + 1
    _checked(net, layer, weighted=False)
    if len(net.layers) == 1:
        raise GenotypeError("the only layer cannot be removed")
    instead = net.taken[layer]

    def moved(j: int) -> tuple[int, ...]:
        return instead if j == place else (j - 1,) if j > place else (j,)

    stated = _explicit(net)
    rows = [tuple(sorted({new for j in row for new in moved(j)})) for i, row in enumerate(stated) if i != layer]
    layers = (*net.layers[:layer], *net.layers[layer + 1 :])
    changed = _Net.of(Branches.of(layers, rows, merge=net.merge, order=net.order))
    kept = tuple(i for i in range(len(net.layers)) if i != layer)
    return changed.genotype(genotype), Link(kept, exact=False)


RULES: Mapping[str, Callable[..., tuple[Any, Link]]] = MappingProxyType(
    {
        "widen": _widen,
        "deepen": _deepen,
        "skip": _skip,
        "branch": _branch,
        "kernel": _kernel,
        "prune": _prune,
        "remove": _remove,
    }
)


def options(genotype: Layered, widths: Sequence[int] | None) -> Iterator[Morph]:
    """Candidates; those that break a rule are left out by `morphs_of`."""
    net = _Net.of(genotype)
    for i, layer in enumerate(net.layers):
        if layer.filters:
            for filters in (2 * layer.filters, layer.filters // 2) if widths is None else widths:
                yield Morph("widen" if filters > layer.filters else "prune", (i, filters))
            yield Morph("branch", (i,))
        if layer.operation in WIDE:
            yield from (Morph("kernel", (i, kernel)) for kernel in KERNELS if kernel == layer.kernel + 2)
        yield Morph("remove", (i,))
        for residual in (True, False):
            kinds: list[tuple[Argument, ...]] = [(operation, 3) for operation in WIDE]
            if layer.operation == "dense":
                kinds = [("dense", 1)]
            yield from (Morph("deepen", (i + 1, *kind, residual)) for kind in kinds)
    for row, taken in enumerate(net.taken):
        yield from (Morph("skip", (row, place)) for place in range(max(taken)) if place not in taken)


def links(parent: Layered, child: Layered) -> Iterator[Link]:
    """Align the layers of two networks, as many as fit, the earlier ones first; those left may be copies of others."""
    a, b = _Net.of(parent), _Net.of(child)
    yield from islice((link for layers in _alignments(a, b) for link in _with_copies(b, layers)), MOST_LINKS)


def _with_copies(net: _Net, layers: Sequence[int | None]) -> Iterator[Link]:
    """Links in which each new layer is a copy of another one, or none, and then the identity if it may be."""
    new = [j for j, source in enumerate(layers) if source is None and not net.layers[j].residual]
    twins = [(None, *(i for i in range(len(layers)) if _twins(net, layers, i, j))) for j in new]
    for chosen in product(*twins):
        copies = {j: i for i, j in zip(chosen, new, strict=True) if i is not None}
        if len(set(copies.values())) < len(copies):  # one layer with two copies
            continue
        sources = tuple(layers[copies.get(j, j)] for j in range(len(layers)))
        identities = frozenset(j for j in new if j not in copies and _may_pass_on(net, j))
        shared = frozenset() if net.merge == "concat" else frozenset({*copies, *copies.values()})
        yield Link(sources, identities, shared)


def _twins(net: _Net, sources: Sequence[int | None], i: int, j: int) -> bool:
    """Whether layer j, which is new, may be a copy of layer i, which is not."""
    x, y = net.layers[i], net.layers[j]
    alike = (x.operation, x.stride, x.residual, x.filters) == (y.operation, y.stride, y.residual, y.filters)
    return sources[i] is not None and x.filters > 0 and alike


def _alignments(a: _Net, b: _Net) -> Iterator[list[int | None]]:
    """For each layer of the second the one of the first that it fits, in order, as many as there are; None if none."""
    n, m = len(a.layers), len(b.layers)
    best = [[0] * (m + 1) for _ in range(n + 1)]  # layers that fit from (i, j) on
    for i in reversed(range(n)):
        for j in reversed(range(m)):
            matched = _likeness(a, i, b, j)
            through = matched + best[i + 1][j + 1] if matched else 0
            best[i][j] = max(through, best[i + 1][j], best[i][j + 1])

    def from_here(i: int, j: int) -> Iterator[list[int | None]]:
        if j == m:
            yield []
            return
        for k in range(i, n):  # the layers before k have gone
            matched = _likeness(a, k, b, j)
            if best[k][j] == best[i][j] and matched and best[k][j] == matched + best[k + 1][j + 1]:
                yield from ([k, *rest] for rest in from_here(k + 1, j + 1))
        if best[i][j] == best[i][j + 1]:
            yield from ([None, *rest] for rest in from_here(i, j + 1))

    return from_here(0, 0)


def _likeness(a: _Net, i: int, b: _Net, j: int) -> int:
    """How well two layers fit; 0 where they do not."""
    x, y = a.layers[i], b.layers[j]
    if (x.operation, x.stride, x.residual) != (y.operation, y.stride, y.residual):
        return 0
    return 4 + 2 * (x.filters == y.filters) + (x.kernel == y.kernel)


def _may_pass_on(net: _Net, j: int) -> bool:
    layer, row = net.layers[j], net.taken[j]
    fits = len(row) == 1 and layer.stride == 1 and net.width(row[0]) == layer.filters > 0
    return fits and net.order == "conv-norm-relu" and net.positive(row[0])
