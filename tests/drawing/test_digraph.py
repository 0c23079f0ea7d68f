"""Graphs as digraphs."""

import pickle

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.digraph import Drawing


def test_a_copy_has_the_same_type():
    drawn = tg.draw(Value(2.0, label="a"))
    for again in (drawn.copy(), pickle.loads(pickle.dumps(drawn))):
        assert type(again) is Drawing
        assert again.source == drawn.source
        assert again._repr_mimebundle_() == drawn._repr_mimebundle_()
