"""Words that a name or place recognizer mistakes for identifiers: eponyms, drugs, tests, headings; data only."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


EPONYMS = _words(
    """
    addison adson allen alport alzheimer angelman apgar apley argyll ascher asherman asperger babinski baker ballard
    barlow barrett barre barthel bartter becker beck behcet bell bence berg bernard biot bishop bouchard bowen
    braden bright brodie broca brudzinski buerger burkitt caprini chadwick chagas charcot cheyne child chiari
    christmas chvostek colles conn cooley coombs courvoisier creutzfeldt crohn cullen cushing dalrymple dandy danlos
    dobutamine dubin down duchenne dupuytren duroziez ebstein ehlers eisenmenger epley epstein ewing fabry fallot
    fanconi felty finkelstein foley fontan fowler frank french friedreich garden gaucher ghon gilbert glasgow
    goodpasture gower graves grey guillain guyon hallpike hashimoto hawkins heberden heimlich henoch hirschsprung
    hodgkin hoffa hoffmann homan homans horner huntington hurler jackson janeway johnson jones kaposi kawasaki
    kayser kegel kehr kellgren kernig killip klinefelter koplik korotkoff korsakoff kussmaul lachman langerhans
    lasegue legg lewy lhermitte likert lisfranc ludwig lund lyme lynch mallory mantoux marfan mcburney mcgill
    mcmurray meckel meniere merkel mirizzi mobitz moro morton munchausen murphy neer noonan ober osgood osler paget
    pap parkinson patrick perthes peutz peyronie phalen pott prader prinzmetal purkinje quincke ramsay rankin
    raynaud reiter reye rinne romberg rorschach roth rovsing roux salter scheuermann schlatter schwann sever sezary
    sheehan sims sjogren snellen spurling stevens stokes swan ganz tanner tay sachs takayasu tinel tourette
    trendelenburg trousseau turner tzanck valsalva virchow volkmann waldenstrom weber wegener wernicke whipple wilms
    wilson wolff parkinson white wong yergason zenker zollinger ellison homans' st. jude bakers
    """
)

DRUGS = _words(
    """
    abilify acetaminophen actos adderall adenosine advair advil albuterol aldactone alendronate aleve allegra
    allopurinol alprazolam altace amaryl ambien amiodarone amitriptyline amlodipine amoxicillin ampicillin
    anastrozole apixaban aricept aripiprazole ascorbic aspirin atenolol ativan atorvastatin atropine atrovent
    augmentin avapro azithromycin bactrim baclofen benadryl benazepril benicar bisoprolol botox brilinta bumetanide
    bumex bupropion buspar buspirone bystolic calcitriol captopril carbamazepine cardizem carvedilol catapres
    cefazolin cefepime ceftriaxone celebrex celecoxib celexa cephalexin cetirizine cialis cipro ciprofloxacin
    citalopram claritin clindamycin clonazepam clonidine clopidogrel colace colchicine combivent compazine concerta
    coreg coumadin cozaar crestor cyclobenzaprine cymbalta decadron depakote dexamethasone dextrose diazepam
    diclofenac diflucan digoxin dilantin dilaudid diltiazem diovan diphenhydramine docusate donepezil dopamine
    doxazosin doxycycline dulera duloxetine duoneb edarbi effexor eliquis enalapril enoxaparin entresto epinephrine
    epipen ertapenem escitalopram esomeprazole estradiol eszopiclone ezetimibe famotidine farxiga fentanyl ferrous
    finasteride flagyl flexeril flomax flonase flovent fluconazole fluoxetine fluticasone folic fosamax furosemide
    gabapentin glargine glimepiride glipizide glucophage glucotrol glyburide haldol haloperidol heparin humalog
    humira humulin hydralazine hydrochlorothiazide hydrocodone hydrocortisone hydroxychloroquine hydroxyzine hytrin
    ibuprofen imdur imitrex insulin invokana ipratropium isosorbide januvia jardiance kayexalate keflex keppra
    ketamine ketorolac klonopin labetalol lamictal lamotrigine lansoprazole lantus lasix latuda letrozole levaquin
    levemir levetiracetam levofloxacin levothyroxine lexapro lidocaine linezolid lipitor liraglutide lisinopril
    lithium lomotil loperamide lopressor loratadine lorazepam losartan lovastatin lovenox lunesta lyrica meclizine
    meloxicam meropenem metformin methadone methimazole methocarbamol methotrexate methylphenidate
    methylprednisolone metoclopramide metolazone metoprolol metronidazole micardis milrinone mirtazapine mobic
    montelukast morphine motrin mucinex naloxone namenda naproxen narcan nasonex neurontin nexium niacin nifedipine
    nitrofurantoin nitroglycerin norco norepinephrine normodyne nortriptyline norvasc novolog nystatin olanzapine
    omeprazole ondansetron oxycodone oxycontin ozempic pantoprazole paroxetine paxil penicillin pepcid percocet
    phenergan phenytoin piperacillin plaquenil plavix potassium pradaxa pravastatin prednisolone prednisone
    pregabalin prilosec prinivil procardia promethazine propofol propranolol protonix proventil prozac quetiapine
    quinapril ramipril ranitidine reglan remeron remicade requip restoril rifampin risperdal risperidone ritalin
    rivaroxaban robaxin rocephin rosuvastatin senna seroquel sertraline sildenafil simvastatin singulair sitagliptin
    spiriva spironolactone strattera suboxone sumatriptan symbicort synthroid tacrolimus tamiflu tamoxifen
    tamsulosin tegretol temazepam tenormin terazosin tobramycin topamax topiramate toprol toradol torsemide
    tradjenta tramadol trazodone trulicity tylenol ultram valacyclovir valium valproate valsartan valtrex vancomycin
    vasotec venlafaxine ventolin verapamil versed viagra vicodin vitamin voltaren vytorin warfarin wellbutrin xanax
    xarelto zanaflex zantac zestoretic zestril zetia zithromax zocor zofran zoloft zolpidem zosyn zyprexa zyrtec
    """
)

CLINICAL = _words(
    """
    abdomen abdominal ability abnormal absent activities acute addendum adenopathy admission admit admits admitted
    advised afebrile airway alert allergies allergy ambulatory analysis anemia anesthesia angiogram ankle anterior
    antibiotics anticoagulation anxiety aortic appears appearance appendix appointment arm arrived artery arthritis
    aspect assessment asthma atrial auscultation axis back baseline bilateral biopsy birth bladder blood bone bowel
    brain breast breath bruit cancer cardiac cardiology cardiovascular care carotid cath cervical chest chief
    children chronic cirrhosis clear clinic clinical colon colonoscopy complaint complains comfortable complete
    concerns condition consult consultation continue continued contact cooperative counseling course creatinine
    critical ct culture current currently daily date daughter death deep denied denies department depression
    dermatology details developed device diabetes diagnoses diagnosis dialysis diet differential discharge
    discharged discussed disease disposition disorder distal distress drug duration dyspnea dysuria echo
    echocardiogram edema effusion elbow electronically elevated emergency endocrine endocrinology endoscopy exam
    examination extremities extremity eye eyes face failure family father feels female femoral fever final findings
    first focal follow followup foot fracture full gait gastroenterology gastrointestinal general genitourinary
    given glucose growth gyn habits hand has head headache health heart heent hematology hemoglobin hepatic her his
    hip history home hospital hospitalist hygiene hypertension icu ill imaging impression improved in indication
    infection infectious injury insurance intact intake integumentary intensive interval intervention is joint
    kidney knee known lab laboratory labs language last lateral left leg lesion level likely liver lobe location
    lower lumbar lung lungs lymph lymphatic lymphocyte male management mass mean medial medical medication
    medications medicine mental mood mother motor mri murmur muscle musculoskeletal name nausea neck neg negative
    neuro neurologic neurological neurology neuropathy neurosurgery new no node nodes non none normal nose not note
    notes now nurse nursing nutrition objective ob obese obesity obstetrics occasionally occupation on oncology
    onset oral order orders oriented orthopedic orthopedics other outpatient oxygen pain palpation past patient
    pathology pediatric pediatrics pelvic pending pharmacy physical physician plan plans platelet please pleural pmh
    pneumonia positive posterior post potassium practitioner presents presented presenting present preop previous
    primary prior problem problems procedure prognosis progress prostate protein provider psych psychiatric
    psychiatry pulmonary pulse pupils radiology reason rectal reflexes regular rehab rehabilitation remains renal
    repeat reported reports report respiratory resident rest result results return review reviewed right risk room
    routine said sat says screening second section seen sensory sepsis service severe she short shoulder signed
    significant signs sinus skin sleep smoker smoking social sodium soft specimen spine spinal spleen stable staff
    started states status stent stomach stool stroke study subjective summary surgeon surgery surgical symptoms
    syndrome system systems team tell temp temperature test testing the their therapy third thoracic throat thyroid
    time tobacco today tolerated trachea transfer transferred trauma treatment tube tumor type ulcer ultrasound
    underwent unable unit unknown unremarkable upper ureter urgent urinary urine urology uterus vaccine vaginal
    valve vascular vein venous ventricular vertebral vision visit vital vitals vomiting was weight well which who
    will with within wound wrist xray yes yesterday year years young manager practitioner anesthetist educator aide
    supervisor station call calls line triage residual stress holter doppler bruce ekg ecg eeg emg mra ct pet
    troponin bmp cmp cbc inr hba1c a1c tsh lipid panel psa bnp d-dimer mini cog moca mmse phq gad nihss gcs apache
    sofa wells curb chads hasbled meld timi grace braden morse fall norton ranson apgar aldrete mallampati ashworth
    asia asa nyha ccs ajcc tnm gleason bi-rads birads tirads alcohol drinks drink denies deny endorses comes came
    went lives living married single widowed divorced retired works working monday tuesday wednesday thursday friday
    saturday sunday morning afternoon evening night weekly monthly strep staph mrsa coli candida salmonella
    helicobacter pylori pseudomonas klebsiella enterococcus streptococcus staphylococcus covid influenza hepatitis
    herpes zoster mrn dob ssn acct hgb wbc rbc plt bun cr hct mcv mch dl ml mg mcg htn copd cad chf cabg afib dm ckd
    esrd gerd osa uti dvt pe tia cva coma mouth gel cream tablet capsule peroxide cortisol electrocardiogram
    vulgaris hirsutism achilles tendon ligament meniscus nerve biceps triceps quadriceps deltoid rotator cuff acne
    eczema psoriasis gout lupus sciatica tinnitus vertigo syncope hx dx tx rx sx fx pt pts hpi ros pe cc ap a/p s/p
    h/o w/ c/o prn bid tid qid qhs qd po iv im sq sl er ed or or. icu nicu picu ccu pacu or micu sicu er cta perrl
    perrla eomi rrr nad heent jvd cvs she he it they we i you this that these those there when while if and but
    because since until electronically dictated transcribed attending consulting referring ordering fellow intern
    """
)

# What follows an eponym: "Graves disease" is no person, "Graves" alone may be one.
EPONYM_NOUNS = _words(
    """
    disease diseases syndrome sign signs palsy test tests testing score scale criteria catheter catheters maneuver
    phenomenon reflex reflexes contracture cyst cysts tumor sarcoma lymphoma thyroiditis dementia body bodies
    fracture stain anemia chorea cell cells coma node nodes rash pouch procedure operation esophagus hernia class
    classification stage staging paralysis gland duct ring rings line lines loop angle index exam murmur
    contractions encephalopathy psychosis malformation anomaly tetralogy gangrene ataxia neuroma ulcer point
    breathing respirations respiration repair bypass osteodystrophy nephropathy neuropathy granulomatosis purpura
    tremor law position pulse triad tendon tendinitis canal esophagogastroduodenoscopy hallpike gram
    """
)

STOP_WORDS = DRUGS | CLINICAL
