"""The cache: an error of Redis counts as a miss, and a Redis that hangs is not asked again for a while."""

from typing import Any

import redis
from django.conf import settings
from django.core.cache.backends.redis import RedisCache

from common.breaker import redis_breaker

_ERRORS = (redis.exceptions.RedisError, OSError)


class ForgivingRedisCache(RedisCache):
    """Django's Redis cache that answers like an empty cache while Redis is down. Nothing that must be true lives in it."""

    def __init__(self, server: str, params: dict) -> None:
        options = params.setdefault("OPTIONS", {})
        options.setdefault("socket_timeout", settings.REDIS_TIMEOUT)
        options.setdefault("socket_connect_timeout", settings.REDIS_TIMEOUT)
        options.setdefault("retry", redis.retry.Retry(redis.backoff.NoBackoff(), 0))
        super().__init__(server, params)

    def _forgive(self, call: Any, miss: Any, *args: Any, **kwargs: Any) -> Any:
        if redis_breaker.is_open:
            return miss
        try:
            answer = call(*args, **kwargs)
        except _ERRORS as error:
            redis_breaker.failed(error)
            return miss
        redis_breaker.succeeded()
        return answer

    def add(self, *args: Any, **kwargs: Any) -> bool:
        # "Added" while Redis is down: rate limiters and single-run guards must not lock everybody out.
        return self._forgive(super().add, True, *args, **kwargs)

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        return self._forgive(super().get, default, key, default, version)

    def set(self, *args: Any, **kwargs: Any) -> None:
        self._forgive(super().set, None, *args, **kwargs)

    def touch(self, *args: Any, **kwargs: Any) -> bool:
        return self._forgive(super().touch, False, *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> bool:
        return self._forgive(super().delete, False, *args, **kwargs)

    def get_many(self, *args: Any, **kwargs: Any) -> dict:
        return self._forgive(super().get_many, {}, *args, **kwargs)

    def set_many(self, data: dict, *args: Any, **kwargs: Any) -> list:
        return self._forgive(super().set_many, list(data), data, *args, **kwargs)

    def delete_many(self, *args: Any, **kwargs: Any) -> None:
        self._forgive(super().delete_many, None, *args, **kwargs)

    def has_key(self, *args: Any, **kwargs: Any) -> bool:
        return self._forgive(super().has_key, False, *args, **kwargs)

    def incr(self, key: Any, delta: int = 1, version: Any = None) -> int:
        return self._forgive(super().incr, delta, key, delta, version)

    def clear(self) -> bool:
        return self._forgive(super().clear, False)
