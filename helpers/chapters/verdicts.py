"""Chapter 09: the ledger of claims, from the committed study and the reader's run."""

from helpers.chapters.training import Training


class Verdicts(Training):
    """The parameters of chapter 09: those of chapter 03, whose runs it judges."""
