"""What HL7 v2 itself says: names of segments and messages, which segments belong below which, what is coded.

Sources: HL7 v2.8, chapters 2 (control), 3 (ADT), 4A (RXA), 6 (finance), 7 (observations), 9 (documents); tables 0003
(events), 0076 (message types), 0211 (character sets), 0396 (coding systems).
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Segment and message names are spoken in counts only where they are HL7's own: any other may be a piece of a cell.
SEGMENTS = _names(
    "ABS ACC ADD ADJ AFF AIG AIL AIP AIS AL1 APR ARQ ARV AUT BHS BLC BLG BPO BPX BTS BTX BUI CDM CDO CER CM0 CM1 CM2 "
    "CNS CON CSP CSR CSS CTD CTI CTR DB1 DEV DG1 DMI DON DPS DRG DSC DSP DST ECD ECR EDU EQP EQU ERR EVN FAC FHS FT1 "
    "FTS GOL GP1 GP2 GT1 IAM IAR IIM ILT IN1 IN2 IN3 INV IPC IPR ISD ITM IVC IVT LAN LCC LCH LDP LOC LRL MCP MFA MFE "
    "MFI MRG MSA MSH NCK NDS NK1 NPU NSC NST NTE OBR OBX ODS ODT OH1 OH2 OH3 OH4 OM1 OM2 OM3 OM4 OM5 OM6 OM7 OMC ORC "
    "ORG OVR PAC PCE PCR PD1 PDA PDC PEO PES PID PKG PM1 PMT PR1 PRA PRB PRC PRD PRT PSG PSH PSL PSS PTH PV1 PV2 PYE "
    "QAK QID QPD QRD QRF QRI RCP RDF RDT REL RF1 RFI RGS RMI ROL RQ1 RQD RXA RXC RXD RXE RXG RXO RXR RXV SAC SCD SCH "
    "SCP SDD SFT SGH SGT SHP SID SLT SPM STF STZ TCC TCD TQ1 TQ2 TXA UAC UB1 UB2 URD URS VAR VND"
)
MESSAGES = _names(
    "ACK ADR ADT BAR BPS BRP BRT BTS CCF CCI CCM CCQ CCR CCU CQU CRM CSU DBC DBU DEL DEO DER DFT DOC DPR DRC DRG DSR "
    "EAC EAN EAR EHC ESR ESU INR INU LSR LSU MDM MFD MFK MFN MFQ MFR NMD NMQ NMR OMB OMD OMG OMI OML OMN OMP OMQ OMS "
    "OPL OPR OPU ORA ORB ORD ORF ORG ORI ORL ORM ORN ORP ORR ORS ORU ORX OSM OSQ OSR OUL PEX PGL PIN PMU PPG PPP PPR "
    "PPT PPV PRR PTR QBP QCK QCN QRY QSB QSX QVR RAR RAS RCI RCL RDE RDR RDS RDY REF RER RGR RGV ROR RPA RPI RPL RPR "
    "RQA RQC RQI RQP RRA RRD RRE RRG RRI RSP RTB SCN SDN SDR SIU SLN SLR SMD SQM SQR SRM SRR SSR SSU STC STI SUR TBR "
    "TCR TCU UDF UDM VXQ VXR VXU VXX"
)
HEADER = frozenset({"MSH", "SFT", "UAC", "EVN"})
ENVELOPE = frozenset({"FHS", "BHS", "BTS", "FTS"})
# Segments that follow the one they belong to; those that a patient or a message has are everything else.
BELOW: dict[str, frozenset[str]] = {
    "PV1": frozenset({"PV2", "DRG"}),
    "IN1": frozenset({"IN2", "IN3"}),
    "FT1": frozenset({"PR1"}),
    "RXA": frozenset({"RXR"}),
    "OBR": frozenset({"OBX"}),
    "TXA": frozenset({"OBX"}),
}

# Fields of coded types (CE, CWE, CNE) whose codes come from systems that the message names: a code of a local one may
# hide an identifier, so these are read by `[system=…]` only.
CODED = _names(
    "AL1-3 DG1-3 DG1-8 FT1-7 FT1-19 FT1-25 FT1-26 FT1-27 FT1-29 GOL-3 IAM-3 OBR-4 OBR-31 OBR-44 OBR-45 OBX-3 ORC-16 "
    "PDA-1 PR1-3 PR1-16 PRB-3 PV2-3 RXA-5 RXC-2 RXD-2 RXE-2 RXG-4 RXO-1 SPM-4"
)
RESULT = "OBX-5"
CODED_RESULTS = frozenset({"CE", "CF", "CNE", "CWE"})
# Before 2.4 the coding system of DG1-3 and PR1-3 stood in the field before it (chapter 6.5.2.2).
SYSTEM_BESIDE = {"DG1-3": 2, "PR1-3": 2}
NO_SYSTEM = "none"
SYSTEMS: dict[str, tuple[str, ...]] = {
    "icd10cm": ("I10", "I10C", "I10CM", "I10-CM", "ICD10", "ICD-10", "ICD10CM", "ICD10-CM", "ICD-10CM", "ICD-10-CM",
                "2.16.840.1.113883.6.90"),
    "icd10pcs": ("I10P", "I10PCS", "ICD10PCS", "ICD10-PCS", "ICD-10PCS", "ICD-10-PCS", "2.16.840.1.113883.6.4"),
    "icd9cm": ("I9", "I9C", "I9M", "I9CM", "I9CDX", "I9CP", "ICD9", "ICD-9", "ICD9CM", "ICD9-CM", "ICD-9CM", "ICD-9-CM",
               "2.16.840.1.113883.6.103", "2.16.840.1.113883.6.104"),
    "snomed": ("SCT", "SNOMED", "SNOMEDCT", "SNOMED-CT", "SNOMED CT", "2.16.840.1.113883.6.96"),
    "loinc": ("LN", "LOINC", "2.16.840.1.113883.6.1"),
    "cpt": ("C4", "CPT", "CPT4", "CPT-4", "2.16.840.1.113883.6.12"),
    "hcpcs": ("HCPCS", "HPC", "HCPT", "2.16.840.1.113883.6.285"),
    "ndc": ("NDC", "2.16.840.1.113883.6.69"),
    "cvx": ("CVX", "2.16.840.1.113883.12.292", "2.16.840.1.113883.6.59"),
    "rxnorm": ("RXNORM", "2.16.840.1.113883.6.88"),
}  # fmt: skip

# ADT events after which one number stands for what two stood for (chapter 3.3; A18 and A36 are of the older versions).
MERGES = frozenset({"A18", "A30", "A34", "A36", "A39", "A40", "A46", "A47"})
LINK, UNLINK = "A24", "A37"
PRIOR = {"PID-2": "MRG-4", "PID-3": "MRG-1", "PID-4": "MRG-2"}

CHARACTER_SETS: dict[str, str] = {
    "ASCII": "ascii", "UNICODE UTF-8": "utf-8", "UNICODE": "utf-8", "UTF-8": "utf-8", "UTF8": "utf-8",
    "8859/1": "latin-1", "8859/2": "iso8859-2", "8859/3": "iso8859-3", "8859/4": "iso8859-4", "8859/5": "iso8859-5",
    "8859/6": "iso8859-6", "8859/7": "iso8859-7", "8859/8": "iso8859-8", "8859/9": "iso8859-9",
    "8859/15": "iso8859-15", "GB 18030-2000": "gb18030", "BIG-5": "big5",
}  # fmt: skip


def number_of(name: str) -> int:
    """Return a name of three letters as one number, as they stand in a message."""
    return int.from_bytes(name.encode("ascii"), "big")


def name_of(number: int) -> str:
    """Return the three letters that a number stands for."""
    return number.to_bytes(3, "big").decode("ascii", errors="replace")
