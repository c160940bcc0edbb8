"""Saliency: `method(model, images, targets) -> [B, H, W]`."""
