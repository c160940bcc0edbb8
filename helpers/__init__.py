"""Code behind the book "Does language make image classifiers explainable?"."""

import warnings
from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("does-language-explain")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

# open_clip imports tqdm's notebook bar, which this book never shows.
warnings.filterwarnings("ignore", message="IProgress not found")
