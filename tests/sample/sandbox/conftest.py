import threading

import pytest

from sample.errors import UsageError
from sample.sandbox import require_sandbox


@pytest.fixture(scope="session")
def sandbox():
    """Skips where no isolation is to be had; the refusal itself is tested everywhere."""
    try:
        require_sandbox()
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture
def in_thread():
    """Runs a function where no sandbox has been started yet; gives its result or exception."""

    def run(function):
        results = []

        def work():
            try:
                results.append(function())
            except Exception as error:
                results.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return results[0]

    return run
