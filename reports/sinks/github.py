"""The findings where a GitHub workflow shows them: annotations on the lines, and the summary of the step.

Used only if ``GITHUB_ACTIONS`` is set. GitHub drops what stands near the end of a summary of one megabyte, and shows
ten errors of a step.
"""

from __future__ import annotations

from collections.abc import Mapping

from midpipe.reports.explain import consequences_of, explained
from midpipe.reports.sinks.sarif import in_repository
from midpipe.reports.titles import title_of
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.story import SourceLine
from midpipe.scenarios.model.verdict import Verdict

MOST_ANNOTATIONS = 10
MOST_BYTES = 900_000


def is_on_github(environment: Mapping[str, str]) -> bool:
    """Whether this is a step of a GitHub workflow."""
    return environment.get("GITHUB_ACTIONS") == "true"


def workflow_commands(verdict: Verdict, folder: str = "") -> tuple[str, ...]:
    """Return a workflow command for each of the first findings, on its line of code if that is known.

    Args:
        folder: the folder in which midpipe ran, relative to the root of the repository; empty for the root.
    """
    return tuple(
        f"::error {_properties(finding.source, folder)}title={_property(title_of(finding))}::"
        + _data(
            "\n".join(
                (
                    *explained(finding),
                    *consequences_of(finding),
                    replay_command(finding.replay, verdict.again, finding.on),
                )
            )
        )
        for finding in verdict.findings[:MOST_ANNOTATIONS]
    )


def step_summary(markdown: str) -> str:
    """Return a report in Markdown, cut to what GitHub shows of it."""
    data = markdown.encode()
    if len(data) <= MOST_BYTES:
        return markdown
    kept = data[:MOST_BYTES].decode("utf-8", "ignore").rpartition("\n")[0]
    return f"{kept}\n\nThe rest is in the reports of the run.\n"


def _properties(line: SourceLine | None, folder: str) -> str:
    if line is None:
        return ""
    return f"file={_property(in_repository(line.file, folder))},line={line.line},"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
