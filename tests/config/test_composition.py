"""A job's config is what Hydra composes, in less time."""

from collections.abc import Iterator

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.base import Node

from lm.config.composition import SETTINGS
from lm.config.implied import WHEN
from lm.config.outline import config_directory
from support.compositions import composition


def nodes(container: DictConfig | ListConfig) -> Iterator[tuple[Node, DictConfig | ListConfig]]:
    """Every node below a container, and the container that holds it."""
    for key in container if isinstance(container, DictConfig) else range(len(container)):
        node = container._get_node(key)
        yield node, container
        if isinstance(node, DictConfig | ListConfig) and not (
            node._is_none() or node._is_missing() or node._is_interpolation()
        ):
            yield from nodes(node)


@pytest.mark.parametrize("job", ["pipeline", "align"])
def test_a_config_is_what_hydra_composes_twice_and_each_node_knows_its_place(job: str) -> None:
    chosen = ["callbacks=quiet"] if job == "align" else ["callbacks@pretrain.callbacks=quiet"]
    search_path = create_config_search_path(str(config_directory().absolute()))
    expected = ConfigLoaderImpl(search_path).load_configuration(job, [*SETTINGS, *chosen], RunMode.RUN, False)
    with open_dict(expected):
        del expected.hydra
        expected.pop(WHEN, None)
    first, second = (composition(job).compose(chosen) for _ in range(2))
    for found in (first, second):
        assert all(node._get_parent() is owner for node, owner in nodes(found))
        with open_dict(found):
            del found.hydra
    assert OmegaConf.to_yaml(first) == OmegaConf.to_yaml(second) == OmegaConf.to_yaml(expected)
    first._target_ = "changed"
    assert composition(job).compose(chosen)._target_ == second._target_
