"""Percentiles from logarithmic buckets, against the sorted values themselves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover.backend.store import histogram

durations = st.lists(st.integers(1, 2**62), min_size=1, max_size=300)


@given(durations, st.floats(0.001, 1.0))
def test_a_percentile_is_within_one_percent_of_the_value_of_its_rank(values: list[int], share: float) -> None:
    """The bound that the API promises; half a nanosecond more for rounding."""
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    [found] = histogram.percentiles(histogram.count(values), [share])
    assert found is not None
    assert abs(found - exact) <= exact * histogram.RELATIVE_ERROR * 1.000001 + 0.5


@given(durations, durations)
def test_adding_buckets_is_counting_both(left: list[int], right: list[int]) -> None:
    """What allows minutes to be added up to any span."""
    total = histogram.count(left)
    histogram.add(total, histogram.count(right))
    assert total == histogram.count(left + right)


@given(durations)
def test_buckets_survive_the_file(values: list[int]) -> None:
    """Encoded as bytes and back."""
    buckets = histogram.count(values)
    assert histogram.decode(histogram.encode(buckets)) == buckets


def test_several_percentiles_of_one_sweep() -> None:
    """1 … 100 ms: the percentiles are their own ranks."""
    found = histogram.percentiles(histogram.count(n * 10**6 for n in range(1, 101)), [0.5, 0.95, 0.99])
    assert found == [pytest.approx(n * 10**6, rel=0.01) for n in (50, 95, 99)]


def test_nothing_counted_has_no_percentiles() -> None:
    """Unknown is null, never 0."""
    assert histogram.percentiles({}, [0.5, 0.99]) == [None, None]


@pytest.mark.parametrize("value", [0, 1, 2, 2**63 - 1])
def test_the_ends_of_the_range_have_a_bucket(value: int) -> None:
    """Nothing that a column can hold is out of range, and 16 bits hold every bucket number."""
    buckets = histogram.count([value])
    assert histogram.decode(histogram.encode(buckets)) == buckets
    assert histogram.percentiles(buckets, [1.0]) == [pytest.approx(max(1, value), rel=0.01)]
