"""How Hydra finds and reads configs, but for one thing: an option can be taken back."""

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.override_parser.types import Override, OverrideType


class ConfigLoader(ConfigLoaderImpl):
    """Takes `group=null` on the command line, and in a sweep, for what it is in a list of defaults: no option.

    Hydra refuses it there, and knows `~group`, which is no value that a sweep could have beside others.
    """

    def _parse_overrides_and_create_caching_repo(
        self, config_name: str | None, overrides: list[str]
    ) -> tuple[list[Override], CachingConfigRepository]:
        parsed, repository = super()._parse_overrides_and_create_caching_repo(config_name, overrides)
        for each in parsed:
            chosen = each.type == OverrideType.CHANGE and not each.is_sweep_override()
            if chosen and each.value() is None and repository.group_exists(each.key_or_group):
                each.type = OverrideType.DEL
        return parsed, repository
