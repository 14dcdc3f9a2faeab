"""The environments of the client programs."""

import pytest

from tests.clients import environments
from tests.support.gateway import RunningGateway, settings_for

# The client programs ask for everything at once, on a machine whose cores they share with the whole test run.
PATIENCE = {"connect_timeout_s": 5, "command_timeout_s": 5, "pool_timeout_s": 10}


@pytest.fixture
def patient(sandbox, valkey_url):
    """Give a function that makes settings with which a loaded machine does not look like a dead Redis."""
    return lambda **flags: settings_for(
        sandbox, valkey_url, **{f"redis__{name}": seconds for name, seconds in PATIENCE.items()}, **flags
    )


@pytest.fixture
def gateway(patient):
    """Give a fresh gateway before the sandbox."""
    with RunningGateway(patient()) as running:
        yield running


@pytest.fixture
def impatient(patient):
    """Give a gateway that does not repeat a refused call by itself."""
    with RunningGateway(patient(upstream__attempts=1)) as running:
        yield running


@pytest.fixture
def lively(patient):
    """Give a gateway that sends a sign of life in its streams twenty times a second."""
    with RunningGateway(patient(server__stream_keepalive_s=0.05)) as running:
        yield running


@pytest.fixture(scope="session")
def openai_1():
    """Give an interpreter that has the last `openai` 1.x."""
    return environments.python("openai-1")


@pytest.fixture(scope="session")
def langchain():
    """Give an interpreter that has LangChain."""
    return environments.python("langchain")


@pytest.fixture(scope="session")
def litellm():
    """Give an interpreter that has LiteLLM, which brings `openai` 2.x along."""
    return environments.python("litellm")


@pytest.fixture(scope="session")
def node():
    """Give the folder with the node packages."""
    return environments.node()
