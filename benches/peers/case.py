"""What a row is made of, and how arrays travel to both sides."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path


class Skip(Exception):
    """A row or case that cannot be measured here; the text says why."""


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    label: str
    must: float  # ours over the best peer's: at most this; or our time in `bar`
    reach: float
    inputs: dict = field(default_factory=dict)  # whatever the row's prepare() reads
    bar: str = ""  # "ms": must and reach are milliseconds, for a row without peers
    peers: tuple = ()  # names of the row's PEERS that take part; all if empty

    def key(self):
        return re.sub(r"[^a-z0-9]+", "-", self.label.lower()).strip("-")


def data(file):
    """A file of the public data sets, or a Skip."""
    folder = os.environ.get("SHOPTIDE_DATA")
    if not folder:
        raise Skip("SHOPTIDE_DATA is not set")
    path = Path(folder) / file
    if not path.exists():
        raise Skip(f"{path} is not there")
    return path


def saved(path, make):
    """Writes the array that `make` returns unless the file is there; returns the path as text.

    Raw little-endian numbers, row after row: what `benches/src/peers/arrays.rs` reads.
    """
    path = Path(path)
    if not path.exists():
        partial = path.with_suffix(".partial")
        make().tofile(partial)
        partial.rename(path)
    return str(path)
