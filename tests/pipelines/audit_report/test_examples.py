"""Which examples are listed, and in which order samples get pictures."""

from __future__ import annotations

from audit_report_records import check, example

from pipelines.audit.report.examples import MAX_ROWS, list_rows, order_samples


def test_findings_come_before_extremes_and_errors_before_warnings() -> None:
    extremes = [example(f"e{number}", bad=False) for number in range(9)]
    checks = [
        check("fine", worst=extremes),
        check("odd", "warn", worst=[example("w1"), example("w2"), *extremes]),
        check("broken", "fail", worst=[example("f1", value=2.0)], unit="dB"),
    ]
    rows, total = list_rows(checks)
    assert total == 9 + 11 + 1
    assert [row.key for row in rows] == ["f1", "w1", "w2", "e0", "e1", "e2", "e0", "e1", "e2"]
    assert [row.mark for row in rows] == ["fail", "warn", "warn", *["extreme"] * 6]
    assert rows[0].shown_value == "2 dB"


def test_rows_are_bounded() -> None:
    checks = [
        check(f"c{number}", "fail", worst=[example(f"k{n}") for n in range(25)]) for number in range(60)
    ]
    rows, total = list_rows(checks)
    assert (len(rows), total) == (MAX_ROWS, 1500)


def test_no_check_takes_all_the_pictures() -> None:
    checks = [
        check("many", "fail", worst=[example(f"m{number}") for number in range(25)]),
        check("pair", "warn", worst=[example("clip p1", detail="like p2 (across splits)")]),
        check("fine", worst=[example("m3", bad=False), example("x", bad=False)]),
    ]
    rows, _ = list_rows(checks)
    known = dict.fromkeys(["p1", "p2", "x", *(f"m{number}" for number in range(25))])
    assert order_samples(rows, known, 4) == ["m0", "p1", "p2", "m1"]
    every = order_samples(rows, known, 100)
    assert len(every) == len(set(every)) == 28
    assert every[-1] == "x"  # extremes come last
    assert order_samples(rows, {"m7": None}, 9) == ["m7"]  # what the index does not have is not read
