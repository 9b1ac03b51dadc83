"""Random pseudonyms, kept from release to release: filled before the transform, then frozen; copied and restored.

An export opens a `Crosswalk` (crosswalk.py, growing.py), shows it every identifier and freezes it; transforms look up
in the `FrozenCrosswalk` (frozen.py, lookup.py). generations.py commits sealed partitions.py under a lock (locking.py),
so that they survive kill -9, also for the ledgers and the store of published tables. head.py remembers what is newest;
checking.py, copies.py and site.py are behind `deid crosswalk`, reversing.py behind `deid reidentify`.
docs/formats/crosswalk.md is the specification.
"""
