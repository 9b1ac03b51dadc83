"""Ordinary words that English writes with a capital, so that counts of small letters miss them: data only.

Written for this project. Beside each group stands what share of a million words its words are taken to be.
"""

from __future__ import annotations

_GROUPS: dict[float, str] = {
    60.0: """
        january february march april may june july august september october november december monday tuesday wednesday
        thursday friday saturday sunday english american i mr mrs ms
        """,
    10.0: """
        jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun christmas easter
        thanksgiving halloween god lord internet web email medicare medicaid covid christian catholic jewish muslim
        british french german spanish chinese japanese indian italian russian greek african asian european hispanic
        latino mexican canadian united states usa fax tel phone ok okay tv pm am est pst cst edt pdt cdt
        """,
    2.0: """
        hanukkah ramadan passover diwali ramadan lent advent memorial labor veterans presidents columbus juneteenth
        protestant baptist methodist lutheran mormon buddhist hindu islam islamic christianity judaism bible quran torah
        jehovah episcopal orthodox presbyterian evangelical amish sikh atheist google facebook zoom skype facetime
        uber lyft amazon netflix youtube twitter instagram iphone ipad android fitbit apple microsoft walmart costco
        fda cdc nih who cms hipaa aarp irs dmv ssa va ada faa osha epa tricare aetna cigna humana anthem
        unitedhealthcare bcbs bluecross blueshield kaiser molina centene hmo ppo epo hsa fsa cobra snap wic ssi ssdi
        epic cerner mychart athena allscripts loinc snomed icd cpt hcpcs ndc fhir latin arabic vietnamese korean
        portuguese polish dutch irish swedish norwegian danish finnish turkish hebrew persian farsi tagalog hindi
        """,
}

FREQUENCIES = {word: share for share, text in _GROUPS.items() for word in text.split()}
