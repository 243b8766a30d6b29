from decimal import Decimal

import pytest

from insights.charts import BOTTOM, HEIGHT, TOP, Point, ceiling, draw


def points(*values: str) -> list[Point]:
    return [Point(str(n), Decimal(value), Decimal(0), "") for n, value in enumerate(values)]


@pytest.mark.parametrize(
    ("value", "top"),
    [
        ("0", "100"),
        ("0.03", "0.05"),
        ("1", "1"),
        ("7", "10"),
        ("11", "20"),
        ("240", "250"),
        ("251", "500"),
        ("9999", "10000"),
    ],
)
def test_scales_end_at_round_numbers(value, top):
    assert ceiling(Decimal(value)) == Decimal(top)


def test_the_highest_bar_fits_and_an_empty_one_has_no_height():
    chart = draw(points("0", "50", "100"))
    assert [bar.height for bar in chart.bars] == [0, (HEIGHT - TOP - BOTTOM) / 2, HEIGHT - TOP - BOTTOM]
    assert chart.bars[2].top == TOP


def test_bars_stand_side_by_side_inside_the_frame():
    chart = draw(points(*["1"] * 30))
    edges = [(bar.x, bar.x + bar.width) for bar in chart.bars]
    assert all(left >= before for (_l, before), (left, _r) in zip(edges, edges[1:], strict=False))
    assert edges[0][0] >= chart.left and edges[-1][1] <= chart.right


def test_labels_do_not_crowd():
    assert sum(1 for bar in draw(points(*["1"] * 30)).bars if bar.label) <= 12
    assert all(bar.label for bar in draw(points("1", "2")).bars)


def test_nothing_at_all_is_drawn_without_falling_over():
    assert draw([]).bars == []
    assert [bar.height for bar in draw(points("0", "0")).bars] == [0, 0]
