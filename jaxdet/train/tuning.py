"""Divides the parameters of a network into those that are trained and those that stay."""

from collections.abc import Callable

from jaxdet.models.adapters import TRAINED, Tree, merged
from jaxdet.models.detector import Variables

_TOWER = "vit"


def split(tune: str, params: Tree) -> tuple[Tree, Tree]:
    """Returns the parameters that `model.tune` trains, and the others, without empty branches.

    Args:
      tune: `model.tune`.
      params: of a network, or a tree of the same form.
    """
    if tune == "all":
        return params, {}
    in_tower = TRAINED.get(tune, ())

    def is_trained(path: tuple[str, ...]) -> bool:
        return path[0] != _TOWER or path[-1] in in_tower

    return _select(params, is_trained), _select(params, lambda path: not is_trained(path))


def join(trained: Tree, frozen: Tree) -> Tree:
    """Returns the tree that `split` divided."""
    if not frozen:
        return trained
    both = {**trained, **frozen}
    for name in trained.keys() & frozen.keys():
        both[name] = join(trained[name], frozen[name])
    return both


def plain(tune: str, variables: Variables) -> Variables:
    """Returns the variables by which a network is scored, of those by which it is trained.

    The averages are taken where there are some, and adapters are merged, in float32.
    """
    params, statistics = variables["params"], variables["batch_stats"]
    if average := variables.get("average"):
        params = join(average["params"], split(tune, params)[1])
        statistics = average["batch_stats"]
    if tune in TRAINED:
        params = merged(params)
    return {"params": params, "batch_stats": statistics}


def _select(
    tree: Tree, is_taken: Callable[[tuple[str, ...]], bool], path: tuple[str, ...] = ()
) -> Tree:
    """Returns the leaves whose path is taken, without branches that have none."""
    taken = {}
    for name, value in tree.items():
        here = (*path, name)
        if not isinstance(value, dict):
            if is_taken(here):
                taken[name] = value
        elif below := _select(value, is_taken, here):
            taken[name] = below
    return taken
