import re
from html.parser import HTMLParser

import pytest
from report_files import rows, svg_alone, words_alone
from synthetic_summary import interval, synthetic_summary, training_log

from analysis.report.page import write_report
from analysis.report.sentences import answers
from analysis.report.table import Missing
from analysis.report.tables import build_tables
from analysis.report.writing import latex
from sample.errors import UsageError

SETTINGS = synthetic_summary()["settings"]


class Page(HTMLParser):
    """Tags, attributes and visible text of a page; void and SVG shapes need no end tag."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self._hidden = False
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self._hidden = tag == "style"

    def handle_endtag(self, tag):
        self._hidden = False

    def handle_data(self, data):
        if not self._hidden:
            self.words.append(data)


@pytest.fixture(scope="module")
def page(report):
    return Page(report.read_text(encoding="utf-8"))


def drawn(summary, folder, metrics=None):
    with svg_alone():
        return write_report(summary, folder, metrics)


def render(summary, folder):
    text = words_alone(summary, folder)
    return text, Page(text).text


def test_page_names_every_family_system_and_verdict(page):
    for name, family in synthetic_summary()["families"].items():
        assert name in page.text
        for adapter, entry in family["adapters"].items():
            assert adapter in page.text
            assert entry["reason"] in page.text
            assert entry["verdict"] in page.text
        for system in family["systems"]:
            assert system in page.text
    assert "NO GAP" in page.text


def test_sections_come_in_order_with_the_answer_first(report):
    text = report.read_text(encoding="utf-8")
    found = re.findall(r'<section id="(\w+)">', text)
    assert found == [
        *("answer", "records", "levels", "compute", "figures", "verdict", "controls"),
        *("exploration", "tokens", "negative", "seeds", "limits", "settings"),
    ]


def test_the_page_says_what_the_records_allow_and_what_not(page):
    family = synthetic_summary()["families"]["countdown"]
    for sentence in (s for part in family["diagnosis"].values() for s in part):
        assert page.text.count(sentence) == 2


def test_causes_checks_and_equal_compute_are_on_the_page(page):
    assert "Not the longer context." in page.text and "Are its prompts as long?" in page.text
    assert "not by 1.10x" in page.text and "1.40x [1.90, 1.70]" in page.text


def test_page_is_self_contained(report, page):
    text = report.read_text(encoding="utf-8")
    assert "http:" not in text and "https:" not in text
    assert not re.search(r"@import|url\((?!#)", text)
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.tags)
    for key, value in page.attributes:
        assert key not in ("src", "srcset", "data") and not key.startswith("on")
        if key.endswith("href"):
            assert value.startswith("#")
    assert page.tags.count("svg") == 7


def test_ids_are_unique_and_every_reference_has_its_target(page):
    ids = [value for key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    wanted = [v[1:] for k, v in page.attributes if k.endswith("href")]
    wanted += [m for _, v in page.attributes for m in re.findall(r"url\(#([^)]+)\)", v or "")]
    assert wanted and set(wanted) <= set(ids)


def test_figure_colours_follow_the_page(report):
    text = report.read_text(encoding="utf-8")
    svg = text[text.index("<svg") : text.rindex("</svg>")]
    used = set(re.findall(r"var\((--c\w+)\)", svg))
    assert used and all(f"{name}:" in text for name in used)
    assert not re.search(r"(?:fill|stroke): #(?!ffffff)", svg)


def test_answer_gives_verdict_gap_before_after_and_did(page):
    found = answers(synthetic_summary())
    first = found[0]
    assert (first["family"], first["name"], first["verdict"]) == (
        "countdown",
        "diverse-s0",
        "CLOSED",
    )
    assert first["numbers"] == (
        "Gap in coverage@8: 37.0 points [34.5, 39.5] before training, 0.5 points [−2.0, 3.0] "
        "after; DiD 36.5 points [33.5, 39.5], 400 problems."
    )
    assert all(answer["numbers"] in page.text for answer in found)


def test_a_closure_that_is_withheld_is_not_called_a_remainder():
    summary = synthetic_summary(1)
    entry = summary["families"]["countdown"]["adapters"]["diverse-s0"]
    entry |= {"verdict": "NARROWED", "withheld": "All four tests passed, but it is interim."}
    assert answers(summary)[0]["meaning"] == "all four tests passed, but it is interim"


def test_embedded_model_is_named_only_where_it_ran(page, tmp_path):
    assert "no evidence about large models" in page.text
    summary = synthetic_summary(1)
    summary["run"]["embedded_model"] = False
    assert "no evidence about large models" not in render(summary, tmp_path)[1]


def test_nulls_show_as_a_dash_with_the_reason(page, tmp_path):
    assert "parallel attempts have no last one" in page.text
    assert "the engine does not count these" in page.text
    summary = synthetic_summary(1)
    family = summary["families"]["countdown"]
    family["systems"]["base"]["arms"]["parallel"]["accuracy"] = interval(None)
    family["adapters"]["diverse-s0"] |= {
        "verdict": None,
        "reason": "Not measured: an arm is missing.",
        "steps": [],
        "fraction_closed": None,
        **dict.fromkeys(("gap_base", "gap_adapted", "did", "parallel_change")),
    }
    text, words = render(summary, tmp_path)
    assert "no problem has every attempt this needs" in words
    assert "the gap before is too near 0 for a ratio" in words
    assert "NOT MEASURED" in words
    assert not re.search(r">\s*(None|nan|NaN)\b", text)
    levels = latex(build_tables(summary)["levels"])
    assert "countdown & base & parallel & -- &" in levels


def test_an_estimate_without_interval_says_so(tmp_path):
    _, words = render(synthetic_summary(1), tmp_path)
    assert "no interval n=1" in words
    assert "One training seed (diverse, history)" in words


@pytest.mark.parametrize("write", [words_alone, pytest.param(drawn, marks=pytest.mark.smoke)])
@pytest.mark.parametrize("missing", ["adapters", "models", "methods", "controls", "systems"])
def test_a_part_that_is_missing_or_null_leaves_the_rest(missing, write, tmp_path):
    summary = synthetic_summary(1)
    summary["families"]["countdown"][missing] = None
    del summary["families"]["chain_sum"][missing]
    summary["warnings"] = None
    write(summary, tmp_path)
    words = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "countdown" in words and "chain_sum" in words


def test_nothing_but_a_schema_version_is_still_a_page(tmp_path):
    _, words = render({"schema_version": 5}, tmp_path)
    assert "the summary has no family of problems" in words


def test_without_adapters_the_answer_is_the_gap_of_the_base():
    summary = synthetic_summary(1)
    summary["families"]["countdown"]["adapters"] = {}
    found = [answer for answer in answers(summary) if answer["family"] == "countdown"]
    assert [a["verdict"] for a in found] == ["NO ADAPTER"]
    assert found[0]["numbers"].startswith("Gap in coverage@8: 37.0 points [34.5, 39.5]")
    limits = [row for row in build_tables(summary)["limits"].rows if row["family"] == "countdown"]
    assert limits[0]["system"] == "base" and limits[0]["least_gap"] > 0
    assert isinstance(limits[0]["reach"], Missing)


def test_hostile_text_is_escaped_everywhere(tmp_path):
    name = "<script>alert('x')</script>\"><img src=x onerror=y>&"
    summary = synthetic_summary(1)
    family = summary["families"]["countdown"]
    family["adapters"] = {name: family["adapters"]["diverse-s0"]}
    family["adapters"][name]["reason"] = name
    family["systems"][name] = family["systems"]["diverse-s0"]
    family["controls"][name] = family["controls"]["swapped_history"]
    summary["families"] = {name: family}
    summary["warnings"] = [name]
    summary["run"]["name"] = name
    summary["settings"]["decoding"] = {name: name}
    path = drawn(summary, tmp_path, {name: training_log(3)})
    page = Page(path.read_text(encoding="utf-8"))
    assert not {"script", "img"} & set(page.tags)
    assert name in page.text
    assert {row["family"] for row in rows(path, "levels")} == {name}


def test_degenerate_interval_names_its_method(tmp_path):
    summary = synthetic_summary(1)
    level = summary["families"]["countdown"]["systems"]["base"]["arms"]["parallel"]["valid"]
    level |= {"method": "wilson", "degenerate": True}
    note = "too little variation for a t interval: wilson instead"
    assert build_tables(summary)["exploration"].notes[-1] == note
    assert note in render(summary, tmp_path)[1]


@pytest.mark.parametrize("given", [{}, {"schema_version": 1}, None, []])
def test_other_schema_is_refused_with_what_to_type(given, tmp_path):
    with pytest.raises(UsageError, match=r"schema_version must be 5 .*forage analyze"):
        write_report(given, tmp_path)
    assert not list(tmp_path.iterdir())
