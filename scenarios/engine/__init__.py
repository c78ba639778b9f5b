"""How cases are run and judged: the rig, one case, exploration, findings, the gate."""
