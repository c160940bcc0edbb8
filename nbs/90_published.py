# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Every published number, tested
#
# :::{admonition} In this chapter
# :class: tip
# - see on one page all numbers that the dispute about LICO rests on;
# - test each contrast that can be tested, and learn what it could have seen;
# - ask of single runs how little chance it takes to hide them;
# - add up what the tables add up, and hold the texts against their own tables.
#
# *Reading: 15 minutes. Running: half a minute; nothing is trained.*
# :::
#
# Before anything is run again, one can ask what the printed numbers themselves allow
# to be said. Two documents print them: the author response {cite}`lei2024response`,
# with its own numbers in black and those of {cite:t}`fletcher2024lico` in gray, and
# the study of {cite:t}`bartak2024lico`.
#
# :::{admonition} Claim — {cite:t}`lei2024response`, section 3
# :class: claim
# > In Table 2, LICO surpasses the baseline WideResNet model. In Table 3, LICO
# > outperforms the baseline model in terms of the most metrics.
# :::
#
# :::{admonition} Claim — {cite:t}`bartak2024lico`, abstract
# :class: claim
# > We have reproduced the key experiments conducted by Lei et al.; however, the
# > obtained results do not support the original claims.
# :::

# %% [markdown]
# ## Parameters
#
# Which documents, and how sure one wants to be.

# %% tags=["parameters", "hide-input"]
documents: list[str] = ["all"]  # all, or keys of the references
confidence: float = 0.95  # of the intervals
power: float = 0.8  # of the smallest detectable difference

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import pandas as pd

from helpers.chapters import published
from helpers.measure import statistics
from helpers.report import (
    figures,
    margins,
    published_checks,
    published_figures,
    tables,
)
from helpers.report import published_tables as tables_of
from helpers.report.welch import detectable

figures.theme()

# %% [markdown]
# The parameters are checked, and the numbers are read.

# %% tags=["hide-input"]
chapter = published.PublishedNumbers.of(
    documents=documents,
    confidence=confidence,
    power=power,
)

# %%
tests, singles = chapter.tested(), chapter.untested()

# %% [markdown]
# ## What was published
#
# A row a table. Scores are fractions from here on, whatever the source prints.
# `with SD` counts the numbers beside which a standard deviation over runs is printed;
# `runs` is how many runs are behind a number, where the source says so. Cells without a
# number, for a run that did not fit into memory, are not counted.

# %%
tables.show(tables_of.inventory(chapter.sources()))

# %% [markdown]
# The claims of the paper are three ({doc}`09_verdicts`): better maps, accuracy, both
# losses. A contrast is a pair of arms in the same table, on the same data, network,
# maps and metric. For claims 1 and 2 it is LICO and the baseline. Claim 3 is of both
# losses against each alone; that each alone is better than none is counted apart. How
# many contrasts speak on each claim, how many point the claim's way, and how many can
# be tested at all:

# %%
tables.show(tables_of.scope(tests, singles))

# %% [markdown]
# All of them for claims 1 and 2 in one picture:

# %% mystnb={"figure": {"name": "fig-90-dispute", "caption": "**The dispute, cell by cell.** LICO minus baseline, in points (MOSU: hundredths of a nat), turned so that plus is better. Dotted frames cannot be tested; the stronger the colour, the stronger the evidence. †: insertion minus deletion gives the other order."}, "image": {"alt": "A grid of coloured tiles: metrics as rows, data sets of three documents as columns, blue where LICO has the better score and orange where the baseline has; most tiles have a dotted frame."}}
published_figures.dispute(tables_of.tiles(tests, singles))
plt.show()

# %% [markdown]
# A colour alone is no evidence: it is the sign of one difference. What follows asks
# which of these differences are more than the noise of training.

# %% [markdown]
# ## Contrasts with a standard deviation
#
# Two means $\bar a$ and $\bar b$ over $n_a$ and $n_b$ runs, with their standard
# deviations $s_a$ and $s_b$, are all that Welch's test needs:
#
# $$ t = \frac{\bar a - \bar b}{s}, \qquad s^2 = \frac{s_a^2}{n_a} +
# \frac{s_b^2}{n_b}, \qquad \nu = \frac{s^4}{\frac{s_a^4}{n_a^2 (n_a - 1)} +
# \frac{s_b^4}{n_b^2 (n_b - 1)}} . $$ (eq-90-welch)
#
# Many tests find something by chance. Holm's correction keeps the chance of even one
# false find in a *family* of tests below one minus the confidence. A family here is one
# document and one claim. The smallest detectable difference $\delta$ says what the
# study could have seen with one test, before Holm: a true difference of that size would
# have been found with the probability $1 - \beta$ that the parameter `power` sets,
#
# $$ P \bigl( |t| > t_{\hat\nu, 1 - \alpha / 2} \bigr) = 1 - \beta, $$ (eq-90-power)
#
# where both the noise and the estimate of the noise are drawn anew, since with few
# runs the estimate itself is the larger part of the trouble.

# %%
tables.show(tables_of.families(tests))

# %% [markdown]
# The last columns ask two more things. Is a find left if every number lies wherever
# in its last digit suits it least? A printed .001 may be .0005 or .0015, and with
# three runs that decides much. And could the study have seen the margin that this
# book holds to be relevant ({doc}`00_laboratory`)?

# %% mystnb={"figure": {"name": "fig-90-forest", "caption": "**Contrasts with a standard deviation.** Right of 0 the first arm is the better one. Lines are intervals, grey bands reach to the smallest detectable difference, dashed lines are the margins of this book (outside the panel, or without one, not drawn)."}, "image": {"alt": "Eight panels, one a metric, each with six rows for pairs of arms: dots with intervals over grey bands around zero; few intervals are clear of zero."}}
published_figures.forest(tests)
plt.show()

# %% [markdown]
# A dot inside its band is a difference that such a study, were it true, would find
# less often than the power asks for. A line that crosses 0 is no finding of "no
# difference" either, unless it lies between the margins. The contrasts whose interval
# is clear of 0, one by one, with p as it is, after Holm's correction, and after that at
# the rounding that suits it least:

# %%
clear = [one for one in tests if one.evidence != "interval holds 0"]
tables.show(tables_of.contrasts(clear), digits=4)

# %% [markdown]
# And all of them. A difference is A - B as it is printed: of MOSU and of deletion a
# plus is worse.

# %% tags=["hide-output"]
tables.show(tables_of.contrasts(tests), digits=4)

# %% [markdown]
# ### By this book's rule
#
# The book asks more of itself than an interval ({doc}`09_verdicts`): five runs, and a
# smallest detectable difference within the margin. How often its rule for "A is
# better than B" would answer what on these contrasts:

# %%
tables.show(tables_of.verdicts(tests))

# %% [markdown]
# ## No standard deviation: no test possible
#
# Without the standard deviations of both arms there is no test, however large the
# difference: of single runs, and of means whose spread or number of runs is not stated.
# One thing can be said. Let both arms have a between-run standard deviation $\sigma$,
# known exactly, which is generous. Then the interval of the difference $d$ holds 0 as
# soon as
#
# $$ \sigma \ge \sigma^* = \frac{|d|}{z_{1 - \alpha / 2}
# \sqrt{1 / n_a + 1 / n_b}} , $$ (eq-90-sd)
#
# with one run an arm where a source states no number; were it $n$ runs, $\sigma^*$
# would be $\sqrt n$ times as large. The deviations that are printed elsewhere for the
# same metric give an idea of what $\sigma$ might be; they come from other pictures and
# networks, so they are an idea and no more.

# %%
tables.show(tables_of.single_runs(singles))

# %% [markdown]
# `hidden by` spans $\sigma^*$ over the contrasts of a row; `by some` and `by each`
# count those that at least one, or every one, of the printed standard deviations of
# that metric would hide.

# %% mystnb={"figure": {"name": "fig-90-single", "caption": "**How little chance would do.** For each contrast without a test, the between-run standard deviation from which on it is undecided. Grey bars span the deviations that are printed for the same metric, a tick each: a mark to the left of a tick is hidden by that much noise."}, "image": {"alt": "Rows of marks on a logarithmic axis, one row a metric, marks shaped by document, over grey bars with ticks; many marks lie within or to the left of the bars."}}
published_figures.single_runs(singles)
plt.show()

# %% [markdown]
# The full list:

# %% tags=["hide-output"]
tables.show(tables_of.untestable(singles))

# %% [markdown]
# ## The arithmetic of the overall cells
#
# All tables of insertion and deletion have a third column, insertion minus deletion,
# called "Overall" or "Combined". Three rounded numbers can disagree by at most one and
# a half units of the last digit; a mean of differences is a difference of means, so
# more runs change nothing in that.

# %%
sums = chapter.sums()
missed = sum(one.misses for one in sums)
print(f"{missed} of {len(sums)} cells miss by more than rounding allows")

# %% mystnb={"figure": {"name": "fig-90-sums", "caption": "**Printed minus recomputed.** Each dot is an overall cell; in the grey band rounding explains the gap. Both sides of the axis are logarithmic beyond two units."}, "image": {"alt": "Three rows of dots, one a document, most of them at zero within a grey band, some as labelled diamonds outside of it."}}
published_figures.sums(sums)
plt.show()

# %% [markdown]
# The cells outside of the band, as fractions:

# %%
tables.show(tables_of.misfits(sums))

# %% [markdown]
# Does it matter? Pairs of arms whose order is another one when the overall score is
# computed from the printed insertion and deletion:

# %%
tables.show(tables_of.turned(published_checks.turned(chapter.sources())))

# %% [markdown]
# A gap does not say which of the three numbers is off. One more sum stands in appendix
# D of {cite:t}`bartak2024lico`, energy and emissions; the seconds of a run can be held
# against the seconds an epoch of their Table 1 (the batch and data sets of LICO with
# ResNet-18, at the 100 epochs of section 3.3):

# %%
tables.show(tables_of.products(published_checks.energy()), digits=1)

# %% [markdown]
# ## Text against tables
#
# What a text says of its tables can be checked like a sum. Each sentence that compares
# arms was written down as such: which arms, which metrics, which tables, and the
# relation that it states, in our reading; a sentence may have been missed.
# "Significantly" is taken at its word, as a p below 0.05 in Welch's test, where the
# table prints standard deviations, and it cannot be checked where it does not.

# %%
found = chapter.statements()
tables.show(tables_of.agreement(found))

# %% [markdown]
# The cells that say otherwise than the text, with both values:

# %%
tables.show(tables_of.disagreements(found))

# %% [markdown]
# And the statements that would need a test for which the tables hold no standard
# deviation:

# %%
unknown = [one for one in found if one.agrees is None]
tables.show(tables_of.statements(unknown))

# %% [markdown]
# All statements that were checked, by the cells as printed. A statement on "most" cells
# may have some against it:

# %% tags=["hide-output"]
tables.show(tables_of.statements(found))

# %% [markdown]
# ## What deviates, and why
#
# - Welch's test takes the two arms as independent. Runs of the same seed may share
#   their noise; a paired test could then see more, but the tables do not print the
#   runs one by one. The chapters of this book pair by seed.
# - "±" is read as the standard deviation over runs with $n - 1$ in the denominator.
#   The document says that it is a standard deviation, and not which.
# - Table 1 of the response names no arm. It is taken to be of the baseline, whose
#   number in its Table 2 is the last of the three.
# - The gray numbers are those that the response prints, and not looked up in their
#   own paper.
# - Holm's correction is over one claim of one document. Another family is another
#   choice; the exercise below takes a wider one.
# - Insertion, deletion and their difference are three tests of two numbers. Holm's
#   correction holds whatever their dependence; it is only more strict than it need be.

# %% [markdown]
# ## Exercises
#
# ```{exercise} How many runs?
# :label: ex-90-runs
#
# Take the standard deviations of LICO and baseline in SCH, Table 4 of
# {cite:t}`bartak2024lico`. How many runs an arm would have made the margin visible
# with a power of 80 %? And in top-1?
# ```

# %% [markdown]
# ```{solution-start} ex-90-runs
# :label: sol-90-runs
# :class: dropdown
# ```

# %% tags=["solution"]
for one in tests:
    a, b = one.contrast.a, one.contrast.b
    if (a.arm, b.arm) == ("lico", "ce") and a.metric in ("sch", "accuracy"):
        margin = margins.metric(a.metric).margin
        for runs in (3, 5, 10, 20, 40, 80):
            least = detectable((a.sd, b.sd), (runs, runs))
            seen = "sees the margin" if least <= margin else ""
            print(f"{a.metric}, {runs} runs: {least:.4f} {seen}")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} One family
# :label: ex-90-family
#
# Put all tests of this page into a single family. What is left after Holm's
# correction?
# ```

# %% [markdown]
# ```{solution-start} ex-90-family
# :label: sol-90-family
# :class: dropdown
# ```

# %% tags=["solution"]
adjusted = statistics.holm([one.test.p for one in tests])
left = [t for t, p in zip(tests, adjusted, strict=True) if p < t.level]
pd.DataFrame(
    {"metric": t.contrast.metric, "A": t.contrast.a.arm, "B": t.contrast.b.arm}
    for t in left
).pipe(tables.show)

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} One and a half units
# :label: ex-90-units
#
# Insertion is printed as 0.71, deletion as 0.26. Between which values can the overall
# score lie, and which two-digit numbers may be printed for it?
# ```
#
# ````{solution} ex-90-units
# :label: sol-90-units
# :class: dropdown
#
# Insertion lies between 0.705 and 0.715, deletion between 0.255 and 0.265, so the
# difference between 0.44 and 0.46. Rounded, it is 0.44, 0.45 or 0.46: one unit around
# the difference of the printed numbers. The half unit beyond is the rounding of the
# third number itself; as printed numbers differ by whole units, a gap of two or more
# cannot come from rounding.
# ````

# %% [markdown]
# ## Take away
#
# - A difference without a standard deviation cannot be tested, in favour of a method
#   or against it. What can be said is how much noise would hide it.
# - With three runs the smallest detectable difference is large; an interval that holds
#   0 is then no evidence that there is no difference.
# - A contrast is found only when its number of companions, and the digits that were
#   printed, are taken into account: the table of families counts what is left.
# - Sums and sentences can be checked by a reader with nothing but the document.
#
# ## Provenance
#
# Nothing was trained for this page. It is made of these files of the package; the
# numbers in them are those that the documents print, digit by digit:

# %% tags=["hide-input"]
tables.show(published.files())
