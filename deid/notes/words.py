"""Word lists: data only, typed for this project from general knowledge; no matching is done here."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names that are English words, months, body parts or clinical words: looked for only where they are capitalized.
COMMON_NAMES = _words(
    """
    abbey able acute aide aiken alert alma amber amen an angel apple april arch arms art ash august autumn back
    bacon bailey baker ball banks barber barker barn barrel bass beach bean bear beard beck bell bench berry best
    bill birch bird bishop black blank blood bloom blue bolt bond bone booker booth bow bowl bowman box boy brain
    branch brand bread brave bright brook brooks brown buck bull burden burns bush butcher butler button cain call
    camp cannon card care carpenter carry carter case cash castle chance chandler charity chart chase cherry chest
    chin christian church clay clear clinic close cloud coach coffee cold cole cook cooper cord corn cotton court
    cove crane cross crown cruise cure curry cutter dark darling date dates dawn day days dean dear deck deep dell
    denial derry dial diamond dick dial do dock dorsey dose dove down drain drake draw dream drew drinkwater drought
    drum duke dusty dyer eagle ear earl early east eden eve ever eye fair faith fall falls farmer fast fear fed
    fever field fields file fine fish fisher fitch flag flint flood flower flowers flush foley ford forest forge
    foster fountain fox frank free french friend frost full gale gardener gate gates gay gene genesis gentle ginger
    glass glory gold good goodman grace grant graves gray green grey ground grove guy hale hall hand hands hardy
    harmony hart hatch haven hawk hay hays hazel head heal heart heath heather heaven held help hill hilt history
    hold holiday holly hood hope horn house howe hunt hunter hurt husband ice iris iron islam ivory ivy jack jade
    jasmine jay jean jewel jordan joy judge june junior just justice keen key kidd kidney kind king kitchen knight
    la lace lake lamb land lane large lark laurel law lay leaf leak lee leg lemon level li liberty light lily link
    liver lock long lord love low lung luck lucky lump ma mace magnolia major man mane march mark marks marsh
    marshal marshall mason masters max may mayo me melody mercy merry met mike mild miles mill miller mills mind
    mine minor mint miracle misty mode monitor moody moon moore moral more morning moss mount mountain mutter my
    myrtle nail nails near neat neck needle new night no noble noel nose norm north null nurse nurses oak oaks oar
    olive on opal or orange ore outlaw pace page pain painter pale palm pan park parker parks parrot past pat patch
    patience pay payne peace peak pear pearl pearce penny pepper petty pharmacy pickle pierce pike pine pink piper
    pitt plant plum plummer poe pole poor pope poplar porter post potter pound powers precious present presley price
    pride prince prior proctor prudence pruitt psalm purple queen quick quill rage ramp rank rash raven ray read
    reading real reason red reed rest rice rich riddle ring rivers roach road rob robin rock roman romance rose
    rosemary roof root rough round royal ruby rule rust rusty rye sadler saffron sage sailor saint salmon salt sand
    sandy savage scales school scott seal seals see self serenity service sharp shaw shell shepherd shine shirt
    shock short sides silver simple singer singleton skin skinner sky slaughter small smart smith smoke snow so son
    songs sore sorrow south spark speaker spears speed spell spice spring star stark steel stern stiff still stokes
    stone storm story stout strain street strong sue sugar suite summer summers sun sunny sure swan swann sweat
    sweet swift sy sylvia tab tan tanner tape taylor teal temple temperance terry thorn thorne thumb tiger to todd
    toe town townsend trace trail trainer travel traveler treat tripp trinity true trust tucker turner twin twine
    usher vale valentine van vein victor victory viola violet virgin virtue vision waddle wade waist walker wall
    walls ward ware warm warmth wart washer waters way wayne weaver webb weed weeks weight welch well wells west
    wheat wheel wheeler white wild wilder will willing willow wills win wind winds winter winters wise wolf wolfe
    wood woods workman world worth wound wren wright wrist ye yarn york you young
    """
)

# Cities, employers and facilities that are English words: looked for only where they are capitalized.
COMMON_PLACES = _words(
    """
    academy advance alliance alpine america anchor antioch aurora banner beaver belief benton bend big boulder
    branson broken buffalo bullhead canyon carbon cedar center central chesterfield citizen city clearwater climax
    clinton college columbia columbus commerce community concord corona corning covenant crescent crossroads crystal
    defiance delta direct douglas dover eclipse eureka evergreen express fairness falling farmer federal fishers
    fishing florence friendship frontier gap general georgia globe golden granite gulf harbor harvest high highland
    home homestead hospital hospice hurricane independence industry intel jackson jersey junction justice lebanon
    liberal lincoln loving madison manhattan manor marathon medical meadow medicine memorial mercury meridian
    metropolis mobile momentum moose morocco national natural normal oasis oracle orchard orient oxford pacific
    panama paradise peculiar phoenix pilot pioneer pleasant plains plymouth point portland practice prairie progress
    prospect prosper protection providence pueblo quality rapid reading republic rescue retired rifle river romance
    royal salem salina sandwich scales self sharp shell show southwest sparks sprint square staples state station
    student superior surprise target trinity truth twist uber union unit unity universal university valley verizon
    virginia visa volcano warren washington westside whale wheat why zoom
    """
)

# Parts of names that never stand for a person alone.
PARTICLES = _words(
    """
    af al ap av bar ben bin bint d da das de degli dei del della den der des di do dos du e el ibn il in la las le
    les lo los mac mc o of op of san santa st saint t te ten ter the und van vande vanden vander von vom y z zu zum
    zur
    """
)

TITLES = _words(
    """
    mr mrs ms miss mx dr prof professor doctor nurse sir madam rev md do rn np pa lpn cna phd dnp fnp dds dmd od dpm
    pharmd facp facs esq jr sr ii iii iv v fr pac aprn crna lcsw msw pt ot slp bsn msn mph mba ma
    """
)

# One spelling for each street word, so that "Street" in the record finds "St" in the note and the other way round.
STREET_WORDS = {
    long: short
    for short, longs in {
        "st": "street str saint",
        "ave": "avenue av aven",
        "rd": "road",
        "dr": "drive drv",
        "ln": "lane",
        "blvd": "boulevard boul",
        "ct": "court",
        "pl": "place",
        "ter": "terrace terr",
        "cir": "circle",
        "hwy": "highway",
        "pkwy": "parkway",
        "sq": "square",
        "trl": "trail",
        "aly": "alley",
        "xing": "crossing",
        "apt": "apartment",
        "ste": "suite",
        "n": "north",
        "s": "south",
        "e": "east",
        "w": "west",
        "ne": "northeast",
        "nw": "northwest",
        "se": "southeast",
        "sw": "southwest",
    }.items()
    for long in longs.split()
}
STREET_TYPES = _words(
    """
    st ave rd dr ln blvd ct pl ter cir hwy pkwy sq trl aly xing way row loop path run
    """
)
UNIT_WORDS = _words(
    """
    apt unit ste rm room floor fl bldg building lot trlr
    """
)

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
            "sep sept september", "oct october", "nov november", "dec december",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
