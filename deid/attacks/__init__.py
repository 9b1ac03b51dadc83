"""The shelf of attackers: one file each, one visible registry. docs/formats/attack.md is the specification."""

from __future__ import annotations

from deid.attacks.acquaintance import Acquaintance
from deid.attacks.base import Attacker
from deid.attacks.months import Months
from deid.attacks.notes import Notes
from deid.attacks.offsets import DateOffsets
from deid.attacks.parrot import Parrot
from deid.attacks.pseudonyms import Pseudonyms
from deid.attacks.recipients import Recipients
from deid.attacks.row_order import RowOrder
from deid.attacks.side_channels import SideChannels
from deid.attacks.small_cells import SmallCells
from deid.attacks.voter_list import VoterList

ATTACKERS: dict[str, Attacker] = {
    attacker.name: attacker
    for attacker in (
        VoterList(),
        Acquaintance(),
        Months(),
        Recipients(),
        Pseudonyms(),
        DateOffsets(),
        RowOrder(),
        SideChannels(),
        SmallCells(),
        Notes(),
        Parrot(),
    )
}

__all__ = ["ATTACKERS", "Attacker"]
