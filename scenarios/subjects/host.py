"""TEMPORARY"""
import sys, os, json, importlib, importlib.util, time, traceback, logging
def main():
    out = os.fdopen(os.dup(1), "wb"); os.dup2(2, 1)
    spec = sys.argv[1]
    sys.path[:] = [p for p in sys.path if not p.endswith("scenarios/subjects")]
    where, _, name = spec.rpartition(":")
    def say(o): out.write(json.dumps(o).encode() + b"\n"); out.flush()
    try:
        if where.endswith(".py"):
            sys.path.insert(0, os.path.dirname(os.path.abspath(where)))
            m = importlib.import_module(os.path.basename(where)[:-3])
        else: m = importlib.import_module(where)
        cls = getattr(m, name)
    except BaseException as e:
        say({"ready": False, "error": {"type": type(e).__name__, "message": str(e)}}); sys.exit(2)
    say({"ready": True, "methods": [n for n in dir(cls) if callable(getattr(cls, n)) and n[0] != "_"]})
    clients = {}
    for line in sys.stdin.buffer:
        m = json.loads(line); i = m["id"]; do = m["do"]
        t = time.perf_counter()
        try:
            if do == "open": clients[m["client"]] = cls(m["redis"]); say({"id": i, "ok": True})
            elif do == "call":
                v = getattr(clients[m["client"]], m["method"])(**m["args"])
                say({"id": i, "ok": v, "ms": (time.perf_counter() - t) * 1000})
            elif do == "close": clients.pop(m["client"], None); say({"id": i, "ok": True})
        except BaseException as e:
            say({"id": i, "error": {"type": type(e).__name__, "message": str(e)}, "ms": (time.perf_counter() - t) * 1000})
main()
