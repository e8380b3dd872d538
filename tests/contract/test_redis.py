import itertools

import pytest
import redis

from boundary.jobs.ports import Store
from boundary.jobs.shell.adapters.redis.store import RedisStore
from boundary.jobs.shell.config import RedisSettings
from boundary.jobs.testing import AdapterContract, FakeClock

_number = itertools.count()


class TestRedis(AdapterContract):
    @pytest.fixture
    def store(self, clock: FakeClock) -> Store:
        redis.Redis(port=7778).flushall()
        return RedisStore.of(
            "redis://localhost:7778/0", RedisSettings(), namespace=f"t{next(_number)}", clock=clock
        )
