from tests.application.push.conftest import world

__all__ = ["world"]
