"""Toxiproxy twice: its HTTP API answered by midpipe's own proxy, and a real Toxiproxy as a source of faults.

``api`` is a pure function from a request and the state of the world to an answer and effects; ``chain`` and
``toxics`` are pure machines over chunks and times; ``service``, ``route`` and ``connection`` are the shell on the
loop of ``midpipe.faultinject.net``. ``binary`` and ``client`` start and drive a real Toxiproxy.

What midpipe's proxy does otherwise than Toxiproxy 2.12, on purpose:

- ``slicer`` with an ``average_size`` of 0 passes bytes on unsliced; the original recurses until its stack overflows,
  and the whole server is gone.
- The dice of toxicity, jitter and slicing follow ``--seed``, so that a run can be had again; the original throws the
  generator that it seeds away.
- A proxy without a listen address, or with one that names no host, listens on the loopback only.
- A PATCH that is refused changes nothing; the original keeps the attributes that stood before the bad one.
- With ``--token`` a request needs ``Authorization: Bearer …``; without it, 401.
- ``/metrics`` (with ``--proxy-metrics``) counts bytes as they pass, the original when their connection ends.
- Further toxic types place a fault at a command: see ``wire_toxics``.
"""
