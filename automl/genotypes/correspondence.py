"""Which parts of a child's plan compute what parts of its parent's plan do, told without running either.

Every step of both plans gets a value: the step of the parent whose output it equals (or ZERO, or NEW), a factor, and
for each channel the channel of the parent that it repeats (−1 for one that is new). Values follow each other by the
kind of the step: a ReLU of equal values is equal, a sum leaves zeros out, a concatenation puts channels one after
another, a convolution of equal values is equal if its weights are handed on. So it is known before any weight is
copied whether the child computes what its parent does, and what each weight must become.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from automl.errors import GenotypeError
from automl.genotypes.morphs import Link
from automl.genotypes.plan import Plan, Step

NEW, ZERO = -1, -2
PARTS = (0.75, 0.25)
"""What a layer and its copy give of what the layer gave: the sum is exact in floating point."""
Origin = NDArray[np.int64]
WEIGHTED = ("conv", "linear", "norm", "scale")
POOLS = ("max_pool", "avg_pool", "global_pool")
PLACE = re.compile(r"^layer(\d+)\b")
SOURCE = re.compile(r"\b(scale|project|shrink)(\d+)\b")


@dataclass(frozen=True)
class Value:
    """What a step of the child gives, in terms of its parent.

    Attributes
    ----------
    step: of the parent, ZERO or NEW.
    origin: for each channel the channel of the parent's step that it repeats, −1 for a new one.
    factor: by which it differs from the parent's step.
    """

    step: int
    origin: Origin
    factor: float = 1.0


@dataclass(frozen=True)
class Taken:
    """What a step with weights takes from its parent.

    Attributes
    ----------
    source: name of the parent's step; empty for a new step.
    inputs, outputs: channels of the parent for those of the child, −1 for new ones.
    how: "copy", "identity", "zero" (a norm) or "one" (a scale).
    share: of what the source gives, where the child has it twice.
    """

    source: str
    inputs: Origin
    outputs: Origin
    how: str = "copy"
    share: float = 1.0


@dataclass
class Correspondence:
    """The values of a child's steps; `taken` says by name what each of its weights becomes.

    Attributes
    ----------
    score: importance of each channel of a parent's step, which says what is kept where a child is narrower.
    """

    parent: Plan
    child: Plan
    link: Link
    rng: np.random.Generator
    score: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    taken: dict[str, Taken] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sources = sources(self.parent, self.child, self.link)
        self._class = _tied(self.child.steps)
        self._maps: dict[int, Origin] = {}
        self._table, self._canonical = _numbered(self.parent.steps)
        self._values: list[Value] = []
        for place, step in enumerate(self.child.steps):
            value = self._value(place, step, [self._values[i] for i in step.inputs])
            self._values.append(value)
            if value.step >= 0:
                self._maps.setdefault(self._class[place], value.origin)

    def check(self) -> None:
        """GenotypeError unless the child's outputs are its parent's."""
        last, end = self._values[-1], len(self.parent.steps) - 1
        whole = np.array_equal(last.origin, np.arange(self.parent.steps[-1].shape[0]))
        if (last.step, last.factor) != (self._canonical[end], 1.0) or not whole:
            raise GenotypeError(
                "the child does not compute what its parent does, whatever its weights; hand weights on by name"
            )

    def began(self, how: str, kind: str) -> list[str]:
        """Names of the child's steps of a kind that begin in a way of `Taken.how`."""
        return [
            s.name
            for s in self.child.steps
            if s.kind == kind and s.name in self.taken and self.taken[s.name].how == how
        ]

    def _share(self, layer: int | None) -> float:
        """Of what its source gives, that a layer gives: parts of one source are unequal, as equal ones stay equal."""
        if layer is None or layer not in self.link.shared:
            return 1.0
        same = [i for i in sorted(self.link.shared) if self.link.layers[i] == self.link.layers[layer]]
        return PARTS[same.index(layer)]

    # Values

    def _value(self, place: int, step: Step, inputs: list[Value]) -> Value:
        if step.kind == "input":
            return Value(0, np.arange(step.shape[0]))
        if step.kind == "sum":
            return self._sum(step, inputs)
        if step.kind == "concat":
            return self._concat(step, inputs)
        if step.kind == "zero":
            return _zero(step)
        if step.kind in WEIGHTED:
            return self._weighted(place, step, inputs[0])
        if inputs[0].step == ZERO:
            return _zero(step)
        if self._layer(step.name) in self.link.identities and step.kind == "relu":
            return inputs[0]
        found = self._table.get(_key(step, (inputs[0].step,)), NEW)
        return replace(inputs[0], step=found) if found >= 0 else _new(step)

    def _weighted(self, place: int, step: Step, given: Value) -> Value:
        layer = self._layer(step.name)
        if step.name in self.link.zeroed:
            self.taken[step.name] = Taken("", given.origin, given.origin, "zero")
            return _zero(step)
        if layer in self.link.identities:
            self.taken[step.name] = Taken("", given.origin, given.origin, "identity")
            return given
        source = self._sources.get(step.name)
        if source is None and step.kind == "scale" and given.step != ZERO and given.factor != 1.0:
            # A part of what stood last in its sum, and had no scale there.
            self.taken[step.name] = Taken("", given.origin, given.origin, "one")
            return given
        if source is None or given.step != self._canonical[self.parent.steps[source].inputs[0]]:
            return _zero(step) if step.kind == "scale" and source is None else _new(step)
        theirs = self.parent.steps[source]
        if not _continues(step, theirs):
            return _new(step)
        dense = step.kind == "linear" or (step.kind == "conv" and step.groups == 1)
        if given.factor != 1.0 and step.kind != "scale":
            raise GenotypeError(f"{step.name} takes a part of what its parent took")
        if given.step == ZERO:  # zeros are alike, but what is made of them by a norm is not
            i = step.inputs[0]
            given = replace(given, origin=self._map(i, self.child.steps[i], self.parent.steps[theirs.inputs[0]]))
        read = np.unique(given.origin[given.origin >= 0])
        if self.link.exact and len(read) < self.parent.steps[theirs.inputs[0]].shape[0]:  # a channel is missing
            return _new(step)
        outputs = self._map(place, step, theirs) if dense else given.origin
        if outputs.max(initial=NEW) >= theirs.shape[0]:  # it is summed with what comes from a wider layer
            return _new(step)
        share = self._share(layer) if _ends(self.child.steps, place) else 1.0
        self.taken[step.name] = Taken(theirs.name, given.origin, outputs, share=share)
        return Value(source, outputs, given.factor * share)

    def _sum(self, step: Step, inputs: list[Value]) -> Value:
        shares: dict[int, float] = {}
        origin: Origin | None = None
        for value in inputs:
            if value.step == ZERO:
                continue
            if value.step == NEW or (origin is not None and not np.array_equal(origin, value.origin)):
                return _new(step)
            shares[value.step] = shares.get(value.step, 0.0) + value.factor
            origin = value.origin
        if origin is None:
            return _zero(step)
        if len(shares) == 1:
            ((only, factor),) = shares.items()
            twice = self._table.get(("sum", (only, only)))
            return Value(twice, origin) if factor == 2.0 and twice is not None else Value(only, origin, factor)
        counted = tuple(sorted(s for s, share in shares.items() for _ in range(round(share))))
        found = self._table.get(("sum", counted), NEW)
        return Value(found, origin) if found >= 0 and all(s == round(s) for s in shares.values()) else _new(step)

    def _concat(self, step: Step, inputs: list[Value]) -> Value:
        """That of the parent's concatenation, or of the one step that stood there, with new parts in between."""
        source = self._sources.get(step.name)
        known = [value.step for value in inputs if value.step >= 0]
        if source is None and not known:
            return _new(step)
        found = known[-1] if source is None else self._canonical[source]
        theirs = (found,) if source is None else self.parent.steps[source].inputs
        offsets: dict[int, list[int]] = {}
        offset = 0
        for i in theirs:
            offsets.setdefault(self._canonical[i], []).append(offset)
            offset += self.parent.steps[i].shape[0]
        met = Counter[int]()
        origins = []
        for value in inputs:
            places = offsets.get(value.step, [])
            if places and value.factor != 1.0:
                return _new(step)
            begin = places[min(met[value.step], len(places) - 1)] if places else 0
            origins.append(np.where(value.origin >= 0, value.origin + begin, -1) if places else _none(value))
            met[value.step] += 1
        if any(met[each] < len(places) for each, places in offsets.items()):  # a part is missing
            return _new(step)
        return Value(found, np.concatenate(origins))

    # Channels

    def _map(self, place: int, step: Step, theirs: Step) -> Origin:
        """The parent's channels for those of a convolution or linear layer: the same for all that it is summed with."""
        group = self._class[place]
        if group not in self._maps:
            self._maps[group] = self._ahead(group) if self._joined(group) else self._drawn(group, step, theirs)
        return self._maps[group]

    def _joined(self, group: int) -> int | None:
        """The first concatenation of a group, whose channels follow from its parts."""
        return next((p for p, s in enumerate(self.child.steps) if self._class[p] == group and s.kind == "concat"), None)

    def _ahead(self, group: int) -> Origin:
        """The channels of a concatenation that comes later in the plan."""
        place = self._joined(group)
        assert place is not None
        step, offset, parts = self.child.steps[place], 0, []
        for i in step.inputs:
            source = self._sources.get(self.child.steps[i].name)
            if source is None:
                raise GenotypeError(f"{step.name} joins a new part with others that are summed before")
            parts.append(self._map(i, self.child.steps[i], self.parent.steps[source]) + offset)
            offset += self.parent.steps[source].shape[0]
        return np.concatenate(parts)

    def _drawn(self, group: int, step: Step, theirs: Step) -> Origin:
        wide, before = step.shape[0], theirs.shape[0]
        if wide >= before:
            return np.concatenate([np.arange(before), self.rng.integers(before, size=wide - before)])
        scores = [
            self.score[self.parent.steps[source].name]
            for p, s in enumerate(self.child.steps)
            if self._class[p] == group and (source := self._sources.get(s.name)) is not None
            if self.parent.steps[source].name in self.score
        ]
        total = np.sum(scores, axis=0) if scores else np.zeros(before)
        kept: Origin = np.sort(np.argsort(-total, kind="stable")[:wide])
        return kept

    def _layer(self, name: str) -> int | None:
        return _layer(name) if self.link.layers else None


def sources(parent: Plan, child: Plan, link: Link) -> dict[str, int]:
    """For each step of a child that comes from one of its parent: its name → the place of the parent's."""
    named = {step.name: place for place, step in enumerate(parent.steps)}
    found = {step.name: _source(step.name, link.layers) for step in child.steps}
    return {name: named[theirs] for name, theirs in found.items() if theirs in named}


def _source(name: str, layers: Sequence[int | None]) -> str | None:
    """Name that a step has in the parent; None where its layer is new."""
    if not layers:
        return name
    layer = _layer(name)
    if layer is not None:
        if layer >= len(layers) or layers[layer] is None:
            return None
        name = PLACE.sub(f"layer{layers[layer]}", name, count=1)
    found = SOURCE.search(name)
    if found and int(found[2]) > 0:
        place = int(found[2])
        while place and layers[place - 1] is None:  # a new layer stands for the one that it follows
            place -= 1
        of = 0 if place == 0 else (layers[place - 1] or 0) + 1
        return SOURCE.sub(f"{found[1]}{of}", name, count=1)
    return name


def _layer(name: str) -> int | None:
    found = PLACE.match(name)
    return int(found[1]) if found else None


def _key(step: Step, inputs: tuple[int, ...]) -> tuple[object, ...]:
    if step.kind in ("sum", "concat"):
        return (step.kind, tuple(sorted(inputs)) if step.kind == "sum" else inputs)
    pooled = (step.kernel, step.stride) if step.kind in POOLS else ()
    return (step.kind, *pooled, *inputs)


def _numbered(steps: Sequence[Step]) -> tuple[dict[tuple[object, ...], int], list[int]]:
    """Equal steps without weights get the number of the first; what is always zero is ZERO."""
    table: dict[tuple[object, ...], int] = {}
    canonical: list[int] = []
    for place, step in enumerate(steps):
        inputs = tuple(canonical[i] for i in step.inputs)
        if step.kind == "sum":
            inputs = tuple(i for i in inputs if i != ZERO)
        if step.kind == "input" or step.kind in WEIGHTED:
            canonical.append(place)
        elif step.kind == "zero" or not inputs or inputs == (ZERO,):
            canonical.append(ZERO)
        elif step.kind == "sum" and len(inputs) == 1:
            canonical.append(inputs[0])
        else:
            canonical.append(table.setdefault(_key(step, inputs), place))
    return table, canonical


def _tied(steps: Sequence[Step]) -> list[int]:
    """A group for each step: those whose channels must correspond, through sums and what works channel by channel."""
    group = list(range(len(steps)))

    def find(i: int) -> int:
        while group[i] != i:
            i = group[i]
        return i

    def unite(i: int, j: int) -> bool:
        a, b = find(i), find(j)
        group[max(a, b)] = min(a, b)
        return a != b

    for place, step in enumerate(steps):
        mixes = step.kind in ("concat", "linear", "input") or (step.kind == "conv" and step.groups == 1)
        for i in () if mixes else step.inputs:
            unite(place, i)
    concats = [place for place, step in enumerate(steps) if step.kind == "concat"]
    changed = True
    while changed:  # two concatenations in one sum tie their parts, one by one
        changed = False
        firsts: dict[int, int] = {}
        for place in concats:
            first = firsts.setdefault(find(place), place)
            pairs = list(zip(steps[first].inputs, steps[place].inputs, strict=False))
            if first != place and all(steps[i].shape[0] == steps[j].shape[0] for i, j in pairs):
                united = [unite(i, j) for i, j in pairs]
                changed = changed or any(united)
    return [find(i) for i in range(len(steps))]


def _ends(steps: Sequence[Step], place: int) -> bool:
    """Whether a step with weights is the last one of its layer."""
    layer = PLACE.match(steps[place].name)
    return layer is not None and not any(
        step.kind in WEIGHTED and (found := PLACE.match(step.name)) is not None and found[1] == layer[1]
        for step in steps[place + 1 :]
    )


def _continues(step: Step, theirs: Step) -> bool:
    """Whether a step can do what one of the parent did: it is the same, but for widths and a larger kernel."""
    alike = [(s.kind, s.stride, s.dilation, s.groups == 1) for s in (step, theirs)]
    return alike[0] == alike[1] and all(a >= b for a, b in zip(step.kernel, theirs.kernel, strict=True))


def _new(step: Step) -> Value:
    return Value(NEW, np.full(step.shape[0], -1))


def _none(value: Value) -> Origin:
    return np.full(len(value.origin), -1)


def _zero(step: Step) -> Value:
    return Value(ZERO, np.full(step.shape[0], -1))
