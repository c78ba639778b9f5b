"""Where the program of a real Toxiproxy comes from: a given file, PATH, or a build that is announced and cached."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.toxiproxy.binary import TOXIPROXY_VERSION, toxiproxy_binary


def program(folder: Path, name: str, *lines: str) -> Path:
    """Write an executable shell script."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH besides the system's, without a Toxiproxy or Go, and an empty cache."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_a_given_file_is_taken(path: Path) -> None:
    given = program(path, "mine")
    assert toxiproxy_binary(str(given)) == str(given)


def test_a_given_file_that_does_not_exist_is_reported(path: Path) -> None:
    with pytest.raises(ServerError, match=r"There is no file .*missing"):
        toxiproxy_binary(str(path / "missing"))


def test_a_toxiproxy_on_path_is_taken(path: Path) -> None:
    found = program(path, "toxiproxy-server")
    assert toxiproxy_binary() == str(found)


def test_a_build_is_announced_once_and_cached(path: Path, tmp_path: Path) -> None:
    program(path, "go", 'echo built by "$@" >"$GOBIN/server"')
    announced: list[str] = []
    built = toxiproxy_binary(notify=announced.append)
    assert built == str(tmp_path / "cache" / "midpipe" / f"toxiproxy-{TOXIPROXY_VERSION}")
    assert f"cmd/server@v{TOXIPROXY_VERSION}" in Path(built).read_text()
    assert [built in text for text in announced] == [True]
    assert toxiproxy_binary(notify=announced.append) == built
    assert len(announced) == 1


def test_a_build_that_fails_is_reported_with_its_reason_and_the_way_out(path: Path) -> None:
    program(path, "go", "echo no such module >&2", "exit 1")
    with pytest.raises(ServerError, match=r"no such module.*--via midpipe"):
        toxiproxy_binary()


@pytest.mark.usefixtures("path")
def test_without_toxiproxy_and_go_the_ways_out_are_named() -> None:
    with pytest.raises(ServerError, match=r"no Go to build one.*--toxiproxy.*--via midpipe"):
        toxiproxy_binary()
