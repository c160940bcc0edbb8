import math
from collections import Counter

import open_clip
import pytest
import torch
from open_clip.loss import ClipLoss
from torch.nn import functional as F

from helpers.data.scenes import CLASS_NAMES, draw_scenes
from helpers.language import tiny_clip


@pytest.fixture(scope="module")
def model() -> open_clip.model.CLIP:
    return tiny_clip.build_tiny_clip(1).eval()


def test_names_have_one_two_and_three_tokens_in_equal_parts() -> None:
    lengths = Counter(len(tiny_clip.tokenizer().encode(name)) for name in CLASS_NAMES)
    assert lengths == {1: 8, 2: 8, 3: 8}


def test_no_caption_is_cut() -> None:
    captions = draw_scenes(300, "language").captions
    end = tiny_clip.tokenizer().eot_token_id
    assert (tiny_clip.tokenise(captions)[:, -1] != end).all()
    assert (tiny_clip.tokenise(captions) == end).any(1).all()


def test_the_seed_alone_fixes_the_weights(model: open_clip.model.CLIP) -> None:
    before = torch.random.get_rng_state()
    again, other = tiny_clip.build_tiny_clip(1), tiny_clip.build_tiny_clip(2)
    assert torch.equal(before, torch.random.get_rng_state())
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert not torch.equal(model.text_projection, other.text_projection)


def test_prompts_use_the_right_article() -> None:
    assert tiny_clip.class_prompts(["daisy", "orchid"]) == ["a daisy", "an orchid"]


def test_pooled_features_are_those_of_the_end_token(
    model: open_clip.model.CLIP,
) -> None:
    texts = tiny_clip.class_prompts(CLASS_NAMES)
    pooled = tiny_clip.text_features(model, texts)
    features, _ = tiny_clip.token_features(model, texts, CLASS_NAMES)
    assert pooled.shape == (24, 64)
    assert features.shape == (24, 24, 64)
    end = tiny_clip.tokenise(texts).argmax(1)
    expected = F.normalize(features[torch.arange(24), end], dim=-1)
    torch.testing.assert_close(pooled, expected)


def test_token_features_know_no_later_token(model: open_clip.model.CLIP) -> None:
    texts = ["a daisy on grass", "a daisy at night"]
    features, _ = tiny_clip.token_features(model, texts, ["daisy", "daisy"])
    torch.testing.assert_close(features[0, :3], features[1, :3])
    assert (features[0, 3] - features[1, 3]).abs().max() > 0.01


def test_the_mask_holds_the_name_and_nothing_else() -> None:
    texts = ["a sea urchin, spiky and sharp", "an orchid"]
    mask = tiny_clip.name_mask(tiny_clip.tokenise(texts), ["sea urchin", "orchid"])
    assert mask.shape == (2, 24)
    assert mask[0].nonzero()[:, 0].tolist() == [2, 3, 4]
    assert mask[1].nonzero()[:, 0].tolist() == [2]
    with pytest.raises(ValueError, match="text 0 does not hold the tokens of 'daisy'"):
        tiny_clip.name_mask(tiny_clip.tokenise(["a dog"]), ["daisy"])


def test_class_bearing_tokens_are_the_names_own_and_the_end(
    model: open_clip.model.CLIP,
) -> None:
    names = ["sea urchin"]
    features, _ = tiny_clip.token_features(model, ["a sea urchin"], names)
    unit = torch.nn.functional.normalize(features[0, 2:6], dim=-1)  # 3 words, end
    expected = unit.mean(0, keepdim=True)
    found = tiny_clip.class_bearing_features(model, names)
    torch.testing.assert_close(found, expected)


def test_zero_shot_takes_the_nearest_prompt(model: open_clip.model.CLIP) -> None:
    images = torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    names = list(CLASS_NAMES[:6])
    found = tiny_clip.zero_shot(model, images, names, batch=2)
    with torch.no_grad():
        logits, _ = model.get_logits(
            images, tiny_clip.tokenise(tiny_clip.class_prompts(names))
        )
    assert found.tolist() == logits.argmax(1).tolist()


def test_zero_shot_refuses_batch_statistics() -> None:
    with pytest.raises(ValueError, match="evaluation mode"):
        tiny_clip.zero_shot(
            tiny_clip.build_tiny_clip(1), torch.zeros(2, 3, 64, 64), ["daisy"]
        )


def test_the_loss_of_two_pairs_by_hand() -> None:
    unit = torch.eye(2)
    expected = math.log(1 + math.exp(-2))  # each row (2, 0) with the pair first
    loss = tiny_clip.contrastive_loss(unit, unit, 2.0)
    assert loss.item() == pytest.approx(expected)


def test_the_loss_is_that_of_open_clip() -> None:
    generator = torch.Generator().manual_seed(0)
    image, text = (
        F.normalize(torch.randn(7, 5, generator=generator), dim=-1) for _ in "ab"
    )
    scale = torch.tensor(14.3)
    ours = tiny_clip.contrastive_loss(image, text, scale)
    torch.testing.assert_close(ours, ClipLoss()(image, text, scale))
