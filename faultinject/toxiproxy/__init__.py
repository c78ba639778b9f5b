"""Toxiproxy twice: its HTTP API answered by midpipe's own proxy, and a real Toxiproxy as a source of network faults.

``api`` is a pure function from a request and the state to an answer and effects; ``chain`` and ``toxics`` are pure
machines over chunks and times; ``service``, ``route`` and ``connection`` carry them out on the loop of
``midpipe.faultinject.net``; only ``http_server`` speaks HTTP. ``binary`` starts a real Toxiproxy, ``client`` drives it.

How midpipe's proxy differs from Toxiproxy 2.12, on purpose:

- ``slicer`` with an ``average_size`` of 0 passes bytes unsliced; Toxiproxy recurses until its server crashes.
- Random numbers (toxicity, jitter, slicing) follow ``--seed``, so a run can be repeated; Toxiproxy ignores its seed.
- A proxy without a listen address, or whose address has no host, listens on the loopback only.
- Without ``--token`` no proxy listens on an address that other machines reach (403), and a request whose Host header is
  neither an IP address nor a name of the loopback is refused (403; ``--allow-host`` allows a name).
- With ``--token`` a request needs ``Authorization: Bearer …`` (401).
- A PATCH that is refused changes nothing; Toxiproxy keeps the attributes that stood before the invalid one.
- JSON is read strictly: field names in their exact case, and nothing after the value. The texts of errors differ; their
  statuses and fields don't.
- ``/metrics`` (with ``--proxy-metrics``) counts bytes as they pass, Toxiproxy when their connection ends.
- Further toxic types place a fault at a command: see ``wire_toxics``.
"""
