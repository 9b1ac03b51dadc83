"""The words of which short public lists consist, for the shapes of columns that hold words; data only.

Typed for this project after HL7 v2 and FHIR R4 value sets, OMB race and ethnicity categories, ISO 639, ISO 3166, the
Uniform Billing manual, X12 code lists and UCUM. Some words are surnames too (Long, Ward, Brown), which nobody can tell
from the word; given names do not belong here (amber is missing among the colors), but for Karen, a language, and
Jordan, a country.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.replace(",", " ").split())


def _names(text: str) -> frozenset[str]:
    return frozenset(" ".join(name.split()) for name in text.split(","))


UNKNOWN = _words(
    """
    unknown unk unspecified undetermined undisclosed unavailable asked but not declined to answer specify refused
    patient choose disclose prefer provided reported recorded applicable available none null nil na n/a nos other
    missing blank no information ask asku nask nav oth not-asked
    """
)
SEX = UNKNOWN | _words(
    """
    female male f m u x o a n man woman boy girl intersex ambiguous indeterminate undifferentiated nonbinary non
    binary transgender trans genderqueer diverse nonconforming gender self identified queer mtf ftm
    """
)
RACE = UNKNOWN | _words(
    """
    african alaska alaskan aleut american and arab asian black caucasian central chinese combination east eastern
    eskimo european filipino guamanian chamorro hawaiian hispanic indian indigenous island islander islanders japanese
    korean latino latina latinx middle mixed more than one multiple multiracial biracial native nhopi nh hpi aian
    north of or pacific persons samoan some south southeast thai tribe two race races vietnamese western white
    cambodian hmong laotian pakistani bangladeshi polynesian micronesian melanesian tongan fijian ethnicity
    """
)
ETHNICITY = RACE | _words(
    """
    central cuban dominican guatemalan hispanic latin latina latino latinx mexican non nonhispanic not origin puerto
    rican salvadoran south spaniard spanish chicano chicana honduran colombian ecuadorian peruvian
    """
)
MARITAL = UNKNOWN | _words(
    """
    annulled civil common cohabiting cohabitating decree divorced domestic engaged interlocutory law legally living
    married never partner partnered partnership polygamous registered remarried separated significant single together
    union unmarried widow widowed widower with
    """
)
YES_NO = _words("true false yes no y n t f")
DECEASED = UNKNOWN | _words("true false yes no y n t f alive dead deceased died expired living")
LANGUAGE = UNKNOWN | _words(
    """
    afrikaans akan albanian amharic arabic armenian assamese azerbaijani bambara basque belarusian bengali bosnian
    bulgarian burmese cambodian cantonese catalan cebuano chamorro chinese chuukese creole croatian czech danish dari
    dutch english estonian ewe farsi fijian finnish flemish french fula fulani ga galician ganda georgian german greek
    guarani gujarati haitian hakka hausa hawaiian hebrew hindi hmong hungarian icelandic igbo ilocano indonesian inuit
    irish italian japanese javanese kannada karen kashmiri kazakh khmer kinyarwanda kirundi korean kru kurdish kyrgyz
    lao laotian latin latvian lingala lithuanian macedonian malagasy malay malayalam maltese mandarin maori marathi
    marshallese mien mongolian navajo nepali norwegian oromo pashto persian polish portuguese punjabi quechua romanian
    romany russian samoan sanskrit serbian sesotho shona sindhi sinhala slovak slovenian somali spanish sudanese
    swahili swedish tagalog filipino taiwanese tajik tamil telugu thai tibetan tigrinya tongan turkish turkmen twi
    ukrainian urdu uyghur uzbek vietnamese welsh wolof xhosa yiddish yoruba zulu american sign language languages asl
    simplified traditional brazilian latin european and african native
    """
)
PAYER = UNKNOWN | _words(
    """
    a advantage aetna affairs agency aid allwell ambetter amerigroup amerihealth and anthem assistance auto automobile
    bcbs benefit benefits blue bluecross blueshield bureau c care caresource carelon centene champus champva charity
    children chip choice cigna commercial community comp compensation consumer correctional county coverage cross d
    department dental dual dually eligible emblemhealth employee employer epo exchange family federal fee fehb ffs
    fidelis financial for foreign free geisinger government group hdhp health healthcare healthfirst healthnet
    highmark hmo hospice humana ihs indemnity indian indigent individual insurance insurances insured kaiser liability
    local magellan managed marketplace medi medicaid medical medicare medigap medshield member military molina mutual
    national no non of only optum option org organization oscar out own paid part partnership pay payer payor
    permanente plan plus point pos ppo pps premera preferred premium prepaid prescription primary private professional
    program project provider public qualified qhp railroad responsibility risk secondary security self selfpay
    selfinsured service services share shield short snp special state student supplement supplemental supplementary
    tertiary third party third-party title traditional travel tricare unemployment uninsured united unitedhealth
    unitedhealthcare upmc us v va veteran veterans vision wellcare wellpoint wellness with without worker workers
    workmens workman xix xviii xxi
    """
)
VISITS = UNKNOWN | _words(
    """
    acute admission admit ambulance ambulatory amb appointment birth bed boarder center clinic community consult
    consultation daycase day dental department diagnostic dialysis disaster direct ed elective emergency emd emer er
    encounter established exam express extended facility field first fld follow followup for from gp hh home hospice
    hospital hosp hospitalization hosp-trans house imaging imp in inpatient intermediate kept lab laboratory level
    long longterm maternity mental health icu intensive care less medical mp new newborn nonac non nonacute nursing
    obsenc obs observation obstetrics office office-visit op ot outp outpatient patient phone physician planned prenc
    preadmission preadmit pre prompt psych psychiatric psy recovery recurring referral rehab rehabilitation
    rehabilitative residential return routine same school scheduled screening service short ss skilled snf stay
    surgery surgical swing telehealth telemedicine telephone term therapy to transfer transferred trauma treatment
    type unscheduled unplanned up urgent urgentcare urgent-care video virtual visit vr walk walkin walk-in well
    wellness within without ac alternate assisted aadvice advice against alive another at ama booked born cancer
    charity clinical court critical custodial designated died discharge discharged disposition eloped enforcement exp
    expectant expired federal foster group hcf home-health hospice-home law left living lama lwbs medicare morgue not
    on original other-hcf outside alt-home oth part program psych-hosp readmission self shelter society still to unit
    under vaginal ward
    """
)
SPECIALTIES = UNKNOWN | _words(
    """
    acupuncture addiction adolescent adult advanced aerospace allergist allergy ambulance ambulatory and anesthesia
    anesthesiology anesthesiologist anesthetist assistant audiologist audiology bariatric behavioral breast cardiac
    cardiology cardiothoracic cardiovascular care center child chiropractic chiropractor clinic clinical colon
    colorectal community congenital cosmetic counselor counseling critical crna dental dentist dentistry dermatology
    dermatopathology developmental diabetes diagnostic dialysis dietitian electrophysiology emergency endocrinology
    endodontics epileptology facility family fellow female foot fertility forensic gastroenterology general genetics
    geriatric geriatrics gynecologic gynecology hand head health heart hematology hematologist hepatology home hospice
    hospital hospitalist hyperbaric imaging immunology infectious disease diseases infertility integrative intensive
    intensivist internal internist interventional invasive laboratory lactation male maternal fetal maxillofacial
    medical medicine mental midwife midwifery molecular musculoskeletal neck neonatal neonatology nephrology nerve
    neurological neurology neuromuscular neuropathology neurophysiology neuropsychology neuroradiology neurosurgery
    non nuclear nurse nursing nutrition nutritionist obesity obstetric obstetrics occupational oncology ophthalmology
    ophthalmologist optician optometry optometrist oral orthodontics orthopaedic orthopaedics orthopedic orthopedics
    orthotics osteopathic manipulative otolaryngology otology pain palliative pathologist pathology pediatric
    pediatrics perinatal periodontics pharmacist pharmacology pharmacy physiatry physical physician plastic podiatry
    podiatrist practice practitioner preventive primary proctology prosthetics prosthodontics psychiatry psychiatric
    psychologist psychology public pulmonary pulmonology radiation radiologist radiology reconstructive rectal
    rehabilitation reproductive resident retina rheumatology rural skilled sleep social specialist speech language
    spine sports student supplier surgeon surgery surgical therapist therapeutic therapy thoracic toxicology
    transplant trauma undersea urgent urogynecology urology uveitis vascular vision vitreoretinal women worker wound
    """
)
COLORS = _words("black brown colorless dark green light orange pale pink red straw tan white yellow")
RESULTS = (
    UNKNOWN
    | COLORS
    | _words(
        """
    a abnormal abnormality above absent adequate and approx at atypical bacteria below bilirubin blood bloody
    borderline calculate calculated canceled cancelled casts cells clear cloudy clumped clumps colonies colony color
    completed confirmed contaminated critical crystals current day decreased detected difficulty done duplicate
    elevated epithelial equivocal error every exceeds ex-smoker false few fecal final finding flora former forming
    found full gram gross growth hazy heavy hemolyzed high housing i a have immune in inadequate inconclusive
    increased indeterminate insufficient interfering intermediate invalid isolated ketone ketones leukocyte leukocytes
    lipemic less limit little lot large low many marked mild moderate mucus much negative neg never nitrite no non
    nonreactive non-reactive normal not nothing observed occasional organism organisms out pathogen pathogens pending
    per performed plus poor positive pos possible present presence presumptive previously protein quantity qualifier
    quite quantitative range rare reaction reactive reference resistant result sample satisfactory see seen sensitive
    several significant slight slightly small smear smell smoked smoker smokes some somewhat specimen status
    sufficient susceptible test tested than tobacco trace turbid type u unable unchanged undetectable undetected unit
    units unremarkable unsatisfactory urine usual value variable very waived weak weakly well within yeast yes y n b
    ab o rh clothing diploma employed employment english equivalent food full-time ged health insurance medicaid
    medicare medicine part-time private school temporary transportation unemployed utilities work all bit active
    passive daily weekly monthly never less once often rarely sometimes always
    """
    )
)
FLAGS = (
    (RESULTS - COLORS)
    | VISITS
    | DECEASED
    | _words(
        """
    absolute accepted account active addendum addenda adjustment administered administration admitted adoptive agent
    aide alert allergy allowed amended amendment anticoagulation appealed application approved archive arrived
    assessment assigned attorney aunt billed billing binary biologic both brother brother-in-law business calculation
    cash cc category certified charge charged check child children claim claimant clinical clinical-note closed code
    coded combination comorbidity complete complication condition conduct confirmation consent consultation copay
    copayment cousin coverage create created credit crew csv daughter daughter-in-law deactivated debit deceased
    declined default deferred deferral definite delete deleted denied denial dependent derived device diagnosis
    diagnostic diastolic differential dependent disabled discontinued document domestic domiciled draft drug due dx
    echeck eligible emancipated employed employee employment encounter-diagnosis end ended entered entered-in-error
    environment error estimated exam executor exempt existing external false family father father-in-law filled final
    finished focused food foster friend full furnished generic goal grade grand grandchild granddaughter grandfather
    grandmother grandparent grandson group guarantor guardian gynecology half handling history hold household html
    husband image imaging immunization imported inactive inbound incomplete industry inferred ingredient initial
    insert inserted instrument instructions institutional internal intolerance interim invoice issued jpeg json key
    language latest left legal letter life limited list living local logical lost main male manual marked med
    medication medications mother mother-in-law narrative neighbor neighbour nephew next niece no nominal non note
    notes notification numeric nursing octet off office old on on-hold once onset open operation operative opioid
    optional oral order ordered ordinal orally otc outbound outcome over owner owned ownership pairwise parent partial
    participant partner paid part parental patient payment pdf pediatric peer pended pending performer period phase
    pharmacy phone physical plain plan plaintext png policy positive post posted power preauth predetermination
    preliminary prescription preparation primary principal print private probable problem problem-list-item
    problem-list procedure procedures processing professional profile progress proposed prospective provider
    provisional public queued radiology reason received recipient recurrence refund refuted regular rejected relapse
    related relation relationship relative release released remission removed replaced report reported request
    requested res resolved respite responsible resume resumed retired return returned reversal reversed revised
    revision revoked right rtf same scanned screening secondary section seizure self sent service severe severity
    shared show sibling sign signature signed significant single sister sister-in-law smoking social social-history
    son son-in-law spouse stage standard started statement step stepdaughter stepfather stepmother stepson stopped
    stream student submitted substance subscriber suicide summary superseded supervised survey survivor suspected
    suspended symptom system systolic telephone template temporary text time tier to transcribed transferin
    transferout transfer trial triage true uncle unconfirmed unemployed unfilled unsigned unsubmitted unit update
    updated upload use used utf utf-8 charset vaccine valid validated verified verification version vital vital-signs
    vitals void voided ward wife withdrawn withheld word work worse xhtml xml year yearly yes snomed snomed-ct ct icd
    icd9 icd10 icd-9-cm icd-10-cm icd-10-pcs cm pcs cpt hcpcs ndc rxnorm loinc cvx ms-drg drg hl7 omb ub ub-04 nubc
    x12 dicom ucum attending operating otheroperating performing prescribing referring rendering supervising
    externalcauseofinjury patientreasonforvisit
    """
    )
)

STATES = _names(
    """
    alabama, alaska, american samoa, arizona, arkansas, california, colorado, connecticut, delaware, district of
    columbia, florida, georgia, guam, hawaii, idaho, illinois, indiana, iowa, kansas, kentucky, louisiana, maine,
    maryland, massachusetts, michigan, minnesota, mississippi, missouri, montana, nebraska, nevada, new hampshire, new
    jersey, new mexico, new york, north carolina, north dakota, northern mariana islands, ohio, oklahoma, oregon,
    pennsylvania, puerto rico, rhode island, south carolina, south dakota, tennessee, texas, utah, vermont, virgin
    islands, us virgin islands, u.s. virgin islands, virginia, washington, west virginia, wisconsin, wyoming, alberta,
    british columbia, manitoba, new brunswick, newfoundland and labrador, northwest territories, nova scotia, nunavut,
    ontario, prince edward island, quebec, saskatchewan, yukon, foreign, unknown, other
    """
)
COUNTRIES = _names(
    """
    afghanistan, albania, algeria, american samoa, andorra, angola, anguilla, antigua and barbuda, argentina, armenia,
    aruba, australia, austria, azerbaijan, bahamas, bahrain, bangladesh, barbados, belarus, belgium, belize, benin,
    bermuda, bhutan, bolivia, bosnia and herzegovina, botswana, brazil, brunei, bulgaria, burkina faso, burma,
    burundi, cambodia, cameroon, canada, cape verde, cabo verde, cayman islands, central african republic, chad,
    chile, china, colombia, comoros, congo, democratic republic of the congo, costa rica, cote d'ivoire, ivory coast,
    croatia, cuba, curacao, cyprus, czech republic, czechia, denmark, djibouti, dominica, dominican republic, east
    timor, ecuador, egypt, el salvador, england, equatorial guinea, eritrea, estonia, eswatini, ethiopia, fiji,
    finland, france, french guiana, french polynesia, gabon, gambia, georgia, germany, ghana, gibraltar, great
    britain, greece, greenland, grenada, guadeloupe, guam, guatemala, guernsey, guinea, guinea-bissau, guyana, haiti,
    honduras, hong kong, hungary, iceland, india, indonesia, iran, iraq, ireland, isle of man, israel, italy, jamaica,
    japan, jersey, jordan, kazakhstan, kenya, kiribati, korea, north korea, south korea, kosovo, kuwait, kyrgyzstan,
    laos, latvia, lebanon, lesotho, liberia, libya, liechtenstein, lithuania, luxembourg, macau, madagascar, malawi,
    malaysia, maldives, mali, malta, marshall islands, martinique, mauritania, mauritius, mexico, micronesia, moldova,
    monaco, mongolia, montenegro, montserrat, morocco, mozambique, myanmar, namibia, nauru, nepal, netherlands, new
    caledonia, new zealand, nicaragua, niger, nigeria, north macedonia, northern ireland, northern mariana islands,
    norway, oman, pakistan, palau, palestine, panama, papua new guinea, paraguay, peru, philippines, poland, portugal,
    puerto rico, qatar, republic of korea, reunion, romania, russia, russian federation, rwanda, saint kitts and
    nevis, saint lucia, saint vincent and the grenadines, samoa, san marino, sao tome and principe, saudi arabia,
    scotland, senegal, serbia, seychelles, sierra leone, singapore, slovakia, slovenia, solomon islands, somalia,
    south africa, south sudan, spain, sri lanka, sudan, suriname, sweden, switzerland, syria, taiwan, tajikistan,
    tanzania, thailand, togo, tonga, trinidad and tobago, tunisia, turkey, turkiye, turkmenistan, turks and caicos
    islands, tuvalu, uganda, ukraine, united arab emirates, united kingdom, united states, united states of america,
    uruguay, us virgin islands, uzbekistan, vanuatu, vatican city, venezuela, vietnam, virgin islands, wales, yemen,
    zambia, zimbabwe, unknown, other
    """
)

# Atoms of UCUM and the habits of laboratories; each may follow a metric prefix and carry an exponent.
METRIC = _words("g m l mol eq osm u iu s pa hz j w v bq gy sv kat cal cel")
UNITS = _words(
    """
    % %% a annot bar beats beat bpm breaths cap caps cc cell cells cfu col colonies copies copy cp count cm d day days
    deg degc degf degree degrees dose doses dyn each ea ehrlich eia elisa emu f feet foot ft gal gm gram grams gr h
    hpf hr hrs hour hours in inch inches index kat k/ul lb lbs lbm liter liters litre litres lpf meq mcg mcl mcmol
    mets mg/dl mi mile miles mil million min mins minute minutes miu mo mon month months mm3 mmhg mpl gpl ng/ml number
    osmol oz ounce packs pack part parts patch pct pcg percent ph plt point points ppb ppm ppth puff ratio rbc score
    sec seconds second spray sq tab tabs tablet tablets thou thousand times titer tsp tbsp unit units vial vol wbc wk
    week weeks wt yd yr yrs year years cell/ul f2 ml me un nmol/bce bce rpm breath apl spl mpl hpf lpf gfr rlu s/co
    nominal #
    """
)
BRACKETS = _words(
    """
    hg h2o hpf lpf iu in_i ft_i lb_av oz_av degf ph ppm ppb ppth drp gal_us pi ch arb'u cfu ehrlich d'ag'u gpl'u mpl'u
    apl'u beth'u si in_us ft_us sft_i sin_i cyd_i cup_us tbs_us tsp_us cal pt_av gr
    """
)
ANNOTATIONS = _words(
    """
    # # score nominal ratio index count cells cell copies copy cfu rbc wbc beats beat breaths breath number titer
    ehrlich_u creat creatinine hb gfr bce 1.73_m2 m2 log log_copies log_iu percent titre events hpf lpf colonies units
    unit dose doses puff tablet capsule tbl pack packs days day years year mets n_a none cells_per_hpf
    """
)
