"""Pictures with a map over them, as the text of an image: no file beside the page."""

import base64
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor

STRENGTH = 0.7  # of the colour where the map is greatest
FOR, AGAINST = (230, 40, 20), (30, 80, 230)  # red for the class, blue against it
SCALE = 0.995  # quantile of a map that has the full colour: single pixels lie above
ALL = 512  # pixels a side at most


def scaled(saliency: Tensor) -> Tensor:
    """Return a map `[H, W]` in [-1, 1]: over its quantile `SCALE`, of its size."""
    size = saliency.abs().flatten().double()
    top = size.quantile(SCALE)
    top = top if top > 0 else size.max()
    return (saliency.double() / top).clamp(-1, 1) if top > 0 else saliency.double() * 0


def overlay(image: Tensor, saliency: Tensor) -> Tensor:
    """Return a grey picture under its map, `[3, H, W]` uint8 and `[H, W]` -> uint8.

    Red is for the class, blue against it, as strong as the map is.
    """
    grey = image.double().mean(0, keepdim=True).expand(3, -1, -1)
    value = scaled(saliency)
    weight = STRENGTH * value.abs()
    colours = torch.tensor([FOR, AGAINST], dtype=torch.double)[:, :, None, None]
    colour = torch.where(value >= 0, colours[0], colours[1])  # [3, H, W]
    return (grey * (1 - weight) + colour * weight).round().to(torch.uint8)


def outlined(image: Tensor, mask: Tensor) -> Tensor:
    """Return a picture with what lies outside a mask darkened, `[3, H, W]` uint8."""
    dark = (image.double() * 0.3).round().to(torch.uint8)
    return torch.where(mask, image, dark)


def data_uri(image: Tensor) -> str:
    """Return a picture `[3, H, W]` uint8 as the address of an image within the page.

    Small ones are PNG, exact; others JPEG.
    """
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    picture.thumbnail((ALL, ALL))
    kind = "PNG" if max(picture.size) <= 64 else "JPEG"
    found = BytesIO()
    picture.save(found, kind, quality=85, optimize=True)
    text = base64.b64encode(found.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{text}"


def place(saliency: Tensor) -> str:
    """Return in words where a map is greatest, as "at the top left"."""
    if not (saliency > 0).any():
        return "nowhere: it has no evidence for the class"
    height, width = saliency.shape
    row, column = divmod(int(saliency.flatten().argmax()), width)
    down = ("top", "middle", "bottom")[3 * row // height]
    across = ("left", "middle", "right")[3 * column // width]
    if down == across:
        return "in the middle"
    words = [word for word in (down, across) if word != "middle"]
    return "at the " + " ".join(words)
