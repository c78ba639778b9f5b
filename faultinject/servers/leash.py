"""TEMPORARY"""
from __future__ import annotations
import subprocess, tempfile, shutil, itertools
from pathlib import Path
_SH = 'trap "" INT HUP TERM; pids=""; while read -r l; do case "$l" in +*) pids="$pids ${l#+}";; -*) n=""; for p in $pids; do [ "$p" = "${l#-}" ] || n="$n $p"; done; pids="$n";; esac; done; [ -n "$pids" ] && kill -9 $pids 2>/dev/null; rm -rf -- "$1"'
class RunDirectory:
    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="midpipe-"))
        self._sh = subprocess.Popen(["sh", "-c", _SH, "sh", str(self.path)], stdin=subprocess.PIPE, start_new_session=True)
        self._n = itertools.count()
    def subdirectory(self, name: str) -> Path:
        p = self.path / f"{name}{next(self._n)}"; p.mkdir(); return p
    def _w(self, s: str) -> None:
        if self._sh.stdin and not self._sh.stdin.closed:
            self._sh.stdin.write(s.encode() + b"\n"); self._sh.stdin.flush()
    def guard(self, pid: int) -> None: self._w(f"+{pid}")
    def release(self, pid: int) -> None: self._w(f"-{pid}")
    def close(self) -> None:
        if self._sh.stdin and not self._sh.stdin.closed: self._sh.stdin.close(); self._sh.wait()
    def __enter__(self): return self
    def __exit__(self, *a): self.close()
