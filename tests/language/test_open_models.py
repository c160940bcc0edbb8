"""Any CLIP of open_clip: by name, from a file, with random weights."""

from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from helpers.explain.clip_tokens import class_attention
from helpers.explain.similarity import Itsm, itsm
from helpers.explain.surgery import surgery
from helpers.explain.zero_shot import ZeroShot
from helpers.language.open_models import (
    OpenModel,
    check_open_model,
    class_texts,
    open_model,
)
from helpers.settings import Refused

TINY = "tiny-vit-for-tests"
NAMES = ["dog", "hot air balloon"]
CONFIG = """{"embed_dim": 16,
 "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8,
                "head_width": 16},
 "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2,
              "layers": 1}}"""


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path) -> None:
    """Make a tiny model known to open_clip, by its own way."""
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / f"{TINY}.json").write_text(CONFIG)
    open_clip.add_model_config(folder)


def state(seed: int) -> dict[str, torch.Tensor]:
    found = open_model(f"{TINY}:random", seed).model.state_dict()
    return {name: value.contiguous() for name, value in found.items()}


def same(one: OpenModel, weights: dict) -> bool:
    own = one.model.state_dict()
    return all(torch.equal(own[name], value) for name, value in weights.items())


def test_random_weights_follow_the_seed() -> None:
    drawn = torch.get_rng_state()
    one = open_model(f"{TINY}:random", 1)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert same(one, state(1))
    assert not same(one, state(2))
    assert not one.model.training
    assert one.size == (32, 32)
    assert one.mean == pytest.approx((0.4815, 0.4578, 0.4082), abs=1e-4)
    assert "random weights" in one.note


@pytest.mark.parametrize("form", ["safetensors", "pt", "ckpt"])
def test_weights_from_a_file(form: str, tmp_path: Path) -> None:
    file = tmp_path / f"weights.{form}"
    if form == "safetensors":
        save_file(state(7), file)
    elif form == "pt":
        torch.save(state(7), file)
    else:  # as open_clip's own training writes it
        named = {f"module.{name}": value for name, value in state(7).items()}
        torch.save({"epoch": 1, "state_dict": named}, file)
    found = open_model(f"{TINY}:{file}")
    assert same(found, state(7))
    assert found.note == ""


def test_texts_are_the_mean_over_templates() -> None:
    found = open_model(f"{TINY}:random")
    forms = ["a photo of a {}.", lambda name: f"art of the {name}."]
    texts = class_texts(found.model, found.tokenizer, NAMES, forms)
    for name, text in zip(NAMES, texts, strict=True):
        written = [f"a photo of a {name}.", f"art of the {name}."]
        features = found.model.encode_text(found.tokenizer(written))
        mean = sum(one / one.norm() for one in features) / 2
        torch.testing.assert_close(text, (mean / mean.norm()).detach())


def test_maps_of_a_tiny_model_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    torch.save(state(7), file)
    found = open_model(f"{TINY}:{file}")
    texts = class_texts(found.model, found.tokenizer, NAMES)
    images = torch.randn(2, 3, *found.size)
    with pytest.warns(UserWarning, match="4 x 4"):
        maps = itsm(found.model, images, torch.tensor([0, 1]), text_features=texts)
    assert maps.shape == (2, 32, 32)
    logits = ZeroShot(found.model.visual, texts)(images)
    own = F.normalize(found.model.encode_image(images), dim=1)
    torch.testing.assert_close(logits, 100 * own @ texts.T)


def test_a_full_model_with_random_weights_on_one_picture() -> None:
    found = open_model("ViT-B-32:random")
    texts = class_texts(found.model, found.tokenizer, NAMES)
    assert texts.shape == (2, 512)
    image = torch.randn(1, 3, *found.size)
    target = torch.tensor([1])
    for method, options in ((itsm, Itsm()), (surgery, Itsm(reading="v-v"))):
        maps = method(found.model, image, target, options, text_features=texts)
        assert maps.shape == (1, 224, 224)
        assert 0 <= maps.min() < maps.max() <= 1
    assert class_attention(found.model, image).shape == (1, 7, 7)


def test_the_name_of_openais_weights_is_checked_before_a_download(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_open_model("ViT-B-32-quickgelu/openai")

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no network\nat all")

    monkeypatch.setattr(open_clip, "create_model", offline)
    with pytest.raises(Refused, match="could not be downloaded") as caught:
        open_model("ViT-B-32-quickgelu/openai")
    assert "\n" not in str(caught.value)


def test_a_plain_name_says_that_it_has_gelu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "weights.pt"
    torch.save(state(7), file)
    known = [*open_clip.list_models(), f"{TINY}-quickgelu"]
    monkeypatch.setattr(open_clip, "list_models", lambda: known)
    assert "quickgelu" in open_model(f"{TINY}:{file}").note


@pytest.mark.filterwarnings("ignore:.*TorchScript.*", "ignore:.*torch.jit.*")
def test_what_is_refused(tmp_path: Path) -> None:
    weights = state(0)
    broken, other, code = (tmp_path / f"{name}.pt" for name in ("broken", "b", "code"))
    broken.write_bytes(b"nothing")
    torch.save({"visual.proj": torch.ones(3)}, other)
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(code))
    infinite = tmp_path / "nan.pt"
    torch.save({**weights, "text_projection": weights["text_projection"] / 0}, infinite)
    (tmp_path / "weights.txt").write_text("x")
    for name, text in (
        ("ViT-B-32", "no model of open_clip"),
        ("ViT-B-32:", "no model of open_clip"),
        ("ViT-B-32/nobody", "list_pretrained"),
        ("ViT-B-33:random", "did you mean"),
        (f"{TINY}:{tmp_path / 'none.pt'}", "are not there"),
        (f"{TINY}:{tmp_path / 'weights.txt'}", "are not one of"),
        (f"{TINY}:{broken}", "cannot be read"),
        (f"{TINY}:{other}", "do not fit tiny-vit"),
        (f"{TINY}:{infinite}", "NaN or inf"),
        (f"{TINY}:{code}", "archive of code"),
    ):
        with pytest.raises(Refused, match=text) as caught:
            open_model(name)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400
    found = open_model(f"{TINY}:random")
    with pytest.raises(Refused, match="a name and a template"):
        class_texts(found.model, found.tokenizer, [])
    with pytest.raises(Refused, match="no place for a name"):
        class_texts(found.model, found.tokenizer, NAMES, ["a photo"])
