"""Short and pet names by the names that they stand for, and names that people write for one another; data only."""

from __future__ import annotations

from functools import cache

# One line for each name: the name, then what its bearer is called. Typed for this project from general knowledge.
_GROUPS = """
    aaron ron ronnie
    abigail abby abbie gail
    abraham abe bram
    adam ad addie
    adelaide addie adele heidi della
    adeline addie lina
    adrian ade
    adriana adri ana
    agnes aggie nessie inez
    alan al
    albert al bert bertie albie
    alejandra ale alex sandra jandra
    alejandro ale alex alejo
    alexander alex al alec xander sandy sasha lex zander
    alexandra alex sandra alexa lexi sandy sasha lexie allie alix
    alexandria alex lexi
    alfonso fonso poncho al
    alfred al fred freddy alf alfie
    alice allie ali alicia elsie
    alison ali allie
    allison ali allie
    alphonse al
    alvin al vin vinny
    amanda mandy manda mandi amy
    amelia amy millie mia mel
    anastasia stacy stacey ana tasha annie nastya
    andrea andie andy drea
    andrew andy drew
    angel angelo
    angela angie ang
    angelica angie angel jelly
    angelina angie lina
    anna annie ann anne nan nancy anya
    annabelle anna belle ann annie
    annette anne annie nettie
    anthony tony ant toni
    antonia toni tonya nia
    antonio tony tonio toño
    archibald archie baldie
    arnold arnie
    arthur art artie
    arturo art turo
    ashley ash
    augustus gus augie
    augustine gus augie
    barbara barb barbie babs bobbie basia
    barnabas barney barnaby
    bartholomew bart barty bartie
    beatrice bea trixie bee trix
    beatriz bea betty
    benedict ben benny
    benjamin ben benny benji benjy benjie bennie
    bernadette bernie detta
    bernard bernie barney
    bernice bernie bunny
    bertha bertie
    bethany beth
    beverly bev
    brandon bran
    bradford brad
    bradley brad
    brenda bren
    brian bri
    brianna bri anna
    bridget bridie biddy
    brittany britt brit
    calvin cal
    cameron cam
    camilla cam cammie millie
    camille cam cammie millie
    candace candy candi dacey
    carl charlie
    carla carly
    carlos charlie carlitos
    carmen carmie
    carol carrie caro
    carolina caro lina
    caroline carrie carol caro lina callie carly
    carolyn carol carrie lynn
    cassandra cassie cass sandra sandy
    casey case
    catalina cata lina
    catherine cathy cate cat kate katie kathy cathie kit kitty cath
    cecilia cece ceci celia cissy sissy
    cedric ced rick
    celeste celie
    celestine celie tina
    charles charlie chuck chas chaz chip charley carlos
    charlotte charlie lottie char lotte carly
    chelsea chels
    cheryl cher sherry
    chester chet
    christian chris
    christina chris tina chrissy christy tina kris crissy
    christine chris chrissy christy tina
    christopher chris kit topher christy kris
    clara clare
    clarence clare
    clarissa clare rissa
    claudia claudie
    clayton clay
    clement clem
    clementine clem
    clifford cliff
    clifton cliff
    clinton clint
    concepcion concha conchita connie
    connor con
    constance connie
    consuelo chelo connie
    cordelia cordy delia
    cornelius neil corny connie
    courtney court
    crystal crys
    cristina cris tina
    curtis curt
    cynthia cindy cyndi cindi cyn
    cyrus cy
    dagmar dag
    daisy daze
    dalton dal
    daniel dan danny dannie
    daniela dani ela
    danielle dani dannie elle
    daphne daph
    darlene darla
    david dave davy davey davie
    deanna dee anna
    deborah deb debbie debby debra debi
    delores dee lola dolly
    demetrius dmitri demi
    denise dee denny neecy
    dennis denny
    derek rick
    desmond des desi
    diana di didi dee
    diane di dee
    dolores lola dolly lolita loli
    dominic dom nick nicky
    dominique dom nikki
    donald don donnie donny
    donna don
    dorothy dot dottie dolly dory dorrie
    douglas doug dougie
    dwight ike
    earl earlie
    edgar ed eddie edgardo
    edith edie
    edmund ed eddie ned ted teddy
    eduardo eddie lalo edu
    edward ed eddie ted teddy ned eddy ward
    edwin ed eddie win
    eileen lena
    elaine lainie lane
    eleanor ellie nell nellie nora lenora ella elle elly
    elena lena ellie
    elias eli
    elijah eli lije
    elisabeth beth liz lisa betsy elsie
    elizabeth liz beth betty lizzie betsy eliza libby lisa bess bessie liza lizzy betsey elsie elspeth
    elizabeth ellie birdie bette lilibet buffy
    ellen nell nellie ellie
    elliott eli
    eloise ellie
    elvira elvi vira
    emily em emmy millie emmie emma
    emanuel manny manuel
    emmanuel manny manuel manolo
    enrique kike quique rick henry
    eric rick ricky
    erica ricki
    ernest ernie
    ernesto ernie neto
    esmeralda esme
    esperanza espy
    esther essie hettie
    estelle stella essie
    ethel ettie
    eugene gene
    eugenia genie gena
    eunice nicie
    evangeline eva evie angie
    evelyn evie eve lynn ev
    ezekiel zeke
    ezra ez
    faith fay
    felicia fely lisha
    felicity fliss flick
    ferdinand ferdie fred
    fernando nando fern
    florence flo flossie florrie
    frances fran frannie francie francine fanny franny
    francesca fran franny cesca francie
    francis frank frankie fran
    francisca paca pancha fran
    francisco paco pancho frank cisco kiko curro
    franklin frank frankie lin
    frederick fred freddie freddy rick fritz fredrick
    gabriel gabe gabby
    gabriela gabby gaby
    gabrielle gabby gabi elle gaby
    gail gayle
    geoffrey geoff jeff
    george georgie jorge geordie
    georgia georgie
    georgina georgie gina
    gerald gerry jerry
    geraldine gerry geri deena
    gerard gerry jerry
    gertrude gert gertie trudy
    gilbert gil bert
    gillian gill jill gilly
    giovanni gio vanni gianni
    giuseppe beppe peppe joe
    glenn glen
    gloria glo
    gordon gord gordy gordie
    grace gracie
    graciela chela grace
    gregory greg gregg
    griffin griff
    guadalupe lupe lupita pita
    guillermo memo guille
    guinevere gwen jenny
    gustavo gus tavo
    gwendolyn gwen wendy gwenny
    hannah hanna
    harold hal harry
    harriet hattie hetty harri
    harrison harry
    harvey harv
    heather heth
    hector tito
    helen nell nellie lena
    henrietta etta hetty hettie hank hattie
    henry hank harry hal
    herbert herb bert herbie
    herman herm
    hilary hil
    hillary hill hilly
    homer hom
    horace horry
    howard howie ward
    hubert bert hugh
    humphrey humph
    ian iain
    ignacio nacho iggy
    ignatius iggy nate
    imogen immy
    inez ines
    ingrid inga
    irene rene rena
    irving irv
    isaac ike zac zack
    isabel izzy bel belle bella isa
    isabella izzy bella belle ella isa
    isabelle izzy belle
    isaiah ike zay
    isidore izzy
    israel izzy
    ivan vanya
    jacob jake jay jakob
    jacqueline jackie jacqui jacquie
    jaime jimmy
    james jim jimmy jamie jem jimmie
    jane janie jan janet jenny
    janet jan
    janice jan
    jasmine jazz jas
    jason jay jase
    jasper jas
    javier javi
    jayden jay
    jeanette jean jenny nettie
    jedediah jed
    jeffery jeff
    jeffrey jeff
    jemima mima
    jennifer jen jenny jenn jennie jenna
    jeremiah jerry jeremy jem
    jeremy jerry jem
    jerome jerry
    jessica jess jessie jessi
    jesse jess
    jesus chuy chucho
    jillian jill
    joan joanie joni
    joanna jo joanie anna annie
    joanne jo joanie
    joaquin quino
    jocelyn joss lyn
    johanna jo hanna
    john jack johnny jon jackie jock ian johnnie
    jonathan jon jonny john johnny nathan jonathon
    jordan jordy judd
    jorge coque george
    jose pepe chepe pepito joe joey
    josefina fina josie pepa
    joseph joe joey jo josef
    josephine jo josie joey jody fifi
    joshua josh
    joyce joy
    juan juanito johnny
    juana juanita
    juanita nita
    judith judy judie jude
    julia julie jules
    julian jules
    juliana jules
    juliet julie jules
    julio julito
    julius jules
    justin just
    karen kari
    karl charlie
    katharine kathy kate katie kay kitty
    katherine kathy kate katie kay kit kitty kat kathie kath kati
    kathleen kathy kate katie kay kath kat
    kathryn kathy kate katie kay kat
    katrina kat trina katie
    keith keithy
    kelly kel
    kelsey kels
    kendra ken
    kendall ken
    kenneth ken kenny kennie
    kevin kev
    kimberly kim kimmy kimmie kimberley
    kirsten kirsty
    kristen kris kristy
    kristin kris kristy
    kristina kris tina kristy
    kristopher kris
    kyle ky
    lamont monty
    larissa lara rissa
    laura laurie lori lolly
    lauren laurie ren
    laurence larry laurie
    lavinia vinnie
    lawrence larry laurie lars lawrie
    leah lee
    leandro leo
    leila lee
    lenora nora
    leo leon
    leon lee leo
    leona lee
    leonard len lenny leo lennie
    leonardo leo nardo
    leopold leo
    leroy roy
    leslie les lee
    lester les
    leticia letty lety
    letitia letty tisha
    levi lee
    lewis lew louie
    lillian lil lilly lily lillie
    lilian lil lily
    linda lindy lin
    lindsay lin
    lindsey lin
    lionel leo
    llewellyn lew
    lloyd loy
    lois lo
    lorenzo larry renzo
    loretta etta lorrie retta
    lorraine lorrie lori rainey
    louis lou louie
    louisa lou lulu
    louise lou lulu
    lourdes lulu
    lucas luke
    lucia lucy
    lucille lucy lou
    lucinda lucy cindy
    lucretia lu
    luis lucho lou
    luisa lulu
    luther lou
    lydia liddy
    mackenzie mac kenzie mack
    madeline maddie maddy
    madeleine maddie maddy
    madison maddie maddy
    magdalena lena magda maggie
    malcolm mal
    manuel manny manolo
    manuela manola
    marcella marcy
    marcia marcy
    marco marc
    marcos marc
    marcus marc mark
    margaret maggie meg peggy marge margie peg greta megan daisy rita madge maisie margo midge mags
    margarita rita margo maggie
    maria mari mia mary marie
    mariana mari
    marianne mari
    maribel mari
    marian mary
    marilyn mary lyn
    marion mary
    marissa rissa
    marjorie marge margie
    marlene marly
    marshall marsh
    martha marty mattie patsy
    martin marty
    martina tina marty
    marvin marv
    mary molly polly mamie maria marie may mae
    matilda tilly mattie tilda
    matthew matt matty mathew
    maureen mo reenie
    maurice maury mo morry
    mauricio mau
    maximilian max
    maxine max
    maxwell max
    megan meg
    melanie mel
    melinda mindy mel lindy
    melissa missy mel lissa
    melvin mel
    mercedes mercy meche
    meredith merry
    michael mike mick mickey mikey micky mitch misha
    michelle shelly mickey chelle shell
    miguel migue mike
    mildred millie milly
    millicent millie milly
    milton milt
    minerva minnie
    minnie mina
    miranda mandy randi
    miriam mimi mim miri
    mitchell mitch
    mohammed mo moe
    mohamed mo moe
    muhammad mo moe
    moises moe
    monica mon
    montgomery monty
    morris mo morrie
    mortimer mort
    moses mo moe
    muriel mur
    myron ron
    nadine dee
    nancy nan
    naomi nomi
    natalia nat talia
    natalie nat nattie
    natasha tasha nat
    nathan nate nat
    nathaniel nate nathan nat
    nelson nels
    nicholas nick nicky nico claus
    nicolas nick nico
    nicole nikki nicky nic coco
    nina nin
    noah noe
    nora norrie
    norbert bert
    norma normie
    norman norm
    octavia tavia tavy
    octavio tavo
    oliver ollie oli
    olivia liv livvy ollie livia
    oscar ozzie
    oswald ozzie
    otis ott
    pamela pam pammy
    patricia pat patty tricia trish patsy patti pattie trisha
    patrick pat paddy rick patty patsy
    paul paulie
    paula polly
    paulina polly lina
    pauline polly
    pedro perico pete
    penelope penny pen nell
    percival percy
    peter pete petey
    philip phil pip
    phillip phil pip
    phineas finn
    phoebe phebe
    phyllis phyl
    pilar pili
    preston pres
    priscilla cilla prissy pris
    prudence prue
    quentin quin
    quincy quin
    rachel rae shelly rach
    rafael rafa rafe
    ramon moncho ray
    ramona mona
    randall randy
    randolph randy rand dolph
    raphael rafe rafa
    raul rulo
    raymond ray
    raymundo ray mundo
    rebecca becky becca beck becki becka
    regina gina reggie
    reginald reg reggie
    rene ren
    reuben rube ben
    rex reggie
    reynaldo rey naldo
    ricardo rick ricky richie cardo
    richard rick dick rich ricky richie rickey dickie rickie
    robert bob rob bobby robbie bert robby bobbie robin
    roberta bobbie robbie bert berta
    roberto beto rob bobby berto
    robin rob
    roderick rod rick roddy
    rodney rod roddy
    rodolfo rudy fito
    rodrigo rod rigo
    rogelio roger
    roger rog hodge
    roland rollie rolly
    ronald ron ronnie ronny
    rosa rosie rosita
    rosalie rose rosie
    rosalind roz rosie linda
    rosario charo
    rose rosie
    rosemary rose rosie romy
    roxanne roxy rox
    royce roy
    ruben rube
    rudolph rudy
    rufus rufe
    rupert rupe
    russell russ rusty
    ruth ruthie
    sabrina bri brina
    sally sal
    salvador sal chava
    salvatore sal sally
    samantha sam sammy samie
    samuel sam sammy
    sandra sandy sandi
    sanford sandy
    santiago santi chago diego
    sarah sally sadie sara
    savannah vanna savvy
    scott scottie scotty
    sebastian seb bash bastian
    sergio checo
    serena rena
    seth sethy
    shannon shan
    sharon shari sherry
    shawn sean
    sheila shel
    sheldon shel
    shelby shel
    shirley shirl
    sidney sid
    sierra si
    silas si
    silvia sil
    simon si
    simone mona
    sofia sofi
    solomon sol solly
    sophia sophie soph
    sophie soph
    spencer spence
    stacy stace
    stanley stan
    stella stel
    stephanie steph stephie stevie
    stephen steve stevie steph
    steven steve stevie
    stewart stew stu
    stuart stu stew
    summer sum
    susan sue susie suzy sukie suzie
    susanna sue susie suzy sanna
    susannah sue susie
    suzanne sue suzie suzy
    sydney syd
    sylvester sly syl
    sylvia syl sylvie
    tabitha tabby
    tamara tammy tam
    tanya tan
    tatiana tanya tati
    taylor tay
    teodoro teo
    terrance terry
    terrence terry
    teresa terry tess tessa teri tere resa
    thaddeus thad tad ted
    thelma thel
    theodora dora theo teddy
    theodore ted teddy theo dora
    theresa terry tess tessa tracy reese terri
    thomas tom tommy thom tommie
    tiffany tiff tiffy
    timothy tim timmy
    tobias toby
    tomas tomasito
    tracy trace
    travis trav
    trevor trev
    tristan tris
    tyler ty
    tyrone ty
    ulysses lyss
    ursula ursie sula
    valentina val tina
    valerie val
    vanessa nessa van vanny
    vernon vern
    veronica ronnie roni vero ronni
    victor vic vik
    victoria vicky tori vicki vickie toria vic
    vincent vince vinny vin vinnie
    vincenzo enzo vince
    viola vi
    violet vi lettie
    virginia ginny ginger gina virgie
    vivian viv vivi
    vladimir vlad vova volodya
    wallace wally
    walter walt wally wat
    wanda wendy
    warren ren
    wayne way
    wendell wen
    wesley wes
    wilbur will
    wilfred will fred wilf
    wilhelmina mina minnie billie willa wilma
    willard will
    william bill will billy willie liam willy billie wills
    willis will
    wilma billie
    winifred winnie freddie fred wyn
    winston win
    woodrow woody
    xavier xavi zave
    xiomara xio
    yolanda yoli
    yvette evie
    yvonne vonnie evie
    zachariah zach zack
    zachary zach zack zac zak
    zedekiah zed
    zoe zo
"""


@cache
def nicknames() -> dict[str, tuple[str, ...]]:
    """Return what else the bearer of a name may be called, by name in lower case without accents, both ways.

    A short name that stands for one name only leads to that name's other short names too.
    """
    called: dict[str, dict[str, None]] = {}
    stands_for: dict[str, list[str]] = {}
    groups = [line.split() for line in _GROUPS.replace("ñ", "n").splitlines() if line.strip()]
    for name, *shorts in groups:
        called.setdefault(name, {}).update(dict.fromkeys(shorts))
        for short in shorts:
            stands_for.setdefault(short, []).append(name)
    found: dict[str, dict[str, None]] = {name: dict(shorts) for name, shorts in called.items()}
    for short, names in stands_for.items():
        others = found.setdefault(short, {})
        others.update(dict.fromkeys(names))
        if len(names) == 1:
            others.update(called[names[0]])
        others.pop(short, None)
    return {name: tuple(others) for name, others in found.items()}
