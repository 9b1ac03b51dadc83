"""Names of states and countries, types of streets and words of facilities: written for this project, data only."""

from __future__ import annotations

STATES = (
    "Alabama", "Alaska", "Arizona", "Arkansas", "California", "Colorado", "Connecticut", "Delaware", "Florida",
    "Georgia", "Hawaii", "Idaho", "Illinois", "Indiana", "Iowa", "Kansas", "Kentucky", "Louisiana", "Maine", "Maryland",
    "Massachusetts", "Michigan", "Minnesota", "Mississippi", "Missouri", "Montana", "Nebraska", "Nevada",
    "New Hampshire", "New Jersey", "New Mexico", "New York", "North Carolina", "North Dakota", "Ohio", "Oklahoma",
    "Oregon", "Pennsylvania", "Rhode Island", "South Carolina", "South Dakota", "Tennessee", "Texas", "Utah", "Vermont",
    "Virginia", "Washington", "West Virginia", "Wisconsin", "Wyoming", "District Columbia", "Puerto Rico", "Guam",
    "American Samoa", "Virgin Islands", "Northern Mariana Islands",
    "Ala", "Ariz", "Ark", "Calif", "Colo", "Conn", "Fla", "Ill", "Ind", "Kans", "Mass", "Mich", "Minn", "Miss", "Mont",
    "Nebr", "Nev", "Okla", "Ore", "Penn", "Tenn", "Tex", "Wash", "Wis", "Wyo",
)  # fmt: skip

STATE_CODES = (
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA",
    "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR",
    "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "PR", "GU", "AS", "VI", "MP",
)  # fmt: skip


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COUNTRY_WORDS = _words(
    """
    afghan afghanistan africa african alaskan albania albanian algeria algerian america american amharic andorra
    angola angolan antarctica antigua apache appalachian arab arabian arabic argentina argentine argentinian armenia
    armenian aruba asia asian australia australian austria austrian azerbaijan azerbaijani bahamas bahamian bahrain
    balkan bangladesh bangladeshi barbadian barbados basque belarus belarusian belgian belgium belize bengali benin
    bermuda bhutan bolivia bolivian bosnia bosnian botswana brazil brazilian britain british brunei bulgaria
    bulgarian burkina burma burmese burundi cambodia cambodian cameroon cameroonian canada canadian cantonese cape
    caribbean catalan caucasian cebuano chad cherokee chile chilean china chinese choctaw colombia colombian comoros
    congo congolese costa creole crimea crimean croatia croatian cuba cuban curacao cypriot cyprus czech czechia
    danish dari denmark djibouti dominica dominican dutch ecuador ecuadorian egypt egyptian emirates emirati england
    english eritrea eritrean estonia estonian eswatini ethiopia ethiopian europe european farsi faso fiji fijian
    filipina filipino finland finnish flemish france french gabon gambia gambian georgia georgian german germany
    ghana ghanaian gibraltar greece greek greenland grenada guadeloupe guatemala guatemalan guinea gujarati guyana
    guyanese haiti haitian hausa hawaiian hebrew herzegovina hindi hispanic hmong holland honduran honduras hopi
    hungarian hungary iberian iceland icelandic igbo ilocano india indian indonesia indonesian inuit iran iranian
    iraq iraqi ireland irish israel israeli italian italy ivorian ivory jamaica jamaican japan japanese jordan
    jordanian kannada kazakh kazakhstan kenya kenyan kingdom kiribati korea korean kosovo kreyol kurdish kuwait
    kuwaiti kyrgyzstan lanka lankan laos laotian latin latina latino latinx latvia latvian lebanese lebanon leone
    lesotho liberia liberian libya libyan liechtenstein lithuania lithuanian luxembourg macau macedonia macedonian
    madagascar malawi malayalam malaysia malaysian maldives mali malian malta maltese mandarin marathi martinique
    mauritania mauritius mediterranean mexican mexico micronesia moldova moldovan monaco mongolia mongolian
    montenegro moroccan morocco mozambique myanmar namibia navajo nepal nepalese nepali netherlands nicaragua
    nicaraguan niger nigeria nigerian norway norwegian oceania ojibwe oman omani pacific pakistan pakistani palau
    palestine palestinian panama panamanian papua paraguay paraguayan pashto persian peru peruvian philippine
    philippines poland polish polynesian portugal portuguese puerto punjabi qatar qatari rica rican romania romanian
    russia russian rwanda rwandan salvador salvadoran samoa samoan scandinavia scandinavian scotland scottish
    senegal senegalese serbia serbian seychelles siberian sierra singapore singaporean sioux slovak slovakia
    slovenia slovenian somali somalia spain spanish states sudan sudanese suriname swahili sweden swedish swiss
    switzerland syria syrian tagalog taiwan taiwanese tajikistan tamil tanzania tanzanian telugu thai thailand tibet
    tibetan tigrinya timor tobago togo tonga tongan trinidad trinidadian tunisia tunisian turkey turkish
    turkmenistan tuvalu uae uganda ugandan uk ukraine ukrainian united urdu uruguay uruguayan us usa uzbek
    uzbekistan vanuatu vatican venezuela venezuelan verde vietnam vietnamese wales welsh yemen yemeni yiddish yoruba
    zambia zambian zealand zimbabwe zimbabwean zulu
    """
)

STREET_TYPES = _words(
    """
    alley aly apartment apt av ave avenida avenue bend bldg blvd boulevard broadway building byp bypass calle camino
    causeway center cir circle close commons corner corners court cove creek cres crescent crest crk crossing cswy
    ct ctr cv dale divide dr drive esplanade estate estates expressway expy ext extension fl floor fork forks
    freeway frontage fwy garden gardens gate gateway gdns glen green grove grv harbor haven heights highway hill
    hills hls hollow holw hts hwy inlet island isle jct junction key knl knoll knolls lake landing lane ldg ln lodge
    loop lot manor mdws meadow meadows mews mill mills mnr mount mountain neck orchard oval overlook park parkway
    paseo pass passage path pike pkwy pl place plaza plz point prairie pt quay ranch rapids rd rdg ridge road route
    row rte rue run shore shores spring springs spur sq square st station ste strasse stravenue street suite summit
    ter terr terrace tpke trace track trafficway trail trailer trl tunnel turnpike unit valley via view village
    vista walk way wharf xing
    """
)

FACILITY_WORDS = _words(
    """
    academy adventist ambulatory ascension assisted associates baptist beth bethesda campus cardiology care catholic
    center centre chapel children childrens church cleveland clinic clinics college community convalescent
    correctional costco cvs davita daycare deaconess dialysis dignity dispensary drugstore elementary episcopal
    foundation fresenius geisinger group gymnasium health healthcare heart hospice hospital hospitals humana imaging
    infirmary institute intermountain jail jewish kaiser kindergarten kroger labcorp laboratories laboratory labs
    library living lutheran manor mayo medical memorial mercy methodist mosque nursing oncology orthopaedics
    orthopedics partners pavilion pediatric pediatrics penitentiary permanente pharmacies pharmacy physicians
    practice presbyterian preschool prison providence quest radiology regional rehab rehabilitation residence
    residences retirement rite sacred saint saints samaritan sanatorium school seminary sentara shelter shriners
    sinai specialists surgery surgical surgicenter sutter synagogue temple tenet tower trinity university urgent
    veterans villa walgreens walmart ward wing womens ymca ywca
    """
)
