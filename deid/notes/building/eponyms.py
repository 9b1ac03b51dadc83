"""Names of persons that diseases, signs, tests, scores, organisms, devices and operations bear: data only.

Written for this project from general knowledge of medicine. One of them stands for no patient where the thing follows,
or where it stands for the thing by itself, as `Foley` does.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DISEASES = _words(
    """
    aarskog adamkiewicz addison adie aicardi albright aldrich alexander alpers alport alstrom alzheimer andersen
    anderson angelman antley apert argyll arnold asherman asperger baker balint balo barlow barrett barth bartter
    basedow bassen batten becker behcet bekhterev bell bence benedikt berger bernard bernheim bickerstaff biermer
    binswanger blackfan blalock bland blount boerhaave bornholm bourneville bowen brenner brill briquet brodie brown
    brugada budd buerger burkitt buschke byler caffey canavan capgras caplan carney caroli carpenter castleman
    chagas charcot chediak chester cheyne chiari chilaiditi christmas churg clarkson clerambault coats cockayne
    cogan conn cooley cori costen cowden creutzfeldt crigler crohn cronkhite crouzon cruveilhier curling cushing
    dandy danlos darier dejerine denys dercum devic diamond dieulafoy diogenes down drager drash dravet dressler
    duane dubin duchenne duhring dupuytren eagle eaton ebstein edwards ehlers eisenmenger ekbom ellis emery epstein
    erb erdheim evans ewing fabry fallot fanconi farber felty fisher fitz forestier fournier fox franceschetti
    fregoli frey friderichsen friedreich froehlich frohlich galeazzi ganser gardner gasser gaucher gehrig gelineau
    gerstmann ghon gianotti gierke gilbert gilles gitelman glanzmann goldblatt goldenhar goodpasture gorham gorlin
    gottron gradenigo graves guillain gunther hailey hallermann hallervorden hamman hand hansen hartnup hashimoto
    heberden heerfordt henoch hippel hirschsprung hodgkin holt hopkins horner horton huebner hunt hunter huntington
    hurler hutchinson jacksonian jacob jakob jeghers jervell job johnson jones joubert kahler kallmann kaposi
    kartagener kasabach kawasaki kearns kennedy kienbock kikuchi kimmelstiel kleine klinefelter klippel kluver
    kohler korsakoff krabbe kugelberg laennec lafora lambert landau langerhans laron lasegue leber legg leigh
    lemierre lemli lennox leriche lesch letterer leventhal lewy lhermitte liddle lindau loeffler loffler lofgren lou
    ludwig lyell lyme lynch machado madelung maffucci mallory marburg marchiafava marfan marie maroteaux marshall
    mcardle mccardle mccune meckel meige meigs mendelson menetrier meniere menkes merkel mikulicz miller milroy
    mirizzi mobius moebius mollaret mondor monteggia morgagni morquio morton moschcowitz moya munchausen naffziger
    nelson nielsen niemann noonan norrie ogilvie ollier ondine opitz ormond osgood osler paget pancoast panner
    parinaud parkinson parkinsonian parkinsonism parry parsonage patau pelizaeus pendred perthes peutz peyronie
    pfeiffer pick pickwickian pierre plummer poland pompe potocki pott potter prader prinzmetal quervain ramsay
    rasmussen raynaud recklinghausen refsum reifenstein reiter rendu rett reye richter riedel riley robin romano
    rosai rotor roussy rubinstein russell sachs sandhoff sanfilippo schamberg scheie scheuermann schilder schlatter
    schmidt schnitzler schonlein schwachman schwartz seckel sever sezary sheehan shwachman shy silver simmonds
    simpson sipple sjogren sly smith sneddon sotos spielmeyer stargardt steele stein steinert stevens stickler still
    stokes strachan sturge sudeck susac sweet swyer sydenham takayasu takotsubo tangier tay thomsen tietze todd
    tolosa tourette treacher turcot turner ulrich unverricht usher vater vincent virchow vogt volkmann waardenburg
    waldenstrom wallenberg warthin waterhouse weber wegener weil weill werdnig werner wernicke west whipple
    willebrand williams wilms wilson wiskott wolff wolfram wolman yao zellweger zenker zieve zollinger
    """
)

_SIGNS = _words(
    """
    adson allen allis apley apprehension aschoff auer auspitz austin babinski ballance barany barlow barre battle
    beau beck beevor berg biot bitot bjerrum blumberg bouchard bracht braxton broca brodmann brudzinski brushfield
    bunnell chaddock chadwick chvostek corrigan courvoisier cozen cullen curschmann dalrymple dix dohle drehmann
    duroziez epley ewart faber finkelstein fleischer froment gaenslen galant goodell gottron gower gowers graefe
    graham grey gunn hallpike hampton harlequin hawkins hegar heinz hicks hill hoffmann hollenhorst homan homans
    hoover howell janeway jendrassik jobe jolly kanavel kayser kehr kerley kernig kleihauer koplik korotkoff
    kussmaul lachman lasegue leser levine lhermitte linder lisch lovibond mallampati marcus markle mayo mcburney
    mccarthy mcdonald mcmurray mees moebius moro muehrcke mulder murphy myerson neer nikolsky ober oppenheim
    ortolani palla pastia patrick perez phalen pivot quincke ransohoff rinne romberg rosenbach roth rovsing schiller
    schirmer schober speed spurling steinmann stellwag stemmer terry thessaly thomas thompson tinel traube trelat
    trendelenburg trousseau tzanck uhthoff unterberger vaughan virchow waddell wartenberg weber westermark wickham
    yergason
    """
)

_SCORES = _words(
    """
    aldrete apache apgar asa ashworth ballard barthel beck berg billroth binet bishop borg boston braden bristol
    brunnstrom caprini catterall charlson child clark columbia cormack crichton danis denis denver duke dukes
    edinburgh edmonton elixhauser epworth evans fagan fazekas ferriman fisher fitzpatrick fontaine framingham fried
    fuhrman garden glasgow gleason goldman gustilo hachinski hamilton harris hess hinchey hoehn hounsfield hunt
    hurley jadad judet karnofsky katz kellgren killip kocher kurtzke lansky lauge lawrence lawton lehane letournel
    likert lund mackey maddrey mason mayo mehran mini mobitz montreal morse nash neer norton nottingham nugent
    nurick outerbridge oxford pauwels pittsburgh pugh ramsay rankin ranson reynolds richmond rutherford salter
    schatzker seddon sequential silverman snellen spetzler stanford stockholm tanner tile vancouver wagner wechsler
    wells wexler wexner yahr zung
    """
)

_TESTS_AND_CELLS = _words(
    """
    abbe abbott aschheim bence benedict bethesda betke bradford brocq clarke cockcroft congo coombs cori dane dick
    downey ellsworth fehling feulgen ficoll frankel frei friedewald galant gault geimsa giemsa gomori gram gutmann
    ham hammersmith hanging heinz hertel hickman howell huhner ishihara jaffe jensen jones kirby klebs kleihauer
    koch krebs kupffer kveim langhans leishman leydig lovenstein lowenstein lugol malpighi mantoux masson mendel
    michaelis miller neelsen nelson nissl pap papanicolaou pappenheim perls prussian purkinje ranvier reed reinsch
    rorschach rosenthal sabouraud schick schiff schilling schwabach schwann sertoli southern stamey sternberg sudan
    sulkowitch tzanck vidas waaler wada wassermann weigert western wright ziehl zimmerman
    """
)

_ANATOMY = _words(
    """
    achilles adam alcock arcuate ashoff auerbach bartholin bartholins bertin bowman brunner buck camper chopart
    cloquet colles cooper corti cowper denonvilliers descemet douglas ebner eustachian eustachius fallopian
    fallopius galen gartner gasserian gerdy gerota gimbernat golgi graafian gubernaculum guyon hartmann hasselbach
    hasselbalch havers haversian heister henle heschl hesselbach highmore hilton hunter jacobson keith kerckring
    killian kohlrausch langer lieberkuhn lisfranc littre louis luschka lushka magendie mcburney meckel meibom
    meibomian meissner moll monro montgomery muller mullerian naboth nabothian oddi pacchioni pacini peyer poupart
    purkinje rathke reil retzius rolando rosenmuller santorini scarpa schlemm sharpey skene spigelian stensen
    sylvian sylvius tawara tenon thebesian treitz valsalva vater vidian waldeyer wharton willis winslow wirsung
    wolffian wormian zinn zuckerkandl
    """
)

_ORGANISMS = _words(
    """
    barr bartonella bordet borrelia brucella burkholderia candida chlamydia clostridioides coxiella coxsackie
    creutzfeldt donovan ebola ehrlichia eikenella epstein escherichia giardia hanta kingella klebsiella lassa
    leishmania listeria marburg moraxella morganella naegleria neisseria nocardia norwalk pasteurella pittmann
    prevotella providencia ricketts rickettsia roseola rous salmonella serratia shiga shigella stenotrophomonas
    toxoplasma trypanosoma yersinia zika
    """
)

_DEVICES = _words(
    """
    allis ambu amplatz angio ayre backhaus bain bair bakri balkan bard bauerfeind bennett bird bivona blake
    blakemore bookwalter bovie broviac bruce bryant buck bucky burman castroviejo cobb collins cook cope crawford
    crile crutchfield dacron debakey denver dobhoff doppler drager eleanor emerson ender eschmann fogarty foley
    frazier fresnel ganz gelfoam gigli gore goretex greenfield groshong guedel halo harrington harris hasson hegar
    hemovac hickman hoffman hohmann holter hoyer hudson hugger impella jackson jamshidi jarvik javid judkins kelly
    kerlix kirschner kocher kuntscher levine lofstrand luer macintosh magill mahurkar malecot mayo mcgill metzenbaum
    miller minerva minnesota montgomery mueller muir murphy neoprene olympus ommaya parks passy penrose pezzer poole
    port quincke rampley rees richardson robinson ross rusch rush russell salem scotchflo seldinger sengstaken
    shiley silastic smead southwick spica sprotte starr steinmann steri stryker swan taylor tenckhoff tesio thomas
    trendelenburg tubigrip tuohy unna velpeau venturi veress weck weitlaner wheeler whitacre wood yankauer zimmer
    zoll
    """
)

_OPERATIONS = _words(
    """
    abbe akin alexander austin ball bankart barbeque bassini bentall bernese billroth blalock bobath bracht bradley
    brandt bricker bristow brock burch buteyko chevron clagett collis cox crede damus dandy daroff davydov delorme
    dor duhamel eden epley feldenkrais finney fontan fort fredet frykman gallie gillette girdlestone glenn graham
    gregoir halsted hartmann hassab heimlich heineke heller hill hoffa hoke ivor jacquemier jatene jones kapandji
    kasai kaye kazanjian kegel keller kelman kirklin klenzak kock konno kono krantz kraske lamaze lapidus latarjet
    lefort lempert leopold lewis lich lichtenstein lindbergh lisfranc lord lynn maitland manchester maquet marchetti
    marshall mauriceau mazur mcbride mcdonald mcindoe mckenzie mckeown mcroberts mikulicz miles millard milligan
    milwaukee mohs monro montessori mueller muller mulligan mustard nesbit nissen norwood nuss orr osborne palomo
    pavlik pereyra pfannenstiel potts puestow pyrford ramstedt rashkind rastelli ravitch riolan ripstein ritgen ross
    roux rubin sauve sellick semont senning serafin shirodkar shouldice sistrunk smellie soave stansel stoppa
    strassman strayer swenson syme taussig thiersch tikhoff torek toupet trabeculotomy turnbull valsalva vecchietti
    veit waterston watson wertheim wertheims whipple whitehead wilkie williams wilms woods woodward zadek zavanelli
    """
)

EPONYMS = frozenset(
    _DISEASES | _SIGNS | _SCORES | _TESTS_AND_CELLS | _ANATOMY | _ORGANISMS | _DEVICES | _OPERATIONS
) - _words("apprehension hand hanging ham sweet fried speed mini tile port poole lord ball hill wood woods")
