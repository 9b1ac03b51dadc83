# ruff: noqa: RUF001 - look-alike characters are what this file is about
"""Characters that stand for plain ones, and that Unicode's decompositions do not lead back to them: data only.

Letters of other scripts are listed where one of their cases looks like a Latin letter; both cases change together, so
that a name in its own script still equals itself in capitals. Source of the pairs: the shapes in the code charts of
the Unicode Standard.
"""

from __future__ import annotations

from collections.abc import Sequence


def _pairs(these: str, those: Sequence[str]) -> dict[str, str]:
    return dict(zip(these, those, strict=True))


_LATIN = {
    **_pairs("łŁøØđĐħĦıðÐŧŦƀɓƁɗƊƒƑɠƓƙƘɨƗɫƝɲƥƤɍɌʂƫƬʋƲƴƳƶƵȥȤɉɈɏɎ", "lLoOdDhHidDtTbbBdDfFgGkKiIlNnpPrRstTvVyYzZzZjJyY"),
    **_pairs("ɑɡɩɪɴʀʏʟʙɢʜᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜰꜱǀǃ", "agiinrylbghacdejkmoptuvwzfsl!"),
    **_pairs("ßẞæÆœŒþÞ", ("ss", "SS", "ae", "AE", "oe", "OE", "th", "Th")),
}
_CYRILLIC = {
    **_pairs("авеіјкмнорсԁѕтухһԛԝԍӏґ", "abeijkmhopcdstyxhqwglr"),
    **_pairs("АВЕІЈКМНОРСԀЅТУХҺԚԜԌӀҐ", "ABEIJKMHOPCDSTYXHQWGLR"),
}
_GREEK = _pairs("αβεζηικμνορτυχςΑΒΕΖΗΙΚΜΝΟΡΤΥΧϲϹϳ", "abezhikmnoptyxσABEZHIKMNOPTYXcCj")
_ARMENIAN = _pairs("օՕսՍոհցզյԼ", "oOuUnhgqjL")
_CHEROKEE = _pairs("ᎪᏴᏟᎠᎬᎩᎻᎫᏦᏞᎷᏃᏢᎡᏚᎢᏙᎳᎽᏃᎥ", "ABCDEFHJKLMZPRSTVWYZi")
_LISU = _pairs("ꓮꓐꓚꓓꓰꓝꓖꓧꓲꓙꓗꓡꓟꓠꓳꓑꓣꓢꓔꓴꓦꓪꓫꓬꓜ", "ABCDEFGHIJKLMNOPRSTUVWXYZ")
_LETTERS_IN_BOXES = {chr(first + at): chr(ord("A") + at) for first in (0x1F150, 0x1F170, 0x1F1E6) for at in range(26)}
_MARKS = {
    **dict.fromkeys("‐‑‒–—―−﹘⁃➖", "-"),
    **dict.fromkeys("‘’‛′ʼ`´ʻʹˈ", "'"),
    **dict.fromkeys("“”„″‟«»", '"'),
    **dict.fromkeys("⁄∕", "/"),
    **dict.fromkeys("∶ː꞉", ":"),
    **dict.fromkeys("․", "."),
    **dict.fromkeys("‚", ","),
    **dict.fromkeys("∗⁎", "*"),
    **dict.fromkeys("～∼˜", "~"),
}
SPECIAL: dict[str, str] = {
    **_LATIN, **_CYRILLIC, **_GREEK, **_ARMENIAN, **_CHEROKEE, **_LISU, **_LETTERS_IN_BOXES, **_MARKS
}  # fmt: skip

# Characters that show nothing, beside those of category Cf: fillers and joiners that Unicode calls letters or marks.
INVISIBLE = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0\u034f\u2800")
