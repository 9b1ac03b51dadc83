"""The public words of X12 837: segments, loops, roles and qualifiers that the reader knows.

From the ASC X12 TR3s 005010X222 (837P) and 005010X223 (837I) and the implementation guides 004010X098 and 004010X096.
Only these words are ever spoken in a message.
"""

from __future__ import annotations

from enum import IntEnum

SEGMENTS = (
    "AMT", "BHT", "CAS", "CL1", "CLM", "CN1", "CR1", "CR2", "CR3", "CR5", "CR6", "CR7", "CRC", "CTP", "CUR", "DMG",
    "DN1", "DN2", "DSB", "DTP", "FRM", "GE", "GS", "HCP", "HI", "HL", "HSD", "IEA", "IMM", "ISA", "K3", "LIN", "LQ",
    "LX", "MEA", "MIA", "MOA", "N2", "N3", "N4", "NM1", "NTE", "OI", "PAT", "PER", "PRV", "PS1", "PWK", "QTY", "REF",
    "SBR", "SE", "ST", "SV1", "SV2", "SV3", "SV4", "SV5", "SV6", "SV7", "SVD", "TA1",
)  # fmt: skip
# NM101 of the loops of names; another role is a loop that no path can name.
ROLES = (
    "41", "40", "85", "87", "PE", "IL", "PR", "QC", "DN", "P3", "82", "77", "DQ", "PW", "45", "71", "72", "73", "ZZ",
    "DK", "FA", "LI", "TL", "QB", "QD", "AO", "AY", "GB", "OD",
)  # fmt: skip


class Loop(IntEnum):
    """A loop, or a family of loops that NM101 tells apart."""

    ENVELOPE = 0
    HEADER = 1
    L1000 = 2
    L2000A = 3
    L2010A = 4
    L2000B = 5
    L2010B = 6
    L2000C = 7
    L2010C = 8
    L2300 = 9
    L2310 = 10
    L2320 = 11
    L2330 = 12
    L2400 = 13
    L2410 = 14
    L2420 = 15
    L2430 = 16
    L2440 = 17


class Level(IntEnum):
    """What contains what: a transaction set, a billing provider, a subscriber, a person, a claim, a line."""

    SET = 0
    BILLING = 1
    SUBSCRIBER = 2
    PERSON = 3
    CLAIM = 4
    LINE = 5


LEVEL_OF = {
    Loop.HEADER: Level.SET, Loop.L1000: Level.SET,
    Loop.L2000A: Level.BILLING, Loop.L2010A: Level.BILLING,
    Loop.L2000B: Level.SUBSCRIBER, Loop.L2010B: Level.SUBSCRIBER,
    Loop.L2000C: Level.PERSON, Loop.L2010C: Level.PERSON,
    Loop.L2300: Level.CLAIM, Loop.L2310: Level.CLAIM, Loop.L2320: Level.CLAIM, Loop.L2330: Level.CLAIM,
    Loop.L2400: Level.LINE, Loop.L2410: Level.LINE, Loop.L2420: Level.LINE, Loop.L2430: Level.LINE,
    Loop.L2440: Level.LINE,
}  # fmt: skip
# Loops as a path writes them: whole, or as a family beside the roles.
PLAIN = {
    "ST": Loop.HEADER, "2000A": Loop.L2000A, "2000B": Loop.L2000B, "2000C": Loop.L2000C, "2300": Loop.L2300,
    "2320": Loop.L2320, "2400": Loop.L2400, "2410": Loop.L2410, "2430": Loop.L2430, "2440": Loop.L2440,
}  # fmt: skip
NAMED = {
    "1000A": (Loop.L1000, "41"), "1000B": (Loop.L1000, "40"), "2010AA": (Loop.L2010A, "85"),
    "2010AB": (Loop.L2010A, "87"), "2010AC": (Loop.L2010A, "PE"), "2010BA": (Loop.L2010B, "IL"),
    "2010BB": (Loop.L2010B, "PR"), "2010CA": (Loop.L2010C, "QC"),
}  # fmt: skip
FAMILIES = {
    "2010A": Loop.L2010A, "2010B": Loop.L2010B, "2010C": Loop.L2010C, "2310": Loop.L2310, "2330": Loop.L2330,
    "2420": Loop.L2420,
}  # fmt: skip

# HI01-1 and its like: what a composite of HI says of its code.
DIAGNOSES = {
    "ABK": ("principal", "10"), "BK": ("principal", "9"), "ABJ": ("admitting", "10"), "BJ": ("admitting", "9"),
    "APR": ("reason", "10"), "PR": ("reason", "9"), "ABN": ("external", "10"), "BN": ("external", "9"),
    "ABF": ("other", "10"), "BF": ("other", "9"),
}  # fmt: skip
PROCEDURES = {
    "BBR": ("principal", "10"), "BR": ("principal", "9"), "BBQ": ("other", "10"), "BQ": ("other", "9"),
}  # fmt: skip

# ST03, or GS08 in 4010, without its errata; the guides that are read.
GUIDES = ("005010X222", "005010X223", "004010X098", "004010X096")
ERRATA = ("", "A1", "A2", "A3")
TRANSACTION = "837"
TRANSACTIONS = {
    "270": "an eligibility inquiry", "271": "an eligibility response", "276": "a claim status request",
    "277": "a claim status response", "278": "a review of services", "820": "a premium payment",
    "834": "an enrollment", "835": "a claim payment", "997": "an acknowledgment", "999": "an acknowledgment",
}  # fmt: skip
