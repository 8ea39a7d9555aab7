from tests.support.redis_cluster import mortal_cluster, redis_cluster
from tests.support.redis_server import redis_process

__all__ = ["mortal_cluster", "redis_cluster", "redis_process"]
