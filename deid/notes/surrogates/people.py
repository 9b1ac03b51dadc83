"""Given names and surnames that surrogates are made of: data only, typed for this project from general knowledge."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.capitalize() for word in dict.fromkeys(text.split()))


WOMEN = _words(
    """
    abigail ada adele adelaide adeline adriana agatha agnes aimee alana alberta alejandra alexandra alexis alice
    alicia alina alison allison alma althea alyssa amanda amelia amy ana anastasia andrea angela angelica anita ann
    anna anne annette annie antonia ariana arlene ashley astrid audrey aurora ava barbara beatrice becky belinda
    bella bernadette bernice bertha bess beth bethany betty beverly bianca bonnie brenda brianna bridget brooke
    camila camille candice cara carla carmen carol carolina caroline carolyn carrie cassandra catherine cathy
    cecilia celeste celia charlene charlotte chelsea cheryl chloe christina christine cindy clara clarissa claudia
    colleen connie constance cora corinne courtney cristina crystal cynthia daisy dana danielle daphne darlene
    deanna deborah debra delia delores denise diana diane dina dolores donna dora doreen doris dorothy edith edna
    eileen elaine eleanor elena elisa elise eliza elizabeth ella ellen eloise elsa elsie emilia emily emma erica
    erin ernestine estelle esther ethel eugenia eunice eva evelyn fatima felicia fiona flora florence frances
    francesca freda gabriela gail georgia geraldine gertrude gina gladys glenda gloria greta gwen gwendolyn hailey
    hanna hannah harriet hazel heidi helen helena henrietta hilda holly ida imogen ines ingrid irene irma isabel
    isabella jacqueline jane janet janice jasmine jean jeanette jenna jennifer jenny jessica jill joan joanna
    jocelyn josephine joyce juana juanita judith judy julia juliana julie juliet june karen kate katherine kathleen
    kathryn katie katrina kayla kelsey kendra kimberly krista kristen lara laura lauren laurie leah leila lena leona
    leslie leticia lillian lily linda lisa lois lola loretta lorraine louise lucia lucille lucinda lucy luisa lydia
    lynn mabel madeline maggie marcella marcia margaret maria marian marie marilyn marina marisol marjorie marlene
    marsha martha mary matilda maureen maxine megan melanie melinda melissa mercedes meredith michelle mildred
    minerva minnie miranda miriam molly mona monica muriel myra myrtle nadia nancy naomi natalia natalie nellie
    nicole nina nora norma octavia odessa olga olive olivia opal paige pamela patricia paula pauline pearl peggy
    penelope petra phoebe phyllis priscilla rachel ramona raquel rebecca regina renee rhoda rhonda rita roberta
    rochelle rosa rosalie rose rosemary roxanne ruby ruth sabrina sadie sally samantha sandra sara sarah selena
    selma shannon sharon sheila shelley sherry shirley silvia simone sofia sonia sophia sophie stacey stella
    stephanie susan susana suzanne sybil sylvia tamara tanya tara teresa thelma theresa tina toni tracy trudy ursula
    valerie vanessa vera verna veronica vicky victoria viola violet virginia vivian wanda wendy wilma winifred
    yolanda yvette yvonne zoe
    """
)

MEN = _words(
    """
    aaron abel abraham adam adrian alan albert alberto alec alejandro alex alexander alfonso alfred allan allen
    alonzo alvin ambrose amos andre andrew andy angelo anthony antonio archie armando arnold arthur august augustus
    austin barney barry bartholomew basil ben benedict benjamin bennett bernard bert blake boris brad bradley
    brandon brendan brent brett brian bruce bruno bryan byron caleb calvin cameron carl carlos carlton cecil cedric
    cesar charles chester christian christopher clarence claude clayton clement clifford clifton clinton clyde cody
    colin conrad corey cornelius craig curtis cyril dale damian daniel darius darrell darren dave david dean dennis
    derek dexter dirk dominic donald douglas duane duncan dustin dwayne dwight earl eddie edgar edmund eduardo
    edward edwin eli elijah elliot ellis elmer emil emilio enrique eric erik ernest ernesto ethan eugene evan
    everett ezra felipe felix fernando floyd francis francisco franklin fred frederick gabriel garrett gary gavin
    gene geoffrey george gerald gerard gideon gilbert glen gordon graham grant greg gregory gus guy harold harry
    harvey hector henry herbert herman homer horace howard hubert hugh hugo ian ignacio ira irving isaac isaiah ivan
    jack jacob jaime jake james jared jason javier jay jeff jeffrey jeremy jerome jerry jesse jesus jim joe joel
    john jonah jonathan jorge jose joseph joshua juan julian julio julius justin karl keith kenneth kent kevin kirk
    kurt kyle lance larry lawrence leo leon leonard leroy lester lewis liam lionel lloyd logan lorenzo louis lowell
    lucas luis luke luther lyle malcolm manuel marc marcel marco marcus mario mark marshall martin marvin mateo
    matthew maurice max maxwell melvin michael miguel miles milton mitchell morris moses nathan nathaniel ned neil
    nelson nicholas nick noah noel norman oliver omar orlando orville oscar otis otto owen pablo patrick paul pedro
    percy perry peter philip preston quentin rafael ralph ramon randall raul ray raymond reginald rene reuben rex
    ricardo richard rob robert roberto rodney roger roland rolando roman ronald rory roscoe ross roy ruben rudolph
    rufus rupert russell ryan salvador sam samuel saul scott sean sebastian sergio seth shane sheldon sidney silas
    simon solomon spencer stanley stephen sterling steven stuart sylvester ted terence theodore thomas tim timothy
    tobias todd tomas tony travis trevor troy tyler tyrone ulysses vance vernon victor vincent virgil wade wallace
    walter warren wayne wendell wesley wilbur wilfred willard william willis winston xavier zachary
    """
)

SHORT_SURNAMES = _words(
    """
    abel ames beal beck bell bird blum bond boyd bray buck burr bush byrd cain carr case chen choi cobb cole cook
    cox cruz daly day dean diaz dodd dorn duke dunn dyer else eng epps falk fink fitz ford fox frye gage gant gill
    gold gore gray grey guy haas hahn hale hall hart hays hess hill hogg holt hood huff hull hunt hyde ives jack joy
    judd kahn kane kaye kent kerr kidd kim king klug koch kohl kuhn lamb lane lang lara law leal lee leon levy lind
    long lowe luna lund lutz lyon mack mann marx mays mead mena meza mills moon moss mott nash neal nixon noe nunn
    nuno oaks odom orr ott owen pace page paul peck penn pham pike polk pool pope pratt puga pugh quan rand reed
    reid rhee rice rios rock roe rook rose ross rowe roy ruiz rush ryan sage sams sears shaw sims sosa soto stark
    sun tang tate todd tran troy trout vega vick voss wade wall ward webb west wick witt wolf wood wynn yang yoon
    york yost zhou
    """
)

# Names of this form are made in thousands, so that two people of one patient seldom share one.
_BEGINNINGS = _words(
    """
    ald amber ash bar bax beck bent black blake bran brad bram bridge brock brom burn cal carl chad chat clay cliff
    col cran crom cross dal dan dar dray dun east eld ell elm fair far fen fern fox frank gar glad gold gran green
    had hal ham har hart hath hawk hazel hol horn hunt ing ken kil king kirk lang lark law leigh lin lock long mal
    mar mead mel mer mill mor nether new north nor oak old os ot pem pen pres rad red rich rock ros ruth sand sel
    shel sher staf stan stock stone strat sut swan thorn thur tol tren tun up wake wal war wat wes whit wick wild
    win wood wor wyn yar
    """
)
_ENDINGS = _words(
    """
    berg bourne brook burn bury by combe cott croft dale den der don field fold ford gate grave ham hill hurst lake
    land ley low man mere mond more ridge shaw sley stead ster stock stone ton wall ward well wick wood worth
    """
)
LONG_SURNAMES = tuple(
    first + last.lower() for first in _BEGINNINGS for last in _ENDINGS if first[-1] != last[0].lower()
)
