import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample.bundles import bundled, partner, without_cut
from sample.errors import UsageError
from sample.problems import Problem


def groups(problems, replicates=2, family="sums"):
    made = [Problem(family, f"{i} = ?", "2", "reasoning_gym", f"{i}") for i in range(problems)]
    return [(problem, replicate) for problem in made for replicate in range(replicates)]


def test_groups_are_alone_where_none_reads_another():
    assert bundled(groups(3), paired=False) == [(group,) for group in groups(3)]


@given(st.integers(2, 12), st.integers(1, 3))
def test_partners_are_a_ring_in_one_family_and_replicate(problems, replicates):
    mixed = [*groups(problems, replicates), *groups(3, replicates, "countdown")]
    bundles = bundled(mixed, paired=True)
    assert sorted((p.id, r) for b in bundles for p, r in b) == sorted((p.id, r) for p, r in mixed)
    for bundle in bundles:
        assert len(bundle) in (2, 3)
        assert len({(problem.family, replicate) for problem, replicate in bundle}) == 1
        partners = [partner(bundle, group) for group in bundle]
        assert all(p != g for p, g in zip(partners, bundle, strict=True))
        assert {p.id for p, _ in partners} == {p.id for p, _ in bundle}


@given(st.integers(2, 12), st.data())
def test_a_share_of_the_bundles_is_bundled_alike(problems, data):
    bundles = bundled(groups(problems), paired=True)
    kept = [bundle for bundle in bundles if data.draw(st.booleans())]
    share = [group for bundle in kept for group in bundle]
    assert set(map(ids, bundled(share, paired=True))) == set(map(ids, kept))


@given(st.integers(2, 12), st.integers(1, 12))
def test_first_problems_without_a_cut_are_bundled_as_in_the_whole(problems, size):
    first = without_cut(min(size, problems), problems)
    assert min(size, problems) <= first <= min(size + 2, problems)
    whole = set(map(ids, bundled(groups(problems), paired=True)))
    assert set(map(ids, bundled(groups(problems)[: first * 2], paired=True))) <= whole


def ids(bundle):
    return tuple((problem.id, replicate) for problem, replicate in bundle)


def test_a_problem_alone_has_no_partner():
    with pytest.raises(UsageError, match=r"raise sample\.problems\.sums\.count"):
        bundled(groups(1), paired=True)
