"""Training of a CLIP on captions: it learns, twice the same, one step by hand."""

import copy
import math

import pytest
import torch

from helpers.data.scenes import draw_scenes
from helpers.language.map_clip import MapTower, build_map_clip
from helpers.language.tiny_clip import MEAN, STD, tokenise
from helpers.methods.caption_pairs import Pairing, rate, train_pairs
from helpers.settings import Refused
from helpers.streams import stream

SMALL = MapTower(depth=1, width=32)
scenes = draw_scenes(96, "language", seed=1, single=True)
tokens = tokenise(scenes.captions)


def train(how: Pairing, seed: int = 0, text=tokens):
    model = build_map_clip(0, SMALL)
    return model, train_pairs(model, scenes.images, text, MEAN, STD, how, seed)


def test_a_clip_learns_and_twice_to_the_same_bits() -> None:
    how = Pairing(epochs=10, batch=16, lr=2e-3, text_lr=2e-3)
    one, losses = train(how)
    torch.manual_seed(99)
    drawn = torch.get_rng_state()
    two, again = train(how)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert losses == again
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])
    assert losses[-1].loss < losses[0].loss - 0.3
    assert losses[0].loss < math.log(16) + 1
    assert losses[-1].found > 3 / 16
    assert not one.training
    short = Pairing(epochs=1, batch=48)
    assert train(short, 1)[1] != train(short, 2)[1]


def test_one_step_is_adamw_by_hand() -> None:
    how = Pairing(epochs=1, batch=96, lr=1e-3, text_lr=5e-4, weight_decay=0.1)
    model, _ = train(how)
    own = build_map_clip(0, SMALL).train()
    rows = torch.randperm(96, generator=stream(0, "order", 0))
    pixels = (scenes.images[rows].float() / 255 - 0.5) / 0.25
    image, text, scale = own(pixels, tokens[rows])
    logits = scale * image @ text.T
    own_logits = logits.diag()
    loss = (
        logits.logsumexp(1).mean() + logits.logsumexp(0).mean()
    ) / 2 - own_logits.mean()
    names = dict(own.named_parameters())
    slopes = torch.autograd.grad(loss, list(names.values()))
    trained = dict(model.named_parameters())
    for (name, weight), slope in zip(names.items(), slopes, strict=True):
        lr = how.lr if name.startswith("visual") else how.text_lr
        lr = how.lr / 100 if name == "logit_scale" else lr
        decay = how.weight_decay if weight.ndim > 1 else 0.0
        big = slope.abs() > 1e-5  # Adam's first step is a sign
        wanted = weight * (1 - lr * decay) - lr * slope.sign()
        found = trained[name]
        torch.testing.assert_close(found[big], wanted[big], rtol=0, atol=2e-2 * lr)


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    rates = [rate(k, 100, 10) for k in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx((1 + math.cos(0.09 * math.pi)) / 2)
    assert rates[100] == pytest.approx(0)
    assert rate(0, 3, 0) == 1


def test_what_is_refused() -> None:
    before = copy.deepcopy(tokens)
    for call, text in (
        (lambda: train(Pairing(batch=97)), "batch of 97"),
        (lambda: train(Pairing(), text=tokens[:5]), "as many captions, got 5"),
        (lambda: train(Pairing(batch=32, lr=1e30)), "lower lr"),
        (lambda: Pairing(epochs=0), "epochs"),
        (lambda: Pairing(lr=-1.0), "over 0"),
    ):
        with pytest.raises(Refused, match=text) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert torch.equal(tokens, before)
