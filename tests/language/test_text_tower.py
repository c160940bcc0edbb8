import pytest
import torch
from open_clip.model import CLIP, CustomTextCLIP
from torch import Tensor
from torch.nn import functional as F

from helpers.data.scenes import CLASS_NAMES
from helpers.language import text_tower as fast
from helpers.language.prompts import (
    Position,
    Prompts,
    build_prompts,
    draw_context,
    every_position,
    rolled,
    rolled_apart,
    some,
)
from helpers.language.tiny_clip import (
    Architecture,
    build_tiny_clip,
    text_features,
    tokenizer,
)
from helpers.settings import Refused

SIZES = Architecture(
    embed=12,
    image_size=32,
    image_width=8,
    text_width=16,
    text_layers=2,
    context=16,
)
NAMES = ["daisy", "sea urchin", "sea", "ace of spades", "owl"]  # "sea" begins another
POSITIONS: list[Position] = ["end", "middle", "front"]
SLOTS = 5
(STOP,) = tokenizer().encode(".")


def custom_text_clip() -> CustomTextCLIP:
    """A model whose text parts stand under `.text`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CustomTextCLIP(
            embed_dim=SIZES.embed,
            vision_cfg={
                "layers": 1,
                "width": 32,
                "head_width": 16,
                "image_size": 32,
                "patch_size": 16,
            },
            text_cfg={
                "context_length": SIZES.context,
                "vocab_size": tokenizer().vocab_size,
                "width": SIZES.text_width,
                "layers": SIZES.text_layers,
                "heads": SIZES.heads,
            },
        )


@pytest.fixture(scope="module", params=["CLIP", "CustomTextCLIP"])
def tower(request: pytest.FixtureRequest) -> fast.Tower:
    model = build_tiny_clip(0, SIZES) if request.param == "CLIP" else custom_text_clip()
    return model.double().requires_grad_(False)


@pytest.fixture(scope="module")
def clip() -> CLIP:
    return build_tiny_clip(0, SIZES).double().requires_grad_(False)


def prompts_of(position: Position, names: list[str] = NAMES) -> Prompts:
    return build_prompts(names, SLOTS, position, position != "front", SIZES.context)


def contexts(copies: int, seed: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return draw_context(copies, SLOTS, SIZES.text_width, generator, 0.5).double()


def plain(
    tower: fast.Tower, prompts: Prompts, number: int, context: Tensor
) -> tuple[Tensor, Tensor]:
    """Features `[M, E]` and `[E]` of one class in one context `[n, W]`, padded to L."""
    text = tower.text if isinstance(tower, CustomTextCLIP) else tower
    row = prompts.rows[number]
    words = [
        context[-1 - key] if key < 0 else text.token_embedding.weight[key]
        for key in row + (0,) * (text.context_length - len(row))
    ]
    x = (torch.stack(words) + text.positional_embedding)[None]
    x = text.ln_final(text.transformer(x, attn_mask=text.attn_mask))[0]
    x = x @ text.text_projection  # [L, E]
    end = len(row) - 1
    bearing = [x[at] for at in prompts.label[number]] + [x[end]]
    label = sum(bearing) / len(bearing)
    return torch.stack([x[row.index(-1 - j)] for j in range(SLOTS)] + [label]), x[end]


def twin(tower: fast.Tower, prompts: Prompts, context: Tensor, own: bool) -> list:
    """All features by one plain pass a prompt and copy, `[copies, K, M, E]`."""
    classes = range(len(prompts.rows))
    copies = [context] if own else [[copy] * len(classes) for copy in context]
    pairs = [[plain(tower, prompts, k, copy[k]) for k in classes] for copy in copies]
    return [
        torch.stack([torch.stack([pair[part] for pair in copy]) for copy in pairs])
        for part in (0, 1)
    ]


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("kind", ["shared", "copies", "own"])
def test_features_and_gradients_are_those_of_the_padded_prompts(
    tower: fast.Tower, position: Position, kind: str
) -> None:
    prompts, own = prompts_of(position), kind == "own"
    copies = {"shared": 1, "copies": SLOTS, "own": len(NAMES)}[kind]
    context = contexts(copies).requires_grad_()
    if own:
        features = fast.own_features(tower, prompts, context)
    else:
        features = fast.shared_features(tower, fast.build_trie(prompts), context)
    found = [features.tokens, features.pooled]
    expected = twin(tower, prompts, context, own)

    generator = torch.Generator().manual_seed(4)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() < 1e-10
        weight = torch.randn(one.shape, generator=generator, dtype=torch.float64)
        ours, theirs = (
            torch.autograd.grad((weight * part).sum(), context, retain_graph=True)[0]
            for part in (one, other)
        )
        assert theirs.abs().max() > 1e-3
        assert (ours - theirs).abs().max() < 1e-10


def padded(
    tower: fast.Tower, prompts: Prompts, number: int, context: Tensor
) -> tuple[Tensor, Tensor]:
    """All positions behind the start `[M, E]`, and the end `[E]`, padded to L."""
    text = tower.text if isinstance(tower, CustomTextCLIP) else tower
    name, n = tokenizer().encode(prompts.names[number]), len(context)
    before = prompts.label[0][0] - 1
    stop = (
        tokenizer().encode(".") if prompts.rows[0][prompts.end[0] - 1] == STOP else []
    )
    ids = [tokenizer().sot_token_id, *name, *stop, tokenizer().eot_token_id]
    words = [text.token_embedding.weight[key] for key in ids]
    words[1:1] = context[:before]
    words[1 + before + len(name) : 1 + before + len(name)] = context[before:]
    end = len(words) - 1
    blank = text.token_embedding.weight[0]
    words += [blank] * (text.context_length - len(words))
    x = (torch.stack(words) + text.positional_embedding)[None]
    x = text.ln_final(text.transformer(x, attn_mask=text.attn_mask))[0]
    x = x @ text.text_projection
    longest = max(len(tokenizer().encode(name)) for name in prompts.names)
    return x[1 : 1 + n + longest + len(stop) + 1], x[end]


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("own", [False, True])
def test_every_position_is_that_of_padded_prompts(
    tower: fast.Tower, position: Position, own: bool
) -> None:
    """Also behind the end token, where a shorter prompt has padding."""
    prompts = every_position(prompts_of(position))
    context = contexts(len(NAMES) if own else 2).requires_grad_()
    if own:
        found = fast.own_features(tower, prompts, context)
        pairs = [padded(tower, prompts, k, context[k]) for k in range(len(NAMES))]
        pairs_of_copies = [pairs]
    else:
        found = fast.shared_features(tower, fast.build_trie(prompts), context)
        pairs_of_copies = [
            [padded(tower, prompts, k, copy) for k in range(len(NAMES))]
            for copy in context
        ]
    slow = [
        torch.stack(
            [torch.stack([pair[part] for pair in copy]) for copy in pairs_of_copies]
        )
        for part in (0, 1)
    ]
    full_stop = position != "front"
    assert found.tokens.shape[2] == SLOTS + 3 + full_stop + 1
    generator = torch.Generator().manual_seed(0)
    for one, other in zip((found.tokens, found.pooled), slow, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() < 1e-10
        weight = torch.randn(one.shape, generator=generator, dtype=torch.float64)
        ours, theirs = (
            torch.autograd.grad((weight * part).sum(), context, retain_graph=True)[0]
            for part in (one, other)
        )
        assert theirs.abs().max() > 1e-3
        assert (ours - theirs).abs().max() < 1e-10


def test_a_trie_of_some_prompts_gives_the_features_of_all(clip: CLIP) -> None:
    for prompts in (prompts_of("end"), every_position(prompts_of("middle"))):
        context = contexts(2)
        whole = fast.shared_features(clip, fast.build_trie(prompts), context)
        chosen = [3, 0, 2]
        few = fast.shared_features(
            clip, fast.build_trie(some(prompts, chosen)), context
        )
        torch.testing.assert_close(few.tokens, whole.tokens[:, chosen])
        torch.testing.assert_close(few.pooled, whole.pooled[:, chosen])


def test_shapes(clip: CLIP) -> None:
    assert (fast.width(clip), fast.embedding(clip), fast.length(clip)) == (16, 12, 16)
    shared = fast.shared_features(clip, fast.build_trie(prompts_of("end")), contexts(3))
    assert shared.tokens.shape == (3, len(NAMES), SLOTS + 1, 12)
    assert shared.pooled.shape == (3, len(NAMES), 12)
    own = fast.own_features(clip, prompts_of("end"), contexts(len(NAMES)))
    assert own.tokens.shape == (1, len(NAMES), SLOTS + 1, 12)
    assert own.pooled.shape == (1, len(NAMES), 12)


def test_one_context_for_each_class_may_be_the_same(clip: CLIP) -> None:
    prompts, context = prompts_of("middle"), contexts(1)
    shared = fast.shared_features(clip, fast.build_trie(prompts), context)
    own = fast.own_features(clip, prompts, context.expand(len(NAMES), -1, -1))
    torch.testing.assert_close(shared.tokens, own.tokens)
    torch.testing.assert_close(shared.pooled, own.pooled)


@pytest.mark.parametrize("position", POSITIONS)
def test_context_before_the_name_does_not_know_the_class(
    clip: CLIP, position: Position
) -> None:
    trie = fast.build_trie(prompts_of(position))
    tokens = fast.shared_features(clip, trie, contexts(1)).tokens[0]  # [K, M, E]
    apart = (tokens[1:] - tokens[:1]).abs().amax((0, 2))  # [M]
    blind = {"end": SLOTS, "middle": SLOTS // 2, "front": 0}[position]
    assert (apart[:blind] == 0).all()
    assert (apart[blind:] > 1e-3).all()


def test_rolled_copies_give_equal_features_and_rolled_apart_do_not(clip: CLIP) -> None:
    trie, context = fast.build_trie(prompts_of("end")), contexts(1)
    same = fast.shared_features(clip, trie, rolled(context)).pooled
    apart = fast.shared_features(clip, trie, rolled_apart(context)).pooled
    torch.testing.assert_close(same, same[:1].expand_as(same), rtol=0, atol=1e-12)
    distances = torch.cdist(apart[:, 0], apart[:, 0]) + torch.eye(SLOTS)
    assert distances.min() > 1e-3


def test_literal_words_as_context_give_the_feature_of_the_sentence(clip: CLIP) -> None:
    words = torch.tensor(tokenizer().encode("a photo of a"))
    prompts = build_prompts(NAMES, len(words), "end", True, SIZES.context)
    context = clip.token_embedding(words)[None]
    pooled = fast.shared_features(clip, fast.build_trie(prompts), context).pooled[0]
    expected = text_features(clip, [f"a photo of a {name}." for name in NAMES])
    torch.testing.assert_close(F.normalize(pooled, dim=-1), expected)


@pytest.mark.parametrize(
    ("names", "position", "shared"),
    [
        (["sea owl", "sea fox"], "end", 1 + SLOTS + 1),  # start, context, "sea"
        (["sea owl", "sea fox"], "middle", 1 + SLOTS // 2 + 1),
        (["sea owl", "sea fox"], "front", 1 + 1),  # the context knows the class
        (["owl sea", "fox sea"], "end", 1 + SLOTS),  # "sea" after another prefix
        (["owl sea", "fox sea"], "front", 1),
    ],
)
def test_a_token_is_shared_only_with_its_whole_prefix(
    names: list[str], position: Position, shared: int
) -> None:
    prompts = build_prompts(names, SLOTS, position, False, SIZES.context)
    nodes = len(fast.build_trie(prompts).keys)
    assert nodes == sum(map(len, prompts.rows)) - shared


def test_a_node_attends_to_its_ancestors_only() -> None:
    prompts = prompts_of("end")
    trie = fast.build_trie(prompts)
    assert set(trie.mask.unique().tolist()) == {-torch.inf, 0.0}
    for node in range(len(trie.keys)):
        seen = (trie.mask[node] == 0).nonzero()[:, 0]
        assert trie.depth[seen].tolist() == list(range(int(trie.depth[node]) + 1))
        prefix = tuple(trie.keys[seen].tolist())
        assert any(row[: len(prefix)] == prefix for row in prompts.rows)


def test_a_frozen_tower_in_evaluation_gives_the_same_without_gradient() -> None:
    tower = build_tiny_clip(0, SIZES).eval()
    trie, context = fast.build_trie(prompts_of("middle")), contexts(2).float()
    with torch.no_grad():
        silent = fast.shared_features(tower, trie, context).tokens
    assert not silent.requires_grad
    loud = fast.shared_features(tower, trie, context.requires_grad_()).tokens
    torch.testing.assert_close(silent, loud.detach())
    loud.sum().backward()
    assert tower.token_embedding.weight.grad is not None  # not frozen: it learns too


def test_the_dtype_is_the_towers() -> None:
    tower = build_tiny_clip(0, SIZES).bfloat16()
    trie = fast.build_trie(prompts_of("end"))
    features = fast.shared_features(tower, trie, contexts(1).float())
    exact = fast.shared_features(tower.double(), trie, contexts(1))
    assert features.tokens.dtype == torch.bfloat16
    assert exact.pooled.dtype == torch.float64
    torch.testing.assert_close(
        features.pooled.double(), exact.pooled, atol=0.1, rtol=0.1
    )


def test_tokens_per_step() -> None:
    prompts = build_prompts(CLASS_NAMES, 12, "end", False, 24)
    suffix = sum(len(row) - 13 for row in prompts.rows)  # name and end token
    assert suffix == 8 * (2 + 3 + 4)
    plain, cut, trie = fast.tokens_per_step(prompts).values()
    assert (plain, cut) == (24 * 24, 24 * 13 + suffix)
    assert trie <= 13 + suffix
    twelve = fast.tokens_per_step(prompts, copies=12)
    assert list(twelve.items()) == [
        ("plain", 12 * plain),
        ("cut", 12 * cut),
        ("trie", 12 * trie),
    ]
    own = fast.tokens_per_step(prompts, own=True)
    assert own == {"plain": plain, "cut": 24 * (13 + 4)}


def test_a_wrong_context_is_not_broadcast(clip: CLIP) -> None:
    prompts = prompts_of("end")
    trie = fast.build_trie(prompts)
    for wrong in (contexts(2)[:, :1], contexts(2)[..., :1], contexts(2)[0]):
        with pytest.raises(ValueError, match=r"context is \(.*expected \("):
            fast.shared_features(clip, trie, wrong)
    with pytest.raises(ValueError, match=r"\(1, 5, 16\), expected \(5, 5, 16\)"):
        fast.own_features(clip, prompts, contexts(1))


def test_a_tower_that_does_not_fit_is_named(clip: CLIP) -> None:
    long = build_prompts(NAMES, SLOTS + 9, "end", False, 24)
    wide = contexts(1).repeat(1, 3, 1)[:, : SLOTS + 9]
    with pytest.raises(ValueError, match=r"prompts of 19 tokens, .* takes 16"):
        fast.shared_features(clip, fast.build_trie(long), wide)
    model = custom_text_clip()
    model.text.attn_mask = None
    with pytest.raises(Refused, match="a causal text tower with a projection"):
        fast.width(model)
