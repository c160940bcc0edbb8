"""The words of the scenes' world.

Of each class: its words, how they bend, what else it is called, what is said of it
alone and of all its family.
"""

from dataclasses import dataclass

from helpers.data.painting import COLOURS, FAMILIES, PLACES
from helpers.data.scenes import CLASS_NAMES, FAMILY_OF

FUNCTION_WORDS = frozenset({"of"})  # in names, but no word for what is seen


@dataclass(frozen=True)
class Lexeme:
    """A word, its bent forms, and other words for the same, each with its plural."""

    word: str
    inflections: tuple[str, ...]
    synonyms: tuple[str, ...]

    @property
    def forms(self) -> tuple[str, ...]:
        """All words for the same."""
        return (self.word, *self.inflections, *self.synonyms)


def _lexemes(line: str) -> tuple[Lexeme, ...]:
    """Read "word bent bent | other others; word ..."."""
    found = []
    for part in line.split(";"):
        bent, _, others = part.partition("|")
        word, *inflections = bent.split()
        found.append(Lexeme(word, tuple(inflections), tuple(others.split())))
    return tuple(found)


# A row a class: its words, each "word bent bent | other others"; what is said of it.
_TABLE: tuple[tuple[str, str], ...] = (
    (
        "bike bikes biking | bicycle bicycles; wheel wheels wheeled | hoop hoops",
        "cyclist spokes pedal tyre saddle hub brake puncture",
    ),
    (
        "target targets targeted | bullseye bullseyes",
        "archer arrow aim score rifle shooter quiver butt",
    ),
    (
        "button buttons buttoned | stud studs",
        "sleeve cardigan seam thread tailor cuff collar sewn",
    ),
    (
        "beach beaches | seaside seasides; ball balls | orb orbs",
        "towel inflate summer bounce swimsuit catch sunscreen toss",
    ),
    (
        "yin yins; yang yangs; symbol symbols symbolic | emblem emblems",
        "tao balance dualism opposites harmony sign chi moon philosophy",
    ),
    (
        "hot hotter hottest | warm; cross crosses crossed; bun buns | bap baps",
        "toasted easter bakery buttered glaze dough spice icing currant",
    ),
    (
        "picture pictures pictured | image images; "
        "frame frames framed | border borders",
        "portrait gilded gallery hook canvas mount museum glazed",
    ),
    (
        "ace aces; spades spade | pikes pike",
        "poker deck dealer suit bluff shuffle trick jack",
    ),
    (
        "dice die | cube cubes",
        "gamble tumble casino craps luck pips wager backgammon",
    ),
    (
        "barcode barcodes barcoded | tag tags",
        "scanner checkout price shop laser product till scan",
    ),
    (
        "flag flags flagged | banner banners",
        "pole nation flutter mast parade anthem salute hoist",
    ),
    (
        "first firstly | initial; aid aids aided | help helps; kit kits | pack packs",
        "plaster bandage pouch ambulance wound zip paramedic antiseptic gauze",
    ),
    (
        "cog cogs | gear gears",
        "engine teeth machine clockwork axle grind mesh gearbox",
    ),
    (
        "sun suns sunny | daystar daystars",
        "rays shine noon horizon dawnlight heat daylight solar",
    ),
    (
        "sea seas | ocean oceans; urchin urchins | echinoid echinoids",
        "tide reef coral spine salty seabed diver plankton",
    ),
    (
        "circular circularly | rotary; saw saws sawn; "
        "blade blades bladed | cutter cutters",
        "motor timber steel spin plank whetted carpenter sawdust honed",
    ),
    (
        "compass compasses; rose roses rosy | windrose windroses",
        "north chart navigator map sailor cardinal heading bearings",
    ),
    (
        "throwing throw thrown | hurling hurl; star stars starry | shuriken shurikens",
        "dojo ninja martial samurai fling weapon wrist warrior",
    ),
    (
        "morning mornings | dawn dawns; glory glories glorious | bindweed bindweeds",
        "early vine dew trellis cockcrow climber sunrise tendril",
    ),
    (
        "daisy daisies | marguerite marguerites",
        "lawn chain maypole picking florist bouquet wreath april",
    ),
    (
        "orchid orchids | orchis orchises",
        "greenhouse tropical epiphyte pot exotic humid bark vanilla",
    ),
    (
        "water waters watery | aqua; lily lilies | nenuphar nenuphars",
        "pond frog lake floating ripple pads dragonfly monet",
    ),
    (
        "bird birds birdlike | fowl fowls; paradise paradises | strelitzia strelitzias",
        "crane africa beak islands plumage eden crest tropics",
    ),
    (
        "four fours fourth | quad quads; leaf leaves leafy | frond fronds; "
        "clover clovers | trefoil trefoils",
        "fourfold lucky irish quartet veined meadow counted sprig shamrock",
    ),
)
LEXEMES: tuple[tuple[Lexeme, ...], ...] = tuple(_lexemes(row[0]) for row in _TABLE)
TOPICS: tuple[tuple[str, ...], ...] = tuple(tuple(row[1].split()) for row in _TABLE)
# Of a family: nouns for any of its members, and what is said of all of them.
KINDS: tuple[tuple[str, ...], ...] = (
    ("disc", "discs", "circle", "circles"),
    ("rectangle", "rectangles", "panel", "panels"),
    ("burst", "bursts", "prickle", "prickles"),
    ("flower", "flowers", "blossom", "blossoms"),
)
FAMILY_TOPICS: tuple[tuple[str, ...], ...] = tuple(
    tuple(line.split())
    for line in (
        "roll rolling curved circumference polished ring diameter radius",
        "corner edge straight even side sheet upright rectangular",
        "point prick pierce jagged thorn radiating needle barb",
        "petal fragrance pollen nectar garden velvet stem bee",
    )
)
COLOUR_WORDS = tuple(name for name, _ in COLOURS)
PLACE_WORDS = tuple(place.words.split()[-1] for place in PLACES)


def class_words(label: int) -> tuple[str, ...]:
    """Return the words of a class's name that name it: "ace of spades" has two."""
    return tuple(w for w in CLASS_NAMES[label].split() if w not in FUNCTION_WORDS)


def inflections(label: int) -> frozenset[str]:
    """Return the bent forms of a class's words, as wheels and wheeled of wheel."""
    return frozenset(form for one in LEXEMES[label] for form in one.inflections)


def synonyms(label: int) -> frozenset[str]:
    """Return other words for the words of a class, and their plurals."""
    return frozenset(form for one in LEXEMES[label] for form in one.synonyms)


def hypernyms(label: int) -> frozenset[str]:
    """Return the words of a class's family: its shape, attribute and nouns."""
    family = FAMILY_OF[label]
    return frozenset(FAMILIES[family]) | frozenset(KINDS[family])
