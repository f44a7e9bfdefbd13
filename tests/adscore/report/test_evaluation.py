"""The page: whole, safe, true to the figures, and drawn where figures are missing."""

import csv
import dataclasses
import html.parser
import json
import re
import shutil
import unicodedata
import xml.etree.ElementTree as ET
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from adscore.bundle import read_bundle, resolve_bundle
from adscore.bundle.contents import TrainingSummary
from adscore.cli.app import app
from adscore.evaluation import AgreementMetrics
from adscore.evaluation.agreement import Retrieval
from adscore.evaluation.table import evaluate_table
from adscore.report import Report
from adscore.report.cards import Viewer
from adscore.report.charts import MIN_PAIRS, evidence_chart
from adscore.report.page import render
from adscore.report.rows import target_rows
from adscore.report.words import percent
from adscore.table import Columns, Target, read_table

DAY = date(2030, 1, 2)
HOSTILE = "<script>alert('x')</script> \"&\x00\ud800 <img src=x onerror=y>"
CHARTS = 5
NOTHING = {
    "rows": 0,
    "is_left_out": False,
    "table": "",
    "day": "",
    "training": TrainingSummary("", 0, 0, 0, 0.0, 0, "", "", {}, {}),
    "trained_rows": 0,
    "targets": (),
    "agreement": None,
}


def read(sample_dir, target="ctr=clicks/impressions", columns=None):
    path = sample_dir / "creatives.csv"
    return read_table(path, columns or Columns(), [Target.parse(target)])


def report_of(scorer, table, **options):
    return Report(scorer, table, evaluate_table(scorer, table), DAY, **options)


def parse(page):
    """The page as XML, which is stricter than HTML."""
    return ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))


class Attributes(html.parser.HTMLParser):
    """Collects what a browser would see."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs


@pytest.fixture(scope="module")
def page(scorer, sample_dir):
    table = read(sample_dir)
    return report_of(scorer, table, trained_rows=48, group_word="campaign").render()


def test_page_is_well_formed_and_has_every_part(page):
    root = parse(page)
    assert [chart.get("class") for chart in root.iter("svg")].count("chart") == CHARTS
    assert all(figure.findtext("details/summary") == "Numbers" for figure in root.iter("figure"))
    assert [heading.text for heading in root.iter("h3")][-3:] == [
        "Highest predictions",
        "Lowest predictions",
        "Largest misses",
    ]
    assert "sample, version 1" in page
    assert "2030-01-02" in page
    assert "Of two creatives of one campaign" in page
    assert "campaigns of 48 of these 60 creatives" in page
    assert "nan" not in re.sub(r"base64,[^\"]*", "", page).lower().replace("finance", "")


def test_every_chart_has_a_title_for_those_who_do_not_see_it(page):
    for chart in parse(page).iter("svg"):
        assert chart.get("role") == "img"
        assert chart[0].tag == "title"
        assert chart[0].text


def test_page_loads_nothing_and_runs_nothing(page):
    seen = Attributes()
    seen.feed(page)
    assert "http://" not in page
    assert "https://" not in page
    assert not seen.tags & {"script", "link", "iframe", "object", "embed"}
    loads = [value for name, value in seen.attributes if name in {"src", "href", "xlink:href"}]
    assert loads
    assert all(value.startswith("data:image/webp;base64,") for value in loads)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert "url(" not in page
    assert "@import" not in page


def test_headlines_are_escaped(scorer, sample_dir):
    table = read(sample_dir)
    hostile = dataclasses.replace(table, headlines=[HOSTILE] * len(table))
    page = Report(scorer, hostile, evaluate_table(scorer, table), DAY).render()
    seen = Attributes()
    seen.feed(page)
    page.encode()
    assert "script" not in seen.tags
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in page
    headlines = [p.text for p in parse(page).iter("p") if p.get("class") == "headline"]
    assert headlines[0] == HOSTILE.replace("\x00", "").replace(
        "\ud800", "\N{REPLACEMENT CHARACTER}"
    )


def test_figures_are_those_of_the_json(scorer, sample_dir):
    table = read(sample_dir)
    report = report_of(scorer, table)
    figures = report.evaluation.targets["ctr"].values
    shown = {d.get("class"): float(d.get("value")) for d in parse(report.render()).iter("data")}
    assert shown == {name: value for name, value in figures.items() if value is not None}


def test_table_without_groups_says_so(scorer, sample_dir):
    page = report_of(scorer, read(sample_dir, columns=Columns(group=None))).render()
    assert [s.get("class") for s in parse(page).iter("svg")].count("chart") == CHARTS - 1
    assert "There are no groups to compare creatives within" in page
    assert "Without a meaning for this table: Pairs ranked right" in page


@pytest.fixture
def labels(sample_dir):
    """A function that reads the log with one 0/1 label a row instead of counts."""

    def write(value_of_row):
        with (sample_dir / "creatives.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        table = read(sample_dir)
        label = np.array([value_of_row(row) for row in range(len(rows))], dtype=np.int64)
        return dataclasses.replace(
            table,
            target_columns={"ctr": "is_good"},
            successes={"ctr": label},
            trials={"ctr": np.ones_like(label)},
        )

    return write


@pytest.mark.parametrize("value_of_row", [lambda row: row % 2, lambda row: 0, lambda row: 1])
def test_labels_are_shown_without_intervals(scorer, labels, value_of_row):
    page = report_of(scorer, labels(value_of_row)).render()
    parse(page)
    assert "Do the intervals hold?" not in page
    assert "How far apart are the two kinds?" in page
    assert "is good was " in page


def test_rows_without_a_trial_are_shown_as_not_observed(scorer, sample_dir):
    table = read(sample_dir)
    nothing = {"ctr": np.zeros(len(table), dtype=np.int64)}
    empty = dataclasses.replace(table, successes=nothing, trials=nothing)
    page = report_of(scorer, empty).render()
    parse(page)
    assert "Nothing was counted" in page
    assert "not yet observed" in page


def test_one_row_makes_a_page(scorer, sample_dir):
    table = read(sample_dir)
    evaluation = evaluate_table(scorer, table, np.array([3]))
    parse(Report(scorer, table, evaluation, DAY).render())


def test_intervals_are_those_of_the_observed_rate(scorer, sample_dir):
    table = read(sample_dir)
    rows = target_rows(evaluate_table(scorer, table), table, scorer.manifest.targets, "ctr")
    places = np.arange(8)
    lower, upper = rows.intervals(places)
    for row in places.tolist():
        mean, spread, trials = rows.mean[row], rows.concentration[row], rows.trials[row]
        exact = stats.betabinom(int(trials), mean * spread, (1 - mean) * spread)
        assert exact.cdf(lower[row] * trials) >= 0.05 - 1e-4
        assert exact.cdf(lower[row] * trials - 1) < 0.05 + 1e-4
        assert exact.cdf(upper[row] * trials) >= 0.95 - 1e-4
        assert exact.cdf(upper[row] * trials - 1) < 0.95 + 1e-4


def evaluate(model_dir, sample_dir, *options):
    table = str(sample_dir / "creatives.csv")
    return CliRunner().invoke(app, ["evaluate", str(model_dir), table, *map(str, options)])


def test_command_writes_page_and_ablations(model_dir, sample_dir, tmp_path):
    page, figures = tmp_path / "page.html", tmp_path / "figures.json"
    page.write_text("an older page")
    options = ["--report", page, "--json", figures, "--ablate", "headline", "--ablate", "image"]
    result = evaluate(model_dir, sample_dir, *options)
    assert result.exit_code == 0, result.output
    assert sorted(tmp_path.iterdir()) == [figures, page]
    root = parse(page.read_text("utf-8"))
    written = json.loads(figures.read_text())
    assert list(written) == ["rows", "targets", "agreement", "ablations"]
    assert list(written["ablations"]) == ["headline", "image"]
    for ablated in written["ablations"].values():
        assert ablated["targets"]["ctr"].keys() == written["targets"]["ctr"].keys()
    heads = [head.text for head in root.iter("th")]
    assert "Another\N{RIGHT SINGLE QUOTATION MARK}s headline" in heads
    assert "with the image of another creative" in result.output


def test_report_exchanges_every_part_and_terminal_and_page_give_one_verdict(
    model_dir, sample_dir, tmp_path
):
    result = evaluate(model_dir, sample_dir, "--report", tmp_path / "page.html")
    root = parse((tmp_path / "page.html").read_text("utf-8"))
    assert [part.text for part in root.iter("span") if part.get("class") == "part"]
    (verdict,) = [p.text for p in root.iter("p") if p.get("class") == "verdict"]
    assert f"ctr: {verdict}" in result.output
    assert "60 rows" in result.output
    assert "60 creatives" in "".join(root.itertext())
    shown = {data.get("class"): float(data.get("value")) for data in root.iter("data")}
    assert f"{shown['pairwise_accuracy']:.5g}" in result.output


def test_bars_of_few_pairs_are_grey_and_every_bar_says_how_many(scorer, sample_dir):
    table = read(sample_dir)
    evaluation = evaluate_table(scorer, table, np.arange(24))
    root = parse(Report(scorer, table, evaluation, DAY).render())
    rows = target_rows(evaluation, table, scorer.manifest.targets, "ctr")
    curve = evidence_chart(rows)
    counts = [int(row[1]) for row in curve.rows]
    kinds = [mark.kind for mark in curve.marks if mark.tag == "rect"]
    assert kinds == ["model" if count >= MIN_PAIRS else "few" for count in counts]
    assert "few" in kinds
    assert sum(counts) == rows.metrics.pairs
    said = "".join(root.itertext())
    assert all(f"n {count}" in said for count in counts)


def test_cards_show_only_what_the_model_reads_and_no_headline_twice(scorer, sample_dir):
    table = read(sample_dir)
    repeated = dataclasses.replace(table, headlines=[f"Headline {n % 4}" for n in range(60)])
    limits = dataclasses.replace(scorer.limits, image_formats=())
    viewer = Viewer(repeated, limits)
    assert viewer.seen(3).picture is None
    assert viewer.seen(3).headline == "Headline 3"
    assert len({viewer.identity(row) for row in range(60)}) == 4
    without_text = dataclasses.replace(scorer.limits, max_headline_characters=0)
    assert Viewer(table, without_text).seen(3).headline is None
    assert Viewer(table, without_text).seen(3).picture.startswith("data:image/webp")


def test_rows_that_look_and_score_the_same_share_a_card(scorer, sample_dir):
    table = read(sample_dir)
    same = dataclasses.replace(
        table, headlines=[table.headlines[0]] * 60, images=[table.images[0]] * 60
    )
    root = parse(report_of(scorer, same).render())
    assert len([card for card in root.iter("article") if card.get("class") == "creative"]) == 3
    assert "and 59 more rows like it" in "".join(root.itertext())


def test_headlines_find_images_that_are_shown(scorer, sample_dir):
    table = read(sample_dir)
    examples = [Retrieval(0, 1, (0, 4, 5)), Retrieval(7, 12.5, (1, 2, 3))]
    evaluation = evaluate_table(scorer, table)
    found = dataclasses.replace(
        evaluation, agreement=AgreementMetrics(0.25, 0.5, 3.5, 0.8), retrievals=examples
    )
    root = parse(Report(scorer, table, found, DAY).render())
    first, second = [a for a in root.iter("article") if a.get("class") == "retrieval"]
    assert len(list(first.iter("img"))) == 4
    assert [img.get("class") for img in first.find("ol").iter("img")] == ["own", "", ""]
    assert "Its own image is number 12.5." in "".join(second.itertext())


def test_json_keeps_its_keys_without_ablations(model_dir, sample_dir, tmp_path):
    figures = tmp_path / "figures.json"
    assert evaluate(model_dir, sample_dir, "--json", figures).exit_code == 0
    assert list(json.loads(figures.read_text())) == ["rows", "targets", "agreement"]


def test_page_that_cannot_be_written_is_an_error(model_dir, sample_dir, tmp_path):
    result = evaluate(model_dir, sample_dir, "--report", tmp_path / "nowhere" / "page.html")
    assert result.exit_code == 1
    assert "nowhere" in result.output


def test_failed_write_leaves_the_older_page(scorer, sample_dir, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("older")

    def refuse(self, target):
        raise OSError("no space")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(OSError, match="no space"):
        report_of(scorer, read(sample_dir)).write(path)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


@given(st.text())
def test_any_text_survives_as_text(text):
    page = render("evaluation.html.jinja", **NOTHING, model=text)
    (title,) = parse(page).iter("title")
    assert len(title) == 0
    shown = "".join(c for c in text if c in "\t\n\r" or not unprintable(c))
    assert title.text.removeprefix("Evaluation of ") == re.sub("\r\n?", "\n", shown)


def unprintable(char):
    """Whether no HTML document may hold it: control characters and two that are none."""
    return unicodedata.category(char) == "Cc" or char in "\ufffe\uffff"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (1, "100%"), (0.71358, "71.4%"), (0.5, "50.0%"), (1e-7, "<0.0001%")],
)
def test_shares_are_written_in_per_cent(share, text):
    assert percent(share) == text


def test_agreement_is_shown_where_there_are_figures(scorer, sample_dir):
    table = read(sample_dir)
    plain = report_of(scorer, table)
    figures = AgreementMetrics(0.25, 0.5, 3.5, 0.8)
    matched = dataclasses.replace(
        plain, evaluation=dataclasses.replace(plain.evaluation, agreement=figures)
    )
    assert "How well headline and image fit" not in plain.render()
    shown = {data.get("class"): data.get("value") for data in parse(matched.render()).iter("data")}
    assert [float(shown[name]) for name in ("recall_at_1", "recall_at_10", "median_rank")] == [
        0.25,
        0.5,
        3.5,
    ]


def test_page_of_a_new_bundle_shows_the_groups_that_were_left_out(model_dir):
    page = (resolve_bundle(model_dir) / "report.html").read_text()
    assert "<h1>sample, version 1</h1>" in page
    assert "12 creatives of creatives.csv" in page
    assert "was predicted by a model that had not seen its campaign." in page
    assert "then fitted to all 60 creatives" in page


def test_page_says_what_a_perfect_model_would_show(scorer, sample_dir):
    report = report_of(scorer, read(sample_dir))
    rows = target_rows(report.evaluation, report.table, scorer.manifest.targets, "ctr")
    shown = f"a perfect model would show about {percent(rows.perfect_calibration_error, 2)}"
    assert shown in report.render()


def test_bundle_is_read_without_its_page(model_dir, tmp_path):
    written = tmp_path / "model" / "1"
    shutil.copytree(resolve_bundle(model_dir), written)
    bundle = read_bundle(written)
    assert "report.html" not in bundle.files
    (written / "report.html").unlink()
    assert read_bundle(written).files == bundle.files
