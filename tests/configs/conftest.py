"""The check of an option that is out of range."""

from collections.abc import Callable
from typing import Any

import pytest

from apcli.errors import UsageError


@pytest.fixture
def refuses() -> Callable[[type, dict[str, Any], str], None]:
    """Require that a config refuses ``options`` in one line that begins with ``flag`` and says what is expected."""

    def check(config: type, options: dict[str, Any], flag: str) -> None:
        with pytest.raises(UsageError, match=f"^{flag} .*expected") as caught:
            config(**options)
        assert "\n" not in str(caught.value)

    return check
