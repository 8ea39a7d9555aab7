"""A run as it happens: its events as lines, the text of its models as it comes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentflow.entrypoints.cli.printer import Printer

_RUN_ENDS = {"run.succeeded": ("✓", "green"), "run.failed": ("✗", "red"), "run.cancelled": ("■", "yellow"), "run.timed_out": ("✗", "red")}

_SECOND_MS = 1000.0


@dataclass
class Progress:
    """Prints the events of one run.

    Attributes:
        printer: where to.
        last: the newest event that ended or stopped the run, or None.
    """

    printer: Printer
    last: Mapping[str, Any] | None = None
    _speaking: str | None = field(default=None)

    def show(self, event: Mapping[str, Any]) -> None:
        """Print one event."""
        kind = event["type"]
        if kind == "node.token":
            self._speak(event)
            return
        self._fall_silent()
        if kind.startswith("node."):
            self._node(kind.removeprefix("node."), event)
        elif kind.startswith("run."):
            self._run(kind, event)
        elif kind == "log":
            self.printer.step(f"    {event.get('node_id') or 'run'}: {event['data'].get('message', '')}")

    def _speak(self, event: Mapping[str, Any]) -> None:
        if self._speaking != event["node_id"]:
            self._fall_silent()
            self.printer.stream("    ")
            self._speaking = event["node_id"]
        self.printer.stream(str(event["data"].get("text", "")).replace("\n", "\n    "))

    def _fall_silent(self) -> None:
        if self._speaking is not None:
            self.printer.stream("\n")
            self._speaking = None

    def _node(self, what: str, event: Mapping[str, Any]) -> None:
        node, data = event["node_id"], event.get("data") or {}
        if what == "started":
            self.printer.step(f"  ▸ {node} ({data.get('type', '?')})")
        elif what == "completed":
            self.printer.step(f"  ✓ {node} {duration(data.get('duration_ms'))}{_tokens(data.get('usage'))}", "green")
        elif what == "failed":
            self.printer.step(f"  ✗ {node}: {_error(data.get('error'))}", "red")
        elif what == "retrying":
            self.printer.step(
                f"  ↻ {node}: {_error(data.get('error'))}; attempt {data.get('attempt', '?')} failed, again in {data.get('wait_s', '?')} s",
                "yellow",
            )
        elif what == "rate_limited":
            self.printer.step(f"  … {node} waits about {data.get('wait_s', '?')} s in the queue {data.get('queue', '?')}", "yellow")
        elif what == "skipped":
            self.printer.step(f"  - {node} skipped")
        elif what == "progress":
            self.printer.step(f"    {node}: {_share(data.get('fraction'))}{data.get('message') or ''}")

    def _run(self, kind: str, event: Mapping[str, Any]) -> None:
        if kind == "run.resumed":
            self.printer.step("  ↻ resumed", "yellow")
        elif kind == "run.compensating":
            self.printer.step(f"  ↶ undoing: {', '.join(event['data'].get('nodes') or ())}", "yellow")
        elif kind == "run.waiting":
            self.last = event
            if event["data"].get("reason") == "paused":
                self.printer.step("  ‖ paused; it goes on with `agentflow runs resume`", "yellow")
                return
            self.printer.step(f"  ‖ waiting at {', '.join(event['data'].get('nodes') or ()) or 'a node'}", "yellow")
        elif kind in _RUN_ENDS:
            self.last = event
            mark, style = _RUN_ENDS[kind]
            self.printer.step(f"{mark} {kind.removeprefix('run.').replace('_', ' ')}", style)


def duration(milliseconds: float | None) -> str:
    """Return a duration as people say it."""
    if milliseconds is None:
        return ""
    if milliseconds >= _SECOND_MS:
        return f"{milliseconds / _SECOND_MS:.1f} s"
    return f"{milliseconds:.3g} ms"


def _tokens(usage: Mapping[str, Any] | None) -> str:
    total = (usage or {}).get("total_tokens") or sum((usage or {}).get(name, 0) for name in ("input_tokens", "output_tokens"))
    return f", {total} tokens" if total else ""


def _share(fraction: float | None) -> str:
    return "" if fraction is None else f"{fraction:.0%} "


def _error(error: Mapping[str, Any] | None) -> str:
    return f"{error.get('code', 'ERROR')} {error.get('message', '')}" if error else "unknown"
