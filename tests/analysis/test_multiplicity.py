import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from analysis.multiplicity import benjamini_hochberg, holm

# Benjamini & Hochberg 1995
TABLE = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719,
    0.6528, 0.759, 1.0,
]  # fmt: skip


def test_tiny_anchors():
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(p) == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_the_table_of_1995():
    assert (benjamini_hochberg(TABLE) <= 0.05).sum() == 4
    assert (holm(TABLE) <= 0.05).sum() == 3


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_agree_with_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_an_unknown_p_is_no_test():
    for adjust in (holm, benjamini_hochberg):
        found = adjust([0.01, np.nan, 0.04])
        assert np.isnan(found[1])
        assert found[[0, 2]] == pytest.approx(adjust([0.01, 0.04]))
        assert np.isnan(adjust([np.nan])).all() and len(adjust([])) == 0
