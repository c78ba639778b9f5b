"""Asks Prometheus by its HTTP API. What is not answered is an answer with an error, so that it is unknown."""

from __future__ import annotations

import base64
import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.canary.judging import Asked

TIME_OUT_S = 10.0
_NOT_PROMQL = 400


class Prometheus:
    """A Prometheus, or what speaks its API.

    Args:
        url: ``http://[user:password@]host:port[/path]``, or https.
        token: sent as a bearer token, if not empty.
        time_out_s: how long an answer may take.

    Raises:
        UsageError: the URL is neither http nor https.
    """

    def __init__(self, url: str, token: str = "", time_out_s: float = TIME_OUT_S) -> None:
        self.time_out_s = time_out_s
        parts = urllib.parse.urlsplit(url)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or not _has_valid_port(parts)
        ):
            raise UsageError("--prometheus takes a URL like http://127.0.0.1:9090.")
        authority = parts.netloc.rpartition("@")[2]
        self._base = parts._replace(netloc=authority, query="", fragment="").geturl().rstrip("/")
        self._headers: dict[str, str] = {}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        elif parts.username:
            user, password = urllib.parse.unquote(parts.username), parts.password or ""
            pair = f"{user}:{urllib.parse.unquote(password)}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def instant(self, query: str, at_s: float) -> Asked:
        """Return the values of a query at one time, in seconds since 1970. Raises UsageError if it is not PromQL."""
        return self._asked(query, "query", {"query": query, "time": f"{at_s:.3f}"})

    def over_time(self, query: str, from_s: float, to_s: float, step_s: float) -> Asked:
        """Return all values of a query at each step of a range. Raises UsageError if it is not PromQL."""
        bounds = {"start": f"{from_s:.3f}", "end": f"{to_s:.3f}", "step": f"{step_s:.3f}"}
        return self._asked(query, "query_range", {"query": query, **bounds})

    def _asked(self, query: str, call: str, arguments: Mapping[str, str]) -> Asked:
        data = urllib.parse.urlencode(arguments).encode()
        request = urllib.request.Request(f"{self._base}/api/v1/{call}", data, self._headers)
        try:
            with urllib.request.urlopen(request, timeout=self.time_out_s) as answer:
                return Asked(query, _numbers(json.load(answer)["data"]))
        except urllib.error.HTTPError as error:
            if error.code == _NOT_PROMQL:
                raise UsageError(
                    f"Prometheus can't read {query} ({_reason(error)}). Check the labels given to --canary and "
                    "--baseline, such as 'fleet=\"canary\"', and the plan."
                ) from error
            return Asked(query, error=f"Prometheus answered {error.code}: {_reason(error)}")
        except (OSError, urllib.error.URLError) as error:
            reason = getattr(error, "reason", error)
            text = getattr(reason, "strerror", None) or reason
            return Asked(query, error=f"Prometheus does not answer at {self._base}: {text}")
        except (ValueError, KeyError, TypeError, IndexError):
            return Asked(query, error="this is not an answer of Prometheus")


def _has_valid_port(parts: urllib.parse.SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _numbers(data: Any) -> tuple[float, ...]:
    """Return the numbers of an answer, without those that are not finite."""
    if data["resultType"] == "scalar":
        texts = [data["result"][1]]
    else:
        texts = [
            pair[1]
            for series in data["result"]
            for pair in (series.get("values") or [series["value"]])
        ]
    return tuple(value for value in map(float, texts) if math.isfinite(value))


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
