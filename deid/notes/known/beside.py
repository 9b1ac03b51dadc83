"""What stands beside a name, and beside a word that only looks like one; data only, typed from general knowledge."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What clinicians write in capitals that is also a short name.
ABBREVIATIONS = _words(
    """
    abe ace al amy ann art asa ava bea ben bev bo cat chad chip cy dan deb dee del di don dot ed eli em gus hal ian
    ike ira jo jp kat kim kit lance len les liv lu mac mae mal mat max med meg mo moe nan nat ned pac pam pat peg
    pip rad ray rep rip rod ron roy sal sam sid stat tab tad tam ted tia tim tod ty val van vi viv xi
    """
)

# What a name bears, in medicine: after it, the name is an illness, a sign or a device, and nobody.
EPONYM_NOUNS = _words(
    """
    abscess adenoma anemia angina anomaly aphasia area artery arthritis ataxia atrophy bacillus bag band bandage
    bodies body boot brace bypass canal cancer carcinoma cardiomyopathy cast catheter cells chorea clamp
    classification collar complex contracture criteria curette cycle cyst cysts deformity degeneration dementia
    dilator diplegia disease diseases disorder diverticulum drain drains duct dystrophy edema elevator encephalitis
    encephalopathy epilepsy equation esophagus exam exercise exercises exophthalmos factor fasciotomy fever filter
    finger flap forceps formula fracture fractures frame gangrene gastrectomy gland glands goiter graft
    granulomatosis hematoma hernia hook hydrocele hyperplasia hyperthyroidism hypertrophy immobilizer incision index
    infarct jaundice joint knife law lesion leukemia level levels ligament line lines lymphoma macroglobulinemia
    malformation maneuver manoeuvre mask melanoma membrane method monitor muscle myopathy myotonia nails needle
    needles nephritis neuralgia neuroma neuropathy node nodes nodule nodules nystagmus operation ophthalmopathy
    orbitopathy osteotomy palsies palsy paralysis paresis patch pessary phenomenon pin plaque plate point position
    pouch procedure projection prosthesis pseudoparalysis psychosis purpura rash ratio reaction reflex regimen
    repair resection respiration respirations retractor retractors ring rod rods rule sarcoma scale scissors
    scoliosis score scoring screen shunt sign signs solution space speculum sphincter spine splint spots stain
    stenosis stent stitch stone stripper sump suture syncope syndrome syndromes tendon tenosynovitis test tests
    tetralogy therapy thyroiditis thyrotoxicosis tongs tourniquet traction transplant tremor triad triangle trocar
    tube tubes tumor tumors tumour ulcer ulcers valve vasculitis vein ventilation view views virus wave wires wrap
    """
)

# What a word means beside another one: neither of the two is a name there.
_COMPOUNDS = """
    bank: account
    bill: the of for
    bell: call curve jar shaped
    black: american box eschar female male man non or race stool stools tarry widow woman
    blue: cross dye shield
    bond: paper
    brown: bag discharge recluse sequard sputum stool stools urine
    burns: center unit
    care: center management plan provider team unit
    cook: catheter medical swan
    cross: blue match sectional table
    day: care hospital program shift surgery
    drew: blood labs
    frank: blood breech discussion hematuria pus
    gene: panel test testing therapy
    grant: access
    gray: matter white zone
    green: discharge sputum stool zone
    grey: matter turner
    hand: grip hygiene off surgery
    hill: sachs
    hope: lodge this
    jackson: pratt
    king: airway vision
    knight: brace
    lane: reduction
    little: brother finger league sister
    long: acting arm beach bone bones course covid discussion history island leg qt standing term
    love: her his their
    major: depression depressions depressive surgery
    mark: the
    may: also be benefit consider continue give have increase need not repeat require resume return start still take
        use
    miller: abbott blade fisher
    page: number of on the
    pain: abdominal acute and assessment at back chest chronic clinic control free in is level management medication
        medicine meds mild moderate no on scale score service severe team was with
    park: nicollet
    pat: dry test
    price: check
    ray: x
    red: blood cell cells cross eyes flag flags man reflex
    rich: diet in
    rob: the
    rose: bengal
    sharp: chest debridement end pain
    short: acting arm bowel gut leg of stay term
    small: amount bowel cell intestine vessel volume
    stern: tube warning warnings
    stone: in kidney renal gallbladder bladder disease passed size burden free ureteral extraction removal
    still: birth born has having is murmur no smoking taking the with
    stokes: adams cheyne
    strong: family history pulses suspicion
    sun: burn exposure
    turner: grey sign
    wade: in
    walker: front rollator rolling wheeled
    wall: abdominal chest motion stress thickness
    ward: clerk floor medical nurse of on round rounds surgical team the to
    warm: and
    waters: view
    way: the
    wheeler: test
    white: american blood british caucasian cell cells coat count discharge female male man matter non or patches
        plaques race sputum woman
    will: add also arrange be call check consider consult continue decrease discuss follow get give have hold
        increase make monitor need not obtain order plan proceed reassess recheck refer repeat require resume return
        review schedule see send start stop take try
    wood: lamp
    woods: lamp
    young: adult adults athlete child children female gentleman lady male man patient patients woman
"""
COMPOUNDS = {
    word.strip(): frozenset(beside.split())
    for word, _, beside in (line.partition(":") for line in _COMPOUNDS.replace("\n        ", " ").strip().splitlines())
}

# Things called by a name alone.
NAMED_THINGS = _words(
    """
    ace allis apgar babcock balfour bard barrett blake blakemore bovie broviac bruce crohn cushing dobhoff doppler
    fogarty foley fowler french glasgow gomco graves groshong harrington hickman hodgkin holter kelly kirschner
    kocher levin malecot mallory mantoux mayo miller minerva mobitz mohs morse mosquito page parkinson penrose port
    purkinje quinton ramsay rankin richardson robinson romberg salem schatz shiley snellen stryker swan tanner
    tenckhoff thomas trendelenburg ward weber whipple wood yankauer
    """
)

# Before a name.
TITLES_BEFORE = _words(
    """
    mr mrs ms miss mx dr drs doctor prof professor sir madam madame rev reverend judge sgt lt senor senora sra
    mister missus nurse auntie uncle aunt dra
    """
)
RELATIONS = _words(
    """
    wife husband spouse partner son daughter mother father mom dad mum brother sister uncle aunt niece nephew cousin
    grandmother grandfather grandma grandpa grandson granddaughter stepmother stepfather stepson stepdaughter
    guardian caregiver fiance fiancee girlfriend boyfriend friend neighbor roommate named called aka nee alias by
    """
)
NAME_LABELS = _words(
    """
    name patient pt attending provider pcp physician surgeon resident nurse rn md contact guarantor subscriber
    insured mother father spouse wife husband son daughter relative author signed cc from to re attn attention
    surname alias lastname firstname last first dictated reviewed
    """
)
# What only people do.
PERSON_VERBS = _words(
    """
    denies denied reports reported states stated complains complained endorses endorsed says said called tells told
    lives lived wants wanted wishes agrees agreed understands verbalized verbalizes smokes drinks ate tolerated
    ambulated slept signed requests requested asked asks describes described thinks believes underwent arrived
    """
)
OTHER_VERBS = _words(
    """
    is was has had may will would can could did does
    """
)
# With 's before them, as much a person's as an illness's: "Brown's exam".
PERSONAL_NOUNS = _words(
    """
    body cancer cast cells exam exercise exercises finger flap forceps graft incision index joint knee lesion line
    lines mask monitor muscle nails operation paralysis plan point position procedure reaction repair resection
    scale screen spine stitch stone test tests therapy transplant tube tumor ulcer vein view
    """
)
# Between a name and what bears it: "Graves' eye disease".
BETWEEN_NOUNS = _words(
    """
    cell eye facial hip muscular nerve nephrotic bladder urinary cerebral knee thyroid skin spinal
    """
)
# What is said of a thing that is called by a name alone: "Foley removed".
THING_STATES = _words(
    """
    removed placed inserted draining drained drains drainage in to out intact patent present changed discontinued dc
    replaced clamped catheter care output kept remains care size fr french
    """
)
# Abbreviations of two and three letters that are written with points: no initials of anybody.
INITIALISMS = _words(
    """
    ac ad adl am ap aug bc bid bm bp ca cc ce cn cv cx dc dd do dt dvt dx ed eg eh ek etc fh fx gi gu ha hd hr hs hx
    ie im iu iv jp kg la lb ld lmp lp lv ma mb mc md mg mi ml mm mr ms nd ng np npo ob od oe on op or os ot ou pa pc
    pe ph phd pm po pp pr prn ps pt pta pvd qam qd qds qh qhs qid qod qpm ra rbc rn rr rx sb sc si sl sob sp sq ss
    st sv sx ta tb td tid tx uk un us usa va vs wbc wt
    """
)
# What is run together with a name where a blank was lost: "SMITHMRN", "Drkorhonen".
GLUED_LABELS = _words("mrn dob ssn age dos pcp md rn np pa do sex dr mr mrs ms mx patient pt name phone tel acct")
DIRECTIONS = _words("n s e w ne nw se sw")
# Where the name of an institution turns into what kind of one it is.
FACILITY_TYPES = _words(
    """
    medical hospital clinic health healthcare center centre university college school academy nursing rehabilitation
    rehab memorial general regional community county care pharmacy laboratory laboratories hospice associates group
    practice physicians surgery surgical cancer children childrens womens veterans behavioral urgent family
    pediatrics orthopedics cardiology internal medicine services system systems institute foundation inc llc corp
    corporation co company ltd industries manor living assisted dental
    """
)
