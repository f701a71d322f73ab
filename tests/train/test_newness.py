import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample.grading import Grade
from train.groups import Group
from train.rewards.newness import by_class, by_embedding, by_text, newness
from train.rewards.novelty import novelty

MALFORMED = Grade("?", None, False)
TEXTS = {
    "1+2": Grade("1+2", "3", True), "2+1": Grade("2+1", "3", True), "4": Grade("4", "4", False),
    "4.0": Grade("4.0", "4", False), "7": Grade("7", "7", False), "?": MALFORMED,
    "": Grade(None, None, False),
}  # fmt: skip
"""Text -> its grade; two pairs are equivalent and two texts malformed."""
HISTORIES = st.lists(st.sampled_from(sorted(TEXTS)), max_size=7)
GROUPS = st.lists(st.sampled_from(sorted(TEXTS)), min_size=2, max_size=8)
VECTORS = st.fixed_dictionaries({text: st.tuples(*[st.integers(-3, 3)] * 3) for text in TEXTS})


def grades(texts):
    return tuple(TEXTS[text] for text in texts)


def group_of(past, texts, vectors):
    rows = [np.array([vectors[t] for t in some]).reshape(-1, 3) for some in (past, texts)]
    return Group(
        "f", grades(past), grades(texts), (1,) * len(texts), None, tuple(past), tuple(texts), *rows
    )


@pytest.mark.parametrize("measure", ["class", "exact", "embedding"])
@given(past=HISTORIES, texts=GROUPS, vectors=VECTORS, random=st.randoms())
def test_newness_is_a_share_and_no_order_of_the_history_matters(
    measure, past, texts, vectors, random
):
    new = newness(group_of(past, texts, vectors), measure)
    assert all(0 <= one <= 1 for one in new)
    for text, one in zip(texts, new, strict=True):
        if text in past and TEXTS[text].canonical is not None:
            assert one == 0
    shuffled = random.sample(past, len(past))
    assert newness(group_of(shuffled, texts, vectors), measure) == new


@given(HISTORIES, GROUPS, st.sampled_from(["solved", "wrong", "none"]))
def test_measured_by_class_novelty_is_that_of_the_canonical_forms(past, texts, gate):
    """The rule in other words: the form is new, or right under the gate on wrong answers."""
    history, attempts = grades(past), grades(texts)
    forms = [one.canonical for one in history]
    closed = not history or (gate == "solved" and any(one.correct for one in history))
    expected = [
        0 if closed or one.canonical is None
        else int(forms.count(one.canonical) == 0 or (gate == "wrong" and one.correct))
        for one in attempts
    ]  # fmt: skip
    assert novelty(history, attempts, by_class(history, attempts), gate) == expected


@given(HISTORIES, GROUPS)
def test_a_new_class_is_a_new_text_and_where_texts_are_forms_the_two_agree(past, texts):
    history, attempts = grades(past), grades(texts)
    by_form, exact = by_class(history, attempts), by_text(history, past, texts)
    assert all(e >= f for e, f in zip(exact, by_form, strict=True))
    forms = [[one.canonical or "" for one in some] for some in (history, attempts)]
    formed = [one.canonical is not None for one in attempts]
    exact = by_text(history, *forms)
    assert [e for e, f in zip(exact, formed, strict=True) if f] == [
        c for c, f in zip(by_form, formed, strict=True) if f
    ]


def test_exact_tells_texts_apart_that_are_one_class():
    history, attempts = grades(["2+1", "?"]), grades(["1+2", "2+1", "?"])
    assert by_class(history, attempts) == [0, 0, 0]
    assert by_text(history, ["2+1", "?"], ["1+2", "2+1", "?"]) == [1, 0, 1]


@given(HISTORIES.filter(bool), GROUPS, VECTORS)
def test_embedding_is_one_less_the_largest_cosine(past, texts, vectors):
    group = group_of(past, texts, vectors)

    def cosine(one, other):
        norms = np.linalg.norm(one) * np.linalg.norm(other)
        return np.dot(one, other) / norms if norms else float(not np.any(one) and not np.any(other))

    formed = [text for text in past if TEXTS[text].canonical is not None]
    expected = [
        1 - max([0.0, *(cosine(vectors[text], vectors[known]) for known in formed)])
        for text in texts
    ]
    assert newness(group, "embedding") == pytest.approx(expected, abs=1e-6)


def test_degenerate_cases_of_embeddings():
    history = grades(["4", "?"])
    past = np.array([[3.0, 4.0], [0.0, 1.0]])
    new = by_embedding(history, past, np.array([[0.3, 0.4], [0, 1], [4, -3], [-3, -4], [0, 0]]))
    # The same direction; close to the malformed one alone; at a right angle; opposite; no tokens.
    assert new == pytest.approx([0, 0.2, 1, 1, 1])
    zeros = np.zeros((2, 2))
    assert by_embedding(history, zeros, np.array([[0.0, 0], [1, 0]])) == [0, 1]
    assert by_embedding((), np.zeros((0, 2)), past) == [1, 1]
    assert by_embedding((MALFORMED,), past[:1], past) == [1, 1]


def test_gates_on_graded_newness():
    right, wrong = TEXTS["1+2"], TEXTS["4"]
    attempts, new = (right, wrong, wrong, MALFORMED), [0.25, 0.5, 0.0, 1.0]
    assert novelty((wrong,), attempts, new, "none") == [0.25, 0.5, 0, 0]
    assert novelty((wrong,), attempts, new, "wrong") == [1, 0.5, 0, 0]
    assert novelty((wrong,), attempts, new, "solved") == [0.25, 0.5, 0, 0]
    assert novelty((wrong, right), attempts, new, "solved") == [0, 0, 0, 0]
    assert novelty((), attempts, new, "none") == [0, 0, 0, 0]
