from tests.support.redis_server import redis_process

__all__ = ["redis_process"]
