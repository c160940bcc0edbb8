"""Chapter 01: shapes, broadcasts, copies and names, on text sides of random words."""

import os
import tarfile
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from torch import nn

from helpers.chapters import class_names, text_presets, text_tokens
from helpers.chapters.prompt_variants import PromptVariants
from helpers.chapters.text_features import (
    POSITIONS,
    Batch,
    TextFeaturesChapter,
    batch_sizes,
    moved_by_batch,
    prompt_rows,
    refusal,
    shape_table,
    shuffled_labels,
    transported,
)
from helpers.data.catalog import load
from helpers.data.scenes import CLASS_NAMES
from helpers.language.tiny_clip import Architecture, build_tiny_clip
from helpers.methods.lico import LicoClassifier
from helpers.methods.presets import PRESETS, REPAIRS, preset
from helpers.methods.text_side import Language, TextSide
from helpers.report import preset_figures, text_figures
from helpers.settings import DataSettings, Refused

REAL = Path(os.environ.get("REAL_DATA", "not-given"))
SMALL = Architecture(text_width=16, heads=2, embed=12)
CELLS = 16


@pytest.fixture(scope="module")
def clip() -> nn.Module:
    return build_tiny_clip(0, SMALL)


def made(clip: nn.Module, name: str, spread: float = 1.0) -> TextSide:
    """Return a text side whose learnable tokens are `spread` wide."""
    side = TextSide(preset(name), Language(CLASS_NAMES, clip), CELLS, seed=1).eval()
    if name != "rebuttal":
        with torch.no_grad():
            side.context *= spread / 0.02
    return side


def batch(count: int = 16) -> Batch:
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(count, 10, CELLS, generator=generator)
    return Batch(maps, torch.arange(count) % 24)


@pytest.mark.parametrize("name", list(PRESETS))
def test_the_transport_is_the_one_that_training_computes(
    name: str, clip: nn.Module
) -> None:
    pictures = load(DataSettings(train=8, size=32), "train")
    module = LicoClassifier(preset(name), pictures, Language(CLASS_NAMES, clip), 1)
    module.trainer = SimpleNamespace(global_step=0)
    side = module.eval().text
    assert side is not None
    with torch.no_grad():
        maps = module.model.features(pictures.normalised()).flatten(2)
    term = module.optimal_transport(maps, side, side(), pictures.labels)
    found = transported(side, Batch(maps, pictures.labels))
    assert found.losses.mean().item() == pytest.approx(term.loss.item(), rel=1e-9)


def test_the_table_tells_the_presets_by_their_shapes(clip: nn.Module) -> None:
    sides = {name: made(clip, name) for name in PRESETS}
    table = shape_table(sides, batch(16)).set_index("preset")
    paper, fact, rebuttal = table.loc[["paper", "lico_fact", "rebuttal"]].to_dict(
        "records"
    )
    assert paper["prompts a step"] == fact["prompts a step"] == 24
    assert rebuttal["prompts a step"] == 12 * 24
    assert (paper["MM: text"], paper["MM: image"]) == ("[16, 208]", "[16, 160]")
    assert (fact["MM: text"], fact["MM: image"]) == ("[16, 12]", "[16, 10]")
    assert paper["OT: cost"] == "[16, 10, 13]"
    assert fact["OT: cost"] == "[16, 10, 16]"
    assert rebuttal["OT: cost"] == "[16, 10, 12]"
    met = table["OT meets"]
    assert list(table.index[met == "texts of the batch"]) == ["lico_fact"]
    assert list(table.index[met == "texts of all classes"]) == ["authors_jan"]
    assert set(met.drop(["lico_fact", "authors_jan"])) == {"own text"}


def test_a_text_of_another_shape_is_refused_in_words() -> None:
    said = refusal(torch.rand(3, 5, 4), torch.rand(3, 4))
    assert said.endswith("one text row a picture is text[:, None]")
    assert (
        refusal(torch.rand(3, 5, 4), torch.rand(3, 2, 4)) == "cost of shape [3, 5, 2]"
    )


def test_only_the_broadcast_is_blind_to_labels(clip: nn.Module) -> None:
    sides = {name: made(clip, name) for name in ("paper", "lico_fact", "rebuttal")}
    table = shuffled_labels(sides, batch(), times=3).set_index("text side")
    assert table.loc["lico_fact", "largest"] < 1e-6
    assert table.loc["paper", "a picture"] > 1e-3
    assert table.loc["rebuttal", "a picture"] > 1e-3
    assert (table["largest"] >= table["a picture"]).all()


def test_the_broadcast_depends_on_the_batch(clip: nn.Module) -> None:
    sides = {name: made(clip, name) for name in ("paper", "lico_fact")}
    table = batch_sizes(sides, batch(), (4, 8, 16))
    moved = moved_by_batch(table)
    assert moved["paper"] < 1e-9
    assert moved["lico_fact"] > 1e-6
    last = table[table["batch"] == 16].set_index("text side")["megabytes"]
    assert last["paper"] == pytest.approx(4 * 16 * 10 * 13 * CELLS / 1e6)
    assert last["lico_fact"] == pytest.approx(4 * 16 * 10 * 16 * CELLS / 1e6)


def test_a_move_by_hand() -> None:
    frame = pd.DataFrame({"text side": ["a"] * 3, "OT loss": [2.0, 1.5, 2.5]})
    assert moved_by_batch(frame)["a"] == 0.5


def test_prompts_token_by_token() -> None:
    rows = prompt_rows(["daisy", "water lily"], 2, full_stop=True)
    assert [rows[place][0][1:-1] for place in POSITIONS] == [
        [("$X_{1}$", "context"), ("$X_{2}$", "context"), ("daisy", "name"), STOP],
        [("$X_{1}$", "context"), ("daisy", "name"), ("$X_{2}$", "context"), STOP],
        [("daisy", "name"), ("$X_{1}$", "context"), ("$X_{2}$", "context"), STOP],
    ]
    assert [kind for _, kind in rows["front"][1]][:3] == ["start", "name", "name"]
    assert rows["end"][0][0] == ("start", "start")
    assert rows["end"][0][-1] == ("end", "end")


STOP = (".", "stop")


@pytest.fixture(scope="module")
def chapter() -> TextFeaturesChapter:
    return TextFeaturesChapter(pictures=64, size=32)


def test_what_stands_behind_the_name_knows_it(
    chapter: TextFeaturesChapter, clip: nn.Module
) -> None:
    trained = made(clip, "paper")
    sides = chapter.positions(clip, trained)
    spread = text_tokens.token_spread(sides)
    assert spread.shape == (3, 13)
    assert (spread.loc["end"].iloc[:-1] == 0).all()
    assert (spread.loc["middle"].iloc[:6] == 0).all()
    assert (spread.loc["middle"].iloc[6:] > 0).all()
    assert (spread.loc["front"] > 0).all()
    assert spread.loc["end", "class"] > 0

    carried = text_tokens.carriers(sides).set_index("name at")
    assert list(carried["tokens that differ"]) == [1, 7, 13]
    assert carried.loc["end", "transport mass"] == pytest.approx(1 / 13)
    common = carried["length in common"]
    assert 1 > common["end"] > common["middle"] > common["front"] == 0


def test_equal_copies_leave_no_choice(
    chapter: TextFeaturesChapter, clip: nn.Module
) -> None:
    sides = chapter.copies(clip, made(clip, "paper"))
    table = text_tokens.copies_table(sides, batch()).set_index("copies")
    same, apart = table.loc["rolled"], table.loc["rolled apart"]
    assert same["contexts differ"] == same["OT texts differ"] == 0
    assert same["plan entropy"] == pytest.approx(1, abs=1e-6)
    assert same["plan gain"] == pytest.approx(0, abs=1e-6)
    assert apart["contexts differ"] > 0.1
    assert apart["plan gain"] > 1e-5
    dropout = table.loc["rolled, dropout on"]
    assert dropout["features differ"] == 0
    assert dropout["OT texts differ"] > 0.1
    assert not sides["rolled"].h_psi.training


def test_families_need_features_that_differ(clip: nn.Module) -> None:
    table = text_tokens.family_table({"random": made(clip, "paper")})
    rho = table.set_index("feature")["rho"]
    assert abs(rho["class token"]) < 0.4
    assert rho.isna().to_dict() == {
        "pooled": False,
        "class token": False,
        "context token": True,
    }


def test_tokens_of_published_sizes(clip: nn.Module) -> None:
    """With n = 12 copies and CLIP's 77 positions; counted by hand for CIFAR-10."""
    sides = {name: made(clip, name) for name in PRESETS}
    table = text_tokens.tokens_table(clip, sides, CLASS_NAMES)
    counts = table.set_index(["data set", "preset", "way"])["tokens"].to_dict()

    def of(data: str, name: str) -> list[int]:
        where = f"{data}, L = 77"
        ways = ("plain", "cut", "trie")
        return [counts[where, name, w] for w in ways if (where, name, w) in counts]

    assert of("CIFAR-10", "rebuttal") == [12 * 10 * 77, 12 * 10 * 16, 12 * (13 + 30)]
    assert of("CIFAR-10", "lico_fact") == [770, 160]
    assert of("CIFAR-100", "rebuttal") == [92_400, 19_428, 3_984]
    # To the longest name's end, padding included; with the name behind, 413 of a trie.
    assert of("CIFAR-100", "repro_shared") == [7_700, 1_700, 413]


# Names


def test_texts_at_the_wrong_label() -> None:
    cases = class_names.namings()
    found = {name: len(case.wrong()) for name, case in cases.items()}
    assert {name: found[name] for name in text_tokens.WRONG} == text_tokens.WRONG
    assert found["CIFAR-10, names"] == found["Imagenette, names"] == 7
    assert cases["CIFAR-100, names"].wrong() == tuple(range(25, 40))
    right = {*range(100)} - {*cases["CIFAR-100, folders"].wrong()}
    assert right == {0, 1, *range(90, 100)}


def test_pairs_of_the_published_codes() -> None:
    cases = class_names.namings()
    assert cases["CIFAR-10, names"].texts == (
        *("bird", "car", "cat", "deer", "dog"),
        *("frog", "horse", "plane", "ship", "truck"),
    )
    imagenette = dict(
        zip(class_names.IMAGENETTE, cases["Imagenette, names"].texts, strict=True)
    )
    assert imagenette["tench"] == "English springer"
    assert imagenette["parachute"] == "tench"
    cifar100 = cases["CIFAR-100, names"].table([25, 28, 39])
    assert list(cifar100["class"]) == ["couch", "cup", "keyboard"]
    assert list(cifar100["the code's name"]) == ["couch", "cups", "computer keyboard"]
    assert list(cifar100["its text"]) == ["computer keyboard", "crocodile", "kangaroo"]
    folders = cases["CIFAR-100, folders"].texts
    assert (folders[10], folders[11], folders[2]) == ("baby", "bear", "bridge")


def test_what_was_sorted_is_a_permutation_and_the_authors_list_is_not() -> None:
    cases = class_names.namings()
    authors = cases.pop("CIFAR-10, authors' list")
    assert authors.wrong() == (2,)
    assert "bird" not in authors.texts
    assert len(set(authors.texts)) == 10  # "car" and "automobile" are one class
    for case in cases.values():
        assert len(case.classes) == len(set(case.own)) == len(case.own)
        assert sorted(case.own) == sorted(case.texts)
    assert class_names.sorted_texts(("b", "a", "C")).texts == ("C", "a", "b")


@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
def test_names_are_those_of_the_pictures(data: str) -> None:
    """REAL_DATA holds `<data>/test/<class>/*.png`, or archives of it in `<data>`."""
    top = REAL / data
    found = {place.name for place in top.glob("test/*")}
    for archive in sorted(top.glob("*test*.tar.gz"))[:1] if not found else ():
        with tarfile.open(archive) as files:
            parts = [Path(name).parts for name in files.getnames()]
        found = {part[-2] for part in parts if part[-1].endswith(".png")}
    if not found:
        pytest.skip(f"REAL_DATA has no {data}")
    names = {"cifar10": class_names.CIFAR10, "cifar100": class_names.CIFAR100}[data]
    assert tuple(sorted(name.replace("_", " ") for name in found)) == names


# Verdicts and figures


def judged(**changed: float) -> dict[str, str]:
    """Return which statements hold, for a page in which all do, but for changes."""
    shuffled = pd.DataFrame(
        {
            "text side": ["lico_fact", "authors_jan", "paper, trained"],
            "largest": [
                *(changed.get("blind", 1e-15), changed.get("unasked", 0.0)),
                0.1,
            ],
            "a picture": [1e-16, 0.0, changed.get("seeing", 0.01)],
        }
    )
    moved = pd.Series({"lico_fact": 0.01, "paper, trained": 0.0})
    carried = pd.DataFrame(
        {"name at": [*POSITIONS], "tokens": 3, "tokens that differ": [1, 2, 3]}
    )
    spread = pd.DataFrame(
        [[changed.get("leak", 0.0), 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0]],
        index=[*POSITIONS],
        columns=["$X_{1}$", "$X_{2}$", "class"],
    )
    copies = pd.DataFrame(
        {
            "copies": ["rolled", "rolled apart"],
            "contexts differ": [0.0, 0.3],
            "plan entropy": [1.0, 0.99],
            "plan gain": [changed.get("gain", 0.0), 0.01],
        }
    )
    parted = pd.DataFrame(
        {
            "preset": ["rebuttal", "rebuttal", "authors_oct"],
            "contexts": ["rolled", "rolled apart", "rolled"],
            "others part by": [changed.get("parted", 0.0), 1.0, 0.0],
        }
    )
    table = text_tokens.verdicts(
        torch.Size([4, 8, 4]),
        shuffled,
        moved,
        carried,
        spread,
        copies,
        parted,
        class_names.namings(),
    )
    return dict(zip(table["property"], table["holds"], strict=True))


def test_a_page_as_it_should_be_holds() -> None:
    assert set(judged().values()) == {"yes"}
    assert len(judged()) == 20


@pytest.mark.parametrize(
    ("change", "value", "says"),
    [
        ("blind", 1e-3, "lico_fact: labels shuffled"),
        ("unasked", 1e-16, "authors_jan: labels shuffled"),
        ("parted", 1e-9, "rebuttal: a step parts the other copies by"),
        ("seeing", 1e-4, "paper, trained: labels shuffled"),
        ("leak", 1e-7, "name at the end: context tokens differ by"),
        ("gain", 0.2, "rolled: plan gain"),
    ],
)
def test_a_page_that_is_otherwise_fails_there_alone(
    change: str, value: float, says: str
) -> None:
    found = judged(**{change: value})
    assert [what for what, holds in found.items() if holds != "yes"] == [says]


def test_exponents_are_written() -> None:
    frame = pd.DataFrame({"a": ["x"], "b": [1.23e-8]})
    assert text_tokens.exponents(frame, ["b"])["b"].tolist() == ["1.2e-08"]


def test_a_chart_counts_the_lines_that_do_not_fit() -> None:
    figure = text_figures.connections({"a": (("x", "y", "z"), ("y", "x", "z"))})
    (axis,) = figure.axes
    assert axis.get_title().endswith("2 of 3 wrong")
    slanted = [line for line in axis.lines if line.get_color() == text_figures.WRONG]
    assert len(slanted) == 2


# Preset by preset


def strips(clip: nn.Module, name: str) -> dict[str, preset_figures.Strip]:
    return text_presets.prompt_strips({p: made(clip, p) for p in PRESETS}, name)


def test_presets_of_equal_prompts_share_a_strip(clip: nn.Module) -> None:
    """Counted by hand: names of one token and of three among twelve vectors."""
    found = strips(clip, "daisy")
    assert list(found) == [
        "paper, paper_stable, active",
        "authors_jan, lico_fact",
        "authors_oct, rebuttal",
        "repro_shared",
        "repro_class_specific",
        "repro_label_front",
    ]
    paper, pooled, copies, every, *_ = found.values()
    assert (paper.single, paper.mean) == (tuple(range(1, 13)), (13, 14))
    assert (pooled.single, pooled.mean) == ((), (15,))
    assert [kind for _, kind in pooled.words].index("name") == 7
    assert [word for word, _ in copies.words][-3:] == ["daisy", ".", "end"]
    assert [strip.note for strip in (paper, pooled, copies)] == ["", "", "× 12"]
    assert (every.single, every.mean) == (tuple(range(1, 17)), ())
    kinds = [kind for _, kind in every.words]
    assert kinds[-3:] == ["end", "padding", "padding"]
    longest = strips(clip, "bird of paradise")["repro_shared"]
    assert "padding" not in {kind for _, kind in longest.words}
    figure = preset_figures.preset_strips(found)
    assert {"padding", "full stop"} < {
        text.get_text() for text in figure.legends[0].get_texts()
    }
    plt.close(figure)


def test_padding_is_read_and_knows_the_class(clip: nn.Module) -> None:
    """Of 24 names, eight of one, two and three tokens: 1 position of padding each."""
    table = text_presets.read_tokens({name: made(clip, name) for name in PRESETS})
    found = table.set_index("preset").to_dict("index")
    assert set(found) == {name for name in PRESETS if preset(name).ot_text == "tokens"}
    assert found["paper"]["know the class"] == 1
    assert found["paper"]["behind the end"] == 0
    shared = found["repro_shared"]
    assert (shared["tokens M"], shared["know the class"]) == (16, 4)
    assert shared["behind the end"] == 1
    assert shared["mass behind the end"] == pytest.approx(1 / 16)
    for name in ("repro_class_specific", "repro_label_front"):
        assert found[name]["mass on these"] == 1


def test_who_meets_whom(clip: nn.Module) -> None:
    given = Batch(batch(6).maps, torch.tensor([3, 1, 3, 0, 2, 1]))
    panels = {
        name: text_presets.met(made(clip, name), given, CLASS_NAMES)
        for name in ("paper", "rebuttal", "authors_jan", "lico_fact", "repro_shared")
    }
    columns = {name: len(met.columns) for name, met in panels.items()}
    assert columns == {name: met.cost.shape[1] for name, met in panels.items()}
    own = {name: met.own for name, met in panels.items()}
    assert own["authors_jan"] == [3, 1, 3, 0, 2, 1]
    assert own["lico_fact"] == [0, 1, 2, 3, 4, 5]
    assert own["paper"] is own["rebuttal"] is own["repro_shared"] is None
    figure = preset_figures.texts_met(panels, ["a"] * 6)
    rings = [len(axis.lines) for axis in figure.axes[: len(panels)]]
    assert rings == [0, 0, 1, 1, 0]
    plt.close(figure)


def test_a_label_that_leads_to_a_label(clip: nn.Module) -> None:
    """By hand: y = 2, 0, 1, 1 gives y[y] = 1, 2, 0, 0; and 5 starts again at 1."""
    side = made(clip, "authors_oct")
    given = text_presets.texts_given(side, torch.tensor([2, 0, 1, 1]), CLASS_NAMES)
    assert given == ([*CLASS_NAMES[:3]], [CLASS_NAMES[k] for k in (2, 0, 1)])
    over = text_presets.texts_given(side, torch.tensor([5, 0, 1, 1]), CLASS_NAMES)
    assert dict(zip(*over, strict=True))[CLASS_NAMES[5]] == CLASS_NAMES[0]


def test_labels_twice_in_batches(chapter: TextFeaturesChapter, clip: nn.Module) -> None:
    published = chapter.untrained(clip, "authors_oct", repairs="none")
    side = made(clip, "authors_oct")
    own = Batch(batch(24).maps, torch.arange(24))  # y[y_i] = y_i
    table = text_presets.labels_twice(side, published, own, (8, 24))
    assert list(table["own text, twice"]) == [1.0, 1.0]
    given = Batch(own.maps, torch.arange(24).roll(1))  # 23, 0, 1, ..: y[y_i] is not
    table = text_presets.labels_twice(side, published, given, (8, 24))
    assert list(table["own text, twice"]) == [0.0, 0.0]
    assert table["as published"][0].startswith("torch's IndexError, index 23")
    assert table["as published"][1] == "runs"


def test_what_stops_the_code_of_october_is_said(
    chapter: TextFeaturesChapter, clip: nn.Module
) -> None:
    table = text_presets.unrepaired(chapter, clip, batch())
    assert len(table) == len(REPAIRS["authors_oct"])
    view, index, *others = table["said here"]
    assert "shape '[6, 10, " in view
    assert index.startswith("torch's IndexError")
    assert set(others) == {"not tried"}
    assert text_presets.said(lambda: None) == "runs"


def test_which_copies_a_step_moves(
    chapter: TextFeaturesChapter, clip: nn.Module
) -> None:
    pictures = load(DataSettings(train=16, size=32), "train")
    maps = torch.rand(16, 32, CELLS, generator=torch.Generator().manual_seed(0))
    given = Batch(maps, pictures.labels)
    table = text_presets.copy_gradients(chapter, clip, given)
    rows = table.set_index(["preset", "contexts"]).to_dict("index")
    same, apart = (rows["rebuttal", way] for way in ("rolled", "rolled apart"))
    assert same["MM: first copy"] > 0 == same["MM: others"]
    assert same["OT: others"] > 0 == same["others part by"]
    assert apart["others part by"] > 0.01
    for way in ("rolled", "rolled apart"):
        authors = rows["authors_oct", way]
        assert authors["MM: first copy"] > 0
        assert authors["OT: first copy"] == authors["OT: others"] == 0


def test_captions_tell_pictures_of_a_class_apart(
    chapter: TextFeaturesChapter, clip: nn.Module
) -> None:
    told = text_presets.captioned(chapter, clip)
    assert told is not None
    assert len(told.captions) == len(told.labels) == 64
    first = told.side.prompts.names[int(told.side.numbers[0])]
    assert first == told.captions[0]
    table = text_presets.told_table(told, made(clip, "paper")).to_dict("records")
    names, captions = table
    assert names["same class, other text"] == 0 < captions["same class, other text"]
    assert names["texts"] == len(set(told.labels))
    assert captions["texts"] == len(set(told.captions))
    cifar = TextFeaturesChapter(dataset="cifar10", size=32, backbone="resnet20")
    assert text_presets.captioned(cifar, clip) is None
    assert len(text_presets.told_table(None, made(clip, "paper"))) == 1


def test_what_labels_change_is_drawn_from_nothing_to_all() -> None:
    frame = pd.DataFrame(
        {"text side": ["a", "b"], "a picture": [0.0, 0.1], "largest": [0.0, 0.3]}
    )
    figure = preset_figures.label_dots(frame)
    (axis,) = figure.axes
    mean = axis.collections[1].get_offsets()
    assert mean[0, 0] == pytest.approx(1e-17)
    assert mean[1, 0] == pytest.approx(0.1)
    plt.close(figure)


def test_sides_of_equal_curves_are_one_line() -> None:
    rows = [
        {"text side": name, "batch": size, "OT loss": 1 + k * size, "megabytes": size}
        for k, name in ((0, "a"), (0, "b"), (1, "c"))
        for size in (8, 16)
    ]
    figure = text_figures.batch_curves(pd.DataFrame(rows))
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["a, b", "c"]
    plt.close(figure)


def test_tokens_that_a_preset_cannot_have_are_refused_before_anything_is_trained() -> (
    None
):
    TextFeaturesChapter.of(n_ctx=6).check()
    with pytest.raises(Refused, match="a name between learnable tokens needs"):
        TextFeaturesChapter.of(n_ctx=1).check()
    with pytest.raises(Refused, match="tokens"):
        TextFeaturesChapter.of(n_ctx=19).check()  # a full stop is one token longer


def test_a_preset_with_other_tokens_never_bears_its_bare_name(clip: nn.Module) -> None:
    assert set(TextFeaturesChapter.of().presets(clip)) == set(PRESETS)
    other = TextFeaturesChapter.of(n_ctx=6).presets(clip)
    assert set(other) == {f"{name} (modified)" for name in PRESETS}
    forms = PromptVariants.of(n_ctx=6).published()
    assert all(name.endswith(" (modified)") for name in forms)
