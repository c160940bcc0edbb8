"""Code behind the book "Does language make image classifiers explainable?"."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("does-language-explain")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
