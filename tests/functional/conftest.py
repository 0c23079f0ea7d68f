"""Fixtures for the tests of composed operations."""

import numpy as np
import pytest

import tinygrad_pool as tg
from tinygrad_pool.engine.backward import topological_order


@pytest.fixture
def works_everywhere(check_gradient, check_second_derivative):
    """Check the first and second derivatives of an operation on x, and that instruments agree."""

    def check(f, x, **tolerances):
        check_gradient(f, x, **tolerances)
        check_second_derivative(f, x, **tolerances)
        v = tg.Value(x, label="x")
        y = f(v)
        E = (y * np.arange(1.0, y.size + 1).reshape(y.shape)).sum()
        (slope,) = tg.grad(E, [v])
        exploded = tg.explode(E)
        exploded.backward()
        units = {unit.label: unit.grad for unit in topological_order(exploded)}
        for place in np.ndindex(x.shape):
            label = f"x[{', '.join(map(str, place))}]"
            assert units.get(label, 0.0) == pytest.approx(slope[place], rel=1e-9, abs=1e-12)
        again = tg.unroll(E)(x=x)
        np.testing.assert_allclose(again.gradients["x"], slope, rtol=1e-13, atol=1e-15)
        recording = tg.record(E)
        place = (0,) * x.ndim
        assert str(recording.why(v, place))
        assert str(tg.diagnose(E))
        for node in topological_order(E):
            if node.parents:
                which = next(i for i, p in enumerate(node.parents) if isinstance(p, tg.Value))
                assert tg.weights_of(node, which).links() is not None
        assert "->" in tg.draw(E).source

    return check
