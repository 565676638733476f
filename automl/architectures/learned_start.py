"""A family of networks that begin with learned weights: a wrapper of any other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.architectures.catalogue import family
from automl.architectures.family import Shape, is_network
from automl.errors import SettingError

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn

    from automl.architectures.family import Family


class LearnedStart:
    """The networks of a family, those of the learned shape with learned first weights, all others as ever.

    It is searched as a family of its own, for example `families=["linear", LearnedStart("mlp", "start.safetensors")]`.
    A model saved with it needs it again, `automl.load(path, families=[…])`, but not its file. Learned embeddings of
    categories are not taken over: which level is which is each table's own.

    Parameters
    ----------
    of: a family of networks, or its name.
    path: a file of `automl.architectures.starts.save_start` with the weights of a network of that family.

    Raises
    ------
    SettingError: the family builds no networks. When it is searched (`space`): there is no such file, it is damaged, or
    it holds no weights of a family's module.
    """

    def __init__(self, of: str | Family, path: str | Path) -> None:
        self._of = family(of)
        self._path = Path(path).absolute()
        if not is_network(self._of):
            raise SettingError(f"the family {self._of.name!r} builds no networks; give one that does, such as 'mlp'")
        self.name = f"{self._of.name}_started"

    def __getattr__(self, name: str) -> Any:
        """What else the family says of itself."""
        if name.startswith("_"):  # also while it is unpickled, when there is no family yet
            raise AttributeError(name)
        return getattr(self._of, name)

    def space(self) -> ConfigurationSpace:
        from automl.architectures.starts import check_start

        check_start(self._path)
        return self._of.space()

    def build(self, shape: Shape, **config: Any) -> nn.Module:
        """The family's module, which loads the learned weights before its first step."""
        from automl.architectures.starts import Started

        return Started(self._of.build(shape, **config), self._path)
