import pytest
import shop


@pytest.fixture(autouse=True)
def world():
    """A new world for each test."""
    shop.world.__init__()
    return shop.world
