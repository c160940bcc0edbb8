from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from helpers.language import prompts as text
from helpers.language.tiny_clip import tokenise, tokenizer
from helpers.settings import Refused

NAMES = ["daisy", "sea urchin"]
START, END = tokenizer().sot_token_id, tokenizer().eot_token_id
DAISY = tokenizer().encode("daisy")
URCHIN = tokenizer().encode("sea urchin")
(STOP,) = tokenizer().encode(".")


@pytest.mark.parametrize(
    ("position", "full_stop", "expected"),
    [
        ("end", False, [START, -1, -2, -3, *URCHIN, END]),
        ("end", True, [START, -1, -2, -3, *URCHIN, STOP, END]),
        ("middle", False, [START, -1, *URCHIN, -2, -3, END]),
        ("middle", True, [START, -1, *URCHIN, -2, -3, STOP, END]),
        ("front", False, [START, *URCHIN, -1, -2, -3, END]),
        ("front", True, [START, *URCHIN, -1, -2, -3, STOP, END]),
    ],
)
def test_the_name_stands_where_it_is_asked_for(
    position: text.Position, full_stop: bool, expected: list[int]
) -> None:
    prompts = text.build_prompts(NAMES, 3, position, full_stop, 24)
    assert list(prompts.rows[1]) == expected
    assert len(URCHIN) == 3


@pytest.mark.parametrize("position", ["end", "middle", "front"])
def test_positions_point_at_the_parts_of_the_row(position: text.Position) -> None:
    prompts = text.build_prompts(NAMES, 4, position, True, 24)
    assert prompts.names == tuple(NAMES)
    assert (prompts.contexts, prompts.length) == (4, 24)
    for number, spelled in enumerate([DAISY, URCHIN]):
        row = prompts.rows[number]
        assert [row[at] for at in prompts.slots[number]] == [-1, -2, -3, -4]
        assert [row[at] for at in prompts.label[number]] == spelled
        assert prompts.end[number] == len(row) - 1
        assert row[-1] == END


def test_a_literal_context_spells_the_tokens_of_the_sentence() -> None:
    prompts = text.build_prompts(NAMES, 4, "end", True, 24)
    words = tokenizer().encode("a photo of a")
    for row, name in zip(prompts.rows, NAMES, strict=True):
        filled = [words[-1 - key] if key < 0 else key for key in row]
        sentence = tokenise([f"a photo of a {name}."])[0].tolist()
        assert filled == sentence[: len(filled)]
        assert not any(sentence[len(filled) :])


def test_the_largest_context_that_fits_is_named_and_fits() -> None:
    line = "prompt of class 'sea urchin' has 26 tokens, the text tower takes 24"
    with pytest.raises(Refused, match=rf"{line}: take contexts <= 18$"):
        text.build_prompts(NAMES, 20, "end", True, 24)
    prompts = text.build_prompts(NAMES, 18, "end", True, 24)
    assert max(map(len, prompts.rows)) == 24
    with pytest.raises(Refused, match="contexts <= 18"):
        text.build_prompts(NAMES, 19, "end", True, 24)


@pytest.mark.parametrize(
    ("names", "contexts", "position", "length", "message"),
    [
        (NAMES, 1, "end", 5, "'sea urchin'.*: shorten the name"),
        (["daisy", ""], 2, "end", 24, "the name '' of class 1 has no token"),
        (["daisy", "  "], 2, "end", 24, "the name '  ' of class 1 has no token"),
        (["owl", "fox", "owl"], 2, "end", 24, "classes 0 and 2, 'owl' and 'owl'"),
        (["owl", "Owl"], 2, "end", 24, "classes 0 and 1, 'owl' and 'Owl'.*rename"),
        ([], 2, "end", 24, "no class names"),
        (NAMES, 0, "end", 24, "contexts = 0: a prompt needs one"),
        (NAMES, 2, "centre", 24, "'centre'; known: end, middle, front"),
    ],
)
def test_what_cannot_be_a_prompt_is_refused_in_one_line(
    names: list[str],
    contexts: int,
    position: text.Position,
    length: int,
    message: str,
) -> None:
    with pytest.raises(Refused, match=message) as refusal:
        text.build_prompts(names, contexts, position, False, length)
    assert "\n" not in str(refusal.value)


def test_contexts_are_drawn_by_the_generator_alone() -> None:
    draws = [
        text.draw_context(4, 50, 64, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert draws[0].shape == (4, 50, 64)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert abs(float(draws[0].mean())) < 1e-3
    assert float(draws[0].std()) == pytest.approx(0.02, rel=0.02)
    wide = text.draw_context(4, 50, 64, torch.Generator().manual_seed(1), std=1)
    torch.testing.assert_close(wide, 50 * draws[0])


def test_rolled_copies_are_equal_and_those_rolled_apart_all_differ() -> None:
    context = torch.arange(10.0).reshape(1, 5, 2)
    same, apart = text.rolled(context), text.rolled_apart(context)
    assert same.shape == apart.shape == (5, 5, 2)
    for copy in range(5):
        assert torch.equal(same[copy], context[0, [4, 0, 1, 2, 3]])
        for slot in range(5):
            assert torch.equal(apart[copy, slot], context[0, (slot - copy) % 5])
    assert len({tuple(copy.flatten().tolist()) for copy in apart}) == 5


@pytest.mark.parametrize("roll", [text.rolled, text.rolled_apart])
def test_only_one_context_is_rolled(roll: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(ValueError, match="too many values"):
        roll(torch.zeros(2, 5, 3))


CAPTIONS = ("two owls", "an owl", "two owls", "Two  owls", "a fox")


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("full_stop", [False, True])
def test_equal_captions_share_a_prompt(
    position: text.Position, full_stop: bool
) -> None:
    """Equal to the tokenizer, that is; a class of that name would have the same."""
    prompts, numbers = text.caption_prompts(CAPTIONS, 3, position, full_stop, 24)
    assert numbers == (0, 1, 0, 0, 2)
    assert prompts.names == ("two owls", "an owl", "a fox")
    built = text.build_prompts(prompts.names, 3, position, full_stop, 24)
    assert prompts == built


@pytest.mark.parametrize("full_stop", [False, True])
def test_a_long_caption_is_cut_at_its_end_and_no_other(full_stop: bool) -> None:
    words = [
        *("owl", "fox", "sea", "daisy", "red", "blue"),
        *("green", "two", "three", "four", "six", "ten"),
    ]
    tokens = [tokenizer().encode(word)[0] for word in words]
    long = " ".join(words)
    room = 12 - 2 - 4 - full_stop
    prompts, numbers = text.caption_prompts(
        [long, "an owl", " ".join(words[:room]), long + " again"],
        *(4, "middle", full_stop, 12),
    )
    stop = [STOP] if full_stop else []
    row = [START, -1, -2, *tokens[:room], -3, -4, *stop, END]
    assert len(row) == 12
    assert list(prompts.rows[0]) == row
    assert list(prompts.label[0]) == list(range(3, 3 + room))
    assert prompts.names[0] == long
    assert numbers == (0, 1, 0, 0)  # what is cut off tells nobody apart


def test_captions_without_room_or_without_tokens_are_refused() -> None:
    line = "contexts = 10 leave no room for a caption among 12 tokens: take contexts <="
    with pytest.raises(Refused, match=f"^{line} 9$"):
        text.caption_prompts(["an owl"], 10, "end", False, 12)
    assert text.caption_prompts(["an owl"], 9, "end", False, 12)
    with pytest.raises(Refused, match=r"contexts <= 8$"):
        text.caption_prompts(["an owl"], 9, "end", True, 12)
    for empty in ("", "  "):
        with pytest.raises(Refused, match=f"caption '{empty}' has no token: describe"):
            text.caption_prompts(["an owl", empty], 2, "end", False, 12)
    with pytest.raises(Refused, match="contexts = 0: a prompt needs one"):
        text.caption_prompts(["an owl"], 0, "end", False, 12)


@pytest.mark.parametrize("every", [False, True])
def test_some_prompts_are_the_same_prompts(every: bool) -> None:
    prompts, _ = text.caption_prompts(CAPTIONS, 3, "middle", True, 24)
    prompts = text.every_position(prompts) if every else prompts
    few = text.some(prompts, [2, 0])
    assert few.names == ("a fox", "two owls")
    for part in ("rows", "slots", "label", "end"):
        whole = getattr(prompts, part)
        assert getattr(few, part) == (whole[2], whole[0])
    assert (few.contexts, few.length, few.every) == (3, 24, every)
    assert text.some(prompts, [0, 1, 2]) == prompts
    assert torch.equal(few.bears(), prompts.bears()[[2, 0]])


def test_every_position_is_filled_up_to_the_longest_prompt() -> None:
    prompts = text.every_position(text.build_prompts(NAMES, 3, "end", False, 24))
    longest = 1 + 3 + len(URCHIN) + 1
    assert [len(row) for row in prompts.rows] == [longest] * 2
    assert prompts.rows[0] == (START, -1, -2, -3, *DAISY, END, 0, 0)
    assert prompts.rows[1] == (START, -1, -2, -3, *URCHIN, END)
    assert prompts.end == (3 + len(DAISY) + 1, longest - 1)


def test_which_text_tokens_bear_the_class() -> None:
    """The start is not read; padding bears nothing, nor does a full stop."""
    prompts = text.build_prompts(NAMES, 2, "middle", True, 24)
    assert prompts.bears().tolist() == [[False, False, True]] * 2
    marks = text.every_position(prompts).bears()
    shown = ["".join("01"[mark] for mark in row) for row in marks.tolist()]
    assert shown == ["0100100", "0111001"]  # X name X . end (padding)
