from tests.support.user_databases import pool, user

__all__ = ["pool", "user"]
