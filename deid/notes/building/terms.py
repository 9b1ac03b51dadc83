"""Abbreviations of notes, parts of the body and units: written for this project, data only."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ABBREVIATIONS = _words(
    """
    aaa abd abg abgs abi abx ac ace acei acls acs adhd adl adls aed afb afib aicd aids aki akp ald als alt ama amb
    ami ams ana ap approx appt appts aptt arb ards arf arni art asa ascvd asd asmt assoc ast atn auc avm avnrt avr
    bal bbb bcx bg bid biv bka blle bls bm bmi bmp bms bmt bnp bp bpa bpd bph bpm brbpr bronch bs bsa bun bx ca cabg
    cad cap cards cath cbc cbd cbt cc ccb ccc cci ccm ccu cdiff cea cerner cf cfs chads chem chf cicu ciwa ckd cll
    cm cml cmp cmv cn cna cno cns copd cota covid cp cpap cpk cpoe cpr cr crcl crna crp crrt csf csp ct cta ctab cva
    cvc cvd cvp cvs cvvh cx cxr dbp dc ddd ddx dept derm dfa dhs dic dip dispo dka dlco dm dmard dmards dme dni dnr
    dob doe dre dtr dtrs dts dvt dx dz ebl ebv ecg echo eclia ecmo ecog ed edss eeg ef egd egfr ehr ekg elisa emar
    emg emr ems endo ent eom eomi eos epic ercp esbl esld esr esrd etn etoh ett eval exlap ext fbs fena fev ffp ffu
    fhx fio flu fmla fna fobt foc fsbg fsbs fsh fu fuo fvc fx ga gad gbm gbs gcs gerd gfr gi gib gist gm gn gsw gtt
    gu gvhd gyn haart hb hbv hcc hcg hcp hct hctz hcv hd hdl heent hel heme hemo hep hf hfpef hfref hgb hha hhc hida
    hipaa hiv hla hnp hob hocm hosp hpi hpv hr hrs hrt hs hsm hsv htn hus hx iabp ibd ibs icd ich icp icu iddm ids
    ifg iga igg igm ild im imrt inh inr intub io ip ipf iqr ir isc itp iud iufd iugr iv ivc ivda ivdu ivf ivh ivig
    ivp jvd jvp kub labs lad lae lap lbbb lbp lca lcx ldh ldl le les lft lfts lgib lh lima lle llq lmp lmwh loa loc
    los lp lpm lpn lue luq lv lvef lvh lvot lymphs map mar mca mcg mch mchc mcp mcv md mdd mdi mds meds mg mgus mi
    micu mins mitral ml mm mmhg mmr mmse mna mos mph mrcp mri mrsa ms msk mssa mv mvp mvr mychart nad nafld nash
    ncat ncp ncs ncv ndc neb nebs neg nephro neuro neurosurg ng ngt nicu nidcm niddm nihss nkda nl nlp np npo npv
    nsaid nsaids nsclc nsr nstemi nsvd nt nyha ob obgyn obj ocd ocp od onc oob op ophtho optho or orif ortho os osa
    ot otc ou oz pac pacs pacu pad pap pcn pco pcos pcp pcr pcv pda pe peds peep peg perc perrl perrla pet pft pfts
    pgy ph pharm pharmd phi phq pi picc picu pid pip pkd plt plts pm pmh pmhx pmr pna pnd po poa poc pod popc pos
    postop ppd ppi ppm pr prbc prbcs preop prn prog prom pros psa psh psvt psych pt pta ptca pth pts ptsd ptt ptx
    pud pulm puva pv pvc pvcs pvd qd qhs qid qod qol ra rad raf rbbb rbc rca rcc rd rdw reeval rehab renal rf rfa
    rhd rheum rhm rij rle rll rlq rml rn rom ros rpr rr rrr rrt rsv rt rta rue rug rul ruq rv rvh rvr rx sab sah sao
    sats sbar sbe sbo sbp sbrt sc scc scd scds scr sdh secs sgot sgpt shx siadh sicu sids sirs sl sle slp slr snf
    soa soap sob soc sochx sp spep spo sq ss ssi ssri ssris std stds stemi sti stis subj subq supp svc svd svt sw
    sws sx tah tavr tb tbi tbili tca tcp tee temp tens tests tft tfts tg tha thc tia tibc tid tka tkr tlc tlif tmj
    tmt tnf tnm toc tof toxo tpa tpn trach trigs trop troponin tsh tte ttp tur turbt turp tx ua ucx ud ugi ugib
    ultrasound upep urgent uri uro us usoh ut uti utis uvb vac vad vap vas vasc vats vbg vc vd vdrl vent vf vfib vit
    vitals vl vlbw vp vpa vre vs vsd vsr vss vt vtach vte vzv wbat wbc wbcs wd wdwn wf wks wm wnl wpw wt xr xray xrt
    yo yof yom yrs zn
    """
)

BODY = _words(
    """
    abdomen abdominal acetabulum achilles adductor adenoid adenoids adnexa adrenal adrenals airway alveolar alveoli
    ampulla anal ankle ankles antecubital anterior antrum anus aorta aortic aponeurosis appendix arm arms arteries
    arteriole artery articular atria atrial atrium auricle axilla axillae axillary back basal bicep biceps bile
    biliary bladder blood body bone bones bowel bowels brachial brain brainstem breast breasts bronchi bronchial
    bronchus bursa buttock buttocks calcaneus calf calves canthus capillary cardiac carotid carpal cartilage caudal
    cecum celiac cerebellar cerebellum cerebral cerebrum cervical cervix cheek chest chin clavicle clavicles
    clitoris coccyx cochlea colon colonic condyle conjunctiva conjunctivae cord cornea coronary cortex costal
    costovertebral cranial cranium cubital cuticle deltoid dermis diaphragm digit digits disc discs distal dorsal
    dorsum duct ductus duodenal duodenum dura ear eardrum ears elbow elbows endocardium endometrium epidermis
    epididymis epidural epigastric epigastrium epiglottis epiphysis esophageal esophagus ethmoid extremities
    extremity eye eyebrow eyelid eyelids eyes face facial fallopian fascia feet femoral femur fibula finger fingers
    flank flanks follicle foot forearm forearms forehead foreskin fornix fossa frontal fundus gallbladder ganglion
    gastric gastrointestinal genitalia gingiva gland glands glans glenoid glottis gluteal gluteus groin gum gums gut
    hair hallux hamstring hamstrings hand hands head heart heel heels hemidiaphragm hepatic hilar hilum hip
    hippocampus hips humerus hyoid hypothalamus ileal ileum iliac ilium index inguinal intestinal intestine
    intestines intracranial iris ischium jaw jejunum joint joints jugular kidney kidneys knee knees knuckle labia
    labium labrum lacrimal larynx lateral leg legs lens ligament ligaments limb limbs lip lips liver lobe lobes loin
    lumbar lumbosacral lung lungs lymph macula malar malleolus mammary mandible mandibular marrow mastoid maxilla
    maxillary meatus medial mediastinal mediastinum medulla meninges meniscal meniscus mesenteric mesentery
    metacarpal metatarsal midbrain midline mitral molar mouth mucosa mucosal muscle muscles myocardium nail nails
    nape nares naris nasal nasopharynx navel neck nerve nerves nipple nipples node nodes nose nostril nostrils
    occipital occiput ocular olecranon omentum optic oral orbit orbital oropharynx ovarian ovaries ovary palate palm
    palms pancreas pancreatic papilla parathyroid parietal parotid patella patellar pectoral pelvic pelvis penis
    pericardial pericardium perineal perineum periorbital peritoneal peritoneum peroneal phalanges phalanx
    pharyngeal pharynx pineal pituitary placenta plantar pleura pleural plexus pons popliteal portal posterior
    precordium prepuce prostate prostatic proximal psoas pubic pubis pulmonary pupil pupils pyloric pylorus
    quadriceps radial radius rectal rectum renal retina retinal retroperitoneum rib ribcage ribs rotator sacral
    sacroiliac sacrum saliva salivary saphenous scalene scalp scaphoid scapula scapular sciatic sclera sclerae
    scrotal scrotum septum shin shins shoulder shoulders sigmoid sinus sinuses skeleton skin skull soleus sphenoid
    sphincter spinal spine spleen splenic sternal sternum stomach subclavian sublingual submandibular sulcus
    supraclavicular suprapubic sural talus tarsal teeth temple temporal tendon tendons testes testicle testicles
    testicular testis thalamus thenar thigh thighs thoracic thorax throat thumb thumbs thymus thyroid tibia tibial
    toe toenail toenails toes tongue tonsil tonsils tooth torso trachea tracheal trapezius triceps tricuspid
    trochanter trunk turbinate turbinates tympanic ulna ulnar umbilical umbilicus ureter ureteral ureters urethra
    urethral urinary uterine uterus uvula vagina vaginal vagus valve valves vascular vein veins vena venous ventral
    ventricle ventricles ventricular vertebra vertebrae vertebral vessel vessels vestibular vocal volar vulva waist
    wrist wrists zygoma
    """
)

UNITS = _words(
    """
    amp ampule bmi bpm cal calories cap caps capsule capsules cc ccs celsius cgy cm cmh day days db decibel degrees
    diopter diopters dl dose doses drinks drop drops fahrenheit feet fl fr french ft ga gauge gm gms gram grams gtt
    gtts gy hour hours hr hrs hz inch inches iu joule joules kcal kg khz kilo kilogram kilograms km kpa lb lbs liter
    liters litre litres lozenge mcg mcm meq meter meters mev mg mhz micro min mins ml mls mm mmhg mmol mo mol month
    months mos mosm mosmol ms msec msv newton ng nm nmol osm ounce ounces oz pack packs patch patches percent pg
    pmol pound pounds ppb ppm puff puffs rad rads rpm sec secs spray sprays suppositories suppository tab tablespoon
    tablet tablets tabs tbsp teaspoon torr tsp ug umol unit units vial vials week weeks wk wks year years yr yrs
    """
)
