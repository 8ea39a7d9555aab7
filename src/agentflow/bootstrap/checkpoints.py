"""The tier of checkpoints that the settings ask for."""

from typing import TYPE_CHECKING

from agentflow.config.settings import Settings
from agentflow.infra.redis import open_redis

if TYPE_CHECKING:
    from agentflow.runtime.checkpoints.hot import HotTier


def hot_tier(settings: Settings) -> "HotTier | None":
    """Return the hot tier, not started; None where checkpoints go to the database.

    Raises:
        RedisNotUsable: the client is not installed, or the URL cannot be read; a Redis that does not answer is no error.
    """
    if settings.checkpoint_tier == "database" or settings.redis_url is None:
        return None
    redis = open_redis(settings.redis_url)
    from agentflow.runtime.checkpoints.hot import HotTier

    return HotTier(redis, settings.checkpoint_ttl_s, settings.checkpoint_write_back_s)
