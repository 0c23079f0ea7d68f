"""What the tests of the prompt's commands share."""

import pytest

import tinygrad_pool as tg


@pytest.fixture(scope="session")
def network():
    """Build E = relu(a b) + max(a, b)², with a = 2 and b = −3: the relu is off, b loses."""

    def built():
        a, b = tg.Value(2.0, label="a"), tg.Value(-3.0, label="b")
        off = (a * b).relu()
        m = tg.maximum(a, b)
        m.label = "m"
        return a, b, off + m**2

    return built


@pytest.fixture
def run(capsys, network):
    """Run commands on the network; return what was printed."""

    def commands(text, loss=None, **names):
        tg.debug(network()[2] if loss is None else loss, names=names, commands=text)
        return capsys.readouterr().out

    return commands
