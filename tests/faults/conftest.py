from tests.launcher.conftest import _installed

__all__ = ["_installed"]
