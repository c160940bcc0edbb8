"""The words of other worlds than the scenes', each in all its forms."""

# A paragraph a world: nouns | verbs | adjectives.
_TEXT = """
kettle saucepan flour sugar recipe dinner vinegar pepper onion garlic soup omelette
ladle whisk colander pantry breakfast gravy casserole mustard | roast simmer drain
marinate season fry serve devour | delicious savoury crisp tender bland sour generous
greasy

violin orchestra melody chorus trumpet sonata rhythm cello concerto harmonica tenor
drummer quintet piano flute conductor ballad octave opera lyric | compose rehearse
perform chant whistle pluck record improvise | tuneful melodic loud quiet operatic
choral rhythmic mellow

judge lawyer verdict statute contract plaintiff jury trial appeal witness clause
solicitor courtroom tribunal evidence barrister prosecutor affidavit penalty testimony
| convict summon testify plead accuse overrule allege enforce | legal criminal guilty
binding lenient unlawful judicial strict

doctor vaccine fever remedy surgeon hospital patient clinic symptom tablet pharmacy
infection therapy virus cough allergy kidney lung vitamin thermometer | diagnose
vaccinate prescribe sneeze recover inject examine operate | chronic acute contagious
feverish clinical painful sterile benign

teacher pupil lesson homework classroom exam textbook university lecture tutor student
essay diploma scholarship alphabet kindergarten syllabus professor blackboard
dictionary | study instruct memorise learn graduate consult revise recite | academic
diligent clever studious literate curious attentive gifted

locomotive carriage platform railway station ticket passenger timetable tunnel viaduct
stoker signalman siding junction freight depot buffer sleeper porter turnstile |
depart arrive journey board derail commute transport delay | punctual regional
electric crowded overdue scenic express suburban

banker loan mortgage dividend investor stock bond currency inflation deposit
shareholder auditor broker revenue invoice pension budget deficit treasury interest |
invest sponsor refund borrow speculate finance earn insure | wealthy bankrupt fiscal
profitable monetary frugal taxable thrifty

thunder hurricane drizzle fog breeze blizzard forecast barometer rainbow gale humidity
monsoon rainfall tornado cloud frost mist hail typhoon thermal | pour evaporate
sprinkle thaw rumble condense gust soak | stormy chilly overcast damp windy misty
frosty dreary

elephant giraffe zebra leopard gorilla hippopotamus rhinoceros hyena antelope cheetah
buffalo jackal meerkat baboon warthog gazelle mongoose panther jaguar badger | roar
stalk graze prowl migrate wander hibernate trample | wild nocturnal carnivorous fierce
furry timid agile predatory

sofa wardrobe armchair cupboard mattress drawer bookshelf stool carpet curtain cushion
lampshade sideboard recliner bunk hammock dresser ottoman chandelier rug | recline
upholster assemble decorate dust furnish vacuum rearrange | comfortable antique cosy
elegant sturdy padded spacious ornate

actor playwright rehearsal audience costume tragedy comedy scenery monologue spotlight
usher dialogue script prompter ovation understudy stagehand matinee pantomime
auditorium | applaud enact curtsey narrate audition dramatise improve mime |
theatrical tragic comic dramatic famous nervous backstage farcical

tractor barley harvest orchard farmer plough silo pigsty fertiliser irrigation wheat
dairy goat sheepdog barn stable crop turnip cabbage combine | sow harrow milk
fertilise irrigate reap thresh nurture | rural fertile agricultural organic ripe
barren seasonal rustic

computer keyboard firewall database algorithm compiler server browser network password
variable function debugger program processor router pixel terminal laptop spreadsheet
| compute download encrypt install execute upload delete archive | digital virtual
binary wireless secure obsolete portable recursive

molecule acid electron catalyst solvent beaker compound reagent polymer isotope proton
titration oxide enzyme carbon nitrogen hydrogen sulphur pipette laboratory | dissolve
react oxidise hydrolyse neutralise crystallise ferment synthesise | acidic alkaline
volatile soluble inert molecular toxic reactive

granite volcano mineral fossil lava crystal earthquake glacier sediment limestone
basalt canyon plateau geologist crater quarry marble sandstone boulder cavern | erode
erupt excavate subside compress fracture deposition weather | volcanic molten porous
rocky prehistoric seismic brittle igneous

footballer goalkeeper referee stadium linesman striker midfielder tournament league
trophy defender supporter coach scoreboard pitch championship jersey winger captain
substitute | kick tackle defend train cheer dribble juggle qualify | athletic
competitive victorious unbeaten offensive tactical sporting energetic

newspaper editor journalist headline column reporter magazine interview publisher
article gossip broadcaster tabloid correspondent caption bulletin newsroom columnist
scoop subscriber | publish report broadcast edit quote proofread leak announce |
journalistic anonymous factual editorial weekly biased topical daily

landlord tenant chimney attic basement balcony staircase bedroom kitchenette garage
rooftop drainpipe doorbell fireplace apartment cottage bungalow mansion hallway porch
| rent renovate insulate construct inhabit demolish partition lease | residential
vacant draughty tidy affordable detached derelict roomy

senator minister parliament election ballot candidate democracy policy coalition
referendum treaty diplomat governor constituency mayor voter republic manifesto
lobbyist cabinet | elect vote legislate campaign govern debate resign negotiate |
political democratic liberal conservative federal partisan electoral radical

trouser skirt jacket scarf glove blouse sandal sweater stocking waistcoat pyjama
bonnet denim slipper boot overcoat necktie apron raincoat corset | unfold crochet
embroider iron launder bleach mend dress | woollen fashionable shabby stylish baggy
silken waterproof tight

theorem integer fraction equation algebra geometry polynomial matrix vector proof
corollary axiom logarithm derivative quotient exponent topology lemma hypotenuse
tangent | calculate multiply divide subtract prove integrate approximate factorise |
linear infinite prime rational convex abstract cubic numerical

postman parcel envelope stamp letterbox courier postcard address telegram mailbag
sender recipient postcode delivery package airmail pigeon sorter warehouse dispatch |
deliver post seal mail frank collect forward weigh | postal urgent registered prepaid
fragile overseas bulky undelivered
"""


def plural(noun: str) -> str:
    """Return the regular plural: box, boxes; fly, flies; day, days."""
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def verb_forms(verb: str) -> tuple[str, str, str, str]:
    """Return a regular verb bent: bake, bakes, baked, baking."""
    stem = verb.removesuffix("e")
    past = stem + "ed"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        past = verb[:-1] + "ied"
    return verb, plural(verb), past, stem + "ing"


def _worlds() -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Return nouns, verbs and adjectives of each other world, bent."""
    found = []
    for paragraph in _TEXT.strip().split("\n\n"):
        nouns, verbs, adjectives = (part.split() for part in paragraph.split("|"))
        found.append(
            (
                tuple(form for noun in nouns for form in (noun, plural(noun))),
                tuple(form for verb in verbs for form in verb_forms(verb)),
                tuple(adjectives),
            )
        )
    return tuple(found)


WORLDS: tuple[tuple[tuple[str, ...], ...], ...] = _worlds()
