"""Reading back what lies beside a report."""

import csv


def rows(report, name):
    with (report.parent / "tables" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
