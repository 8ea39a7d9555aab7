"""What is measured, what the reference says of it, and what dashboards and alerts ask for are the same."""

import json
import re

import pytest
import yaml

from scripts.reference.__main__ import FOLDER
from scripts.reference.metrics import known_metrics
from tests.docs.blocks import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
NAMES = re.compile(r"\bagentflow_[a-z0-9_]+")


def queried():
    """Return the names under which Prometheus keeps what we measure."""
    names = set()
    for name, (kind, _, _) in known_metrics().items():
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names


def test_every_metric_is_documented():
    """The reference has a row for each, with its meaning."""
    page = (FOLDER / "metrics.md").read_text()
    assert [name for name, (_, _, text) in known_metrics().items() if f"| `{name}` |" not in page or not text.endswith(".")] == []


@pytest.mark.parametrize("name", ["grafana-dashboard.json", "alerts.yaml"])
def test_dashboards_and_alerts_ask_for_what_exists(name):
    """No panel and no rule waits for a metric that nobody gives."""
    asked = set(NAMES.findall((MONITORING / name).read_text()))
    assert len(asked) >= 10
    assert asked - queried() == set()


def test_every_alert_says_what_to_do():
    """An alert has a severity, what happened, and the way out."""
    (group,) = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]


def test_every_panel_has_a_place_of_its_own():
    """Grafana would draw panels that overlap on top of one another."""
    taken = set()
    for panel in json.loads((MONITORING / "grafana-dashboard.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
