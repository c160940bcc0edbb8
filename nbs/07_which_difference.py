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
# # Which difference matters
#
# :::{admonition} In this chapter
# :class: tip
# - see, switch by switch, where each published program of LICO leaves the paper, as
#   this book reads it;
# - measure what each switch makes the losses push for, before anything is trained;
# - rank all switches by what they do to accuracy and to explanations, in units of
#   what changing *nothing* does;
# - ask whether a whole program is the sum of its differences, and what a published
#   difference of a tenth of a point can mean.
#
# *Reading: 30 minutes. Running: 1 minute once the runs exist, about 4 from nothing,
# on two cores.*
# :::
#
# Two groups repeated LICO and did not find what the paper reports. The authors
# answered that the code of one of them {cite:p}`fletcher2024lico` has errors, and
# that without them the results come back:
#
# :::{admonition} Claim — {cite:t}`lei2024response`, sections 1, 2.1 and 2.2
# :class: claim
# > [...] we identified several impactful errors in implementation that may directly
# > lead to contradictory results and minor errors that may have affected the accuracy.
#
# of the text features, which in that code have the shape `[B, 64]` beside maps of
# `[B, 128, 64]`:
#
# > This misalignment in feature dimensions led to incorrect results for the loss
# > functions, negatively impacting the baseline model's performance.
#
# of this error, and of the learnable tokens, which that code does not roll:
#
# > Correcting these errors significantly improved both the accuracy and explainability
# > compared with the baseline models.
#
# and of the class names:
#
# > [...] there are **obvious** messed-up issues with class names due to the use of
# > **sorted()** [...], which led to mismatched class names and labels of images [...].
# :::
#
# These are three differences among dozens. To say that *these three* explain a result,
# one has to change them alone, and to know what changing any other, or none, does.

# %% [markdown]
# ## Parameters
#
# `factors` are the differences that are trained here, by name or group (`language`,
# `training`, `precision`); none by default, since each costs a training a seed.

# %% tags=["parameters", "hide-input"]
dataset: str = "scenes"  # scenes, cifar10, cifar100, imagenette, imagenet-s50:PATH, folder:PATH
size: int = 64  # pixels a side
pictures: int = 850  # training pictures
test_pictures: int = 1000  # test pictures
explained: int = 64  # test pictures with maps
backbone: str = "scene-resnet"  # scene-resnet, resnet20, resnet56, resnet18, resnet50, wrn28-K
epochs: int = 64  # passes over the pictures
batch: int = 32  # pictures a step
lr: float = 0.03  # learning rate of the first step
flip: bool = False  # mirror half of the pictures
shift: int = 0  # crop after padding by so many
clip_pictures: int = 12000  # scenes with captions
clip_epochs: int = 2  # passes over scenes and captions
seeds: list[int] = [1]  # training seeds
device: str = "cpu"  # cpu, cuda, cuda:1, mps
factors: list[str] = []  # differences trained here, or groups

# %% tags=["hide-input"]
import functools

import matplotlib.pyplot as plt
import pandas as pd

from helpers.chapters import (
    difference_claims,
    difference_effects,
    language_push,
    which_difference,
)
from helpers.data import catalog
from helpers.report import arms as tables_of
from helpers.report import (
    factor_figures,
    figures,
    records,
    simultaneous,
    statements,
    tables,
)
from helpers.report import factors as effects_of

figures.theme()

# %% [markdown]
# The parameters are checked before anything is loaded; then the runs are loaded, and
# one that is missing is trained.

# %% tags=["hide-input"]
chapter = which_difference.WhichDifference.of(
    dataset=dataset,
    size=size,
    pictures=pictures,
    test_pictures=test_pictures,
    explained=explained,
    backbone=backbone,
    epochs=epochs,
    batch=batch,
    lr=lr,
    flip=flip,
    shift=shift,
    clip_pictures=clip_pictures,
    clip_epochs=clip_epochs,
    seeds=seeds,
    device=device,
    factors=factors,
)

# %%
arms = chapter.trained()
summary = chapter.summary(arms)
tables.show(tables_of.accuracy(summary))

# %% [markdown]
# `ce` is the baseline, `lico` the {term}`preset` `paper`: the equations with each open
# choice made as {doc}`03_training` says. All differences are counted from there.

# %% [markdown]
# ## Who differs in what
#
# A *difference* is the smallest change of switches that makes sense alone. Some are of
# the words, some of the {term}`prompt`, some of a loss; those of the training
# (learning rate, augmentation, precision ...) change the baseline too. Which code has
# which:

# %% mystnb={"figure": {"name": "fig-07-codes", "caption": "**Differences and codes.** A row a difference from `paper`, a column a published code. Filled: the code has it; open circle: its switches are part of a larger difference that the code has; triangle: only if an option asks for it, or looked for and not kept; square: on CIFAR-100 alone, whose class folders are numbered. Rows without a mark are readings and remedies that no code has."}, "image": {"alt": "Table of dots: named differences in five coloured groups, a row each, against seven columns of published codes; every code has many of them."}}
codes = which_difference.code_table()
factor_figures.matrix(codes, which_difference.CODES)
plt.show()

# %% [markdown]
# No code has none, and no two have the same. The differences that none of them has are
# here as other readings of the paper, or as remedies:

# %%
print("; ".join(which_difference.in_no_code(codes)))

# %% [markdown]
# The same as switches. A dot means "as in `paper`"; the columns are presets of this
# book: the authors' code of January and of October 2024, the code that the response
# corrects, the response, and three forms of {cite:t}`bartak2024lico`.

# %%
tables.show(which_difference.switch_table())

# %% [markdown]
# ### Codes that stop
#
# The two states of the authors' code do not run as they stand. What stops each, and
# what is done here instead:

# %%
tables.show(which_difference.repairs_table())

# %% [markdown]
# The view of October, by running it: 12 contexts times the classes of this chapter are
# not 60 text rows, and torch says so.

# %%
classes = len(catalog.class_names(chapter.data()))
print(which_difference.unrepaired(contexts=12, classes=classes, cells=64))

# %% [markdown]
# ### What the response leaves open
#
# The response describes its corrections in words and two figures, without a program.
# The preset `rebuttal` is the code it names with the corrections it lists. Where that
# is not enough, a value was taken; other readings stand beside it, and what each of
# them pushes for is measured below. Width of the network and training seeds are not
# stated either; here they are those of all arms.

# %%
tables.show(which_difference.open_table())

# %% [markdown]
# ## What the losses push for
#
# Some of this can be measured for nothing. Take one network, the trained baseline, one
# batch of training pictures, and each text side as training would start it. The
# losses act on the classifier through the feature maps $F$ alone, so their gradients
# there are all that they ask for at this moment:
#
# $$ \begin{aligned}
# g_\mathrm{MM} &= \alpha \, \partial L_\mathrm{MM} / \partial F, \qquad
# g_\mathrm{OT} = \beta \, \partial L_\mathrm{OT} / \partial F, \\
# g &= g_\mathrm{MM} + g_\mathrm{OT}, \qquad
# \cos = \frac{\langle g, g^\text{paper} \rangle}
# {\lVert g \rVert \, \lVert g^\text{paper} \rVert} .
# \end{aligned} $$ (eq-07-push)
#
# Norms are given in units of cross-entropy's gradient. Once a network has learnt its
# pictures, cross-entropy has little left to ask and the units are small: rows should be
# compared with each other, not with 1.

# %%
rows = language_push.pushes(chapter, arms["ce"][0])

# %% [markdown]
# First the codes as wholes.

# %% mystnb={"figure": {"name": "fig-07-push-codes", "caption": "**What each code pushes for.** Left: norm of the gradient of each language loss on the feature maps of the same network, in units of cross-entropy's, on a log scale; an open mark at 0 has no gradient at all. Right: cosine of both losses' gradient with that of `paper`."}, "image": {"alt": "Dot plot with one row a preset: gradient norms of the two losses on a logarithmic scale with a place for zero; beside it the cosine with the paper's gradient."}}
factor_figures.push(rows[rows["group"] == "code"])
plt.show()

# %% [markdown]
# Then one difference at a time.

# %% mystnb={"figure": {"name": "fig-07-push", "caption": "**What each difference changes of the push.** As {numref}`fig-07-push-codes`, for `paper` with a single difference; rows are coloured by what the difference is of."}, "image": {"alt": "Dot plot with a row for the paper and one for each difference of words, prompts, matching and transport: gradient norms of both losses on a logarithmic scale, and beside them the cosines with the paper's gradient."}}
first = rows[rows["row"] == "paper"]
singles = rows[~rows["group"].isin(("code", "rebuttal"))]
factor_figures.push(pd.concat([first, singles]))
plt.show()

# %% [markdown]
# How to read it. Where one loss is far larger than the other, it alone sets the
# direction: a difference of the smaller loss then leaves the cosine at 1 unless it
# makes that loss large. A cosine near 0 is another request altogether. And a
# difference that leaves both norms and the direction as they are changes nothing
# *yet*; it may still move another part, such as the tower or the temperature, or act
# later. These are such:

# %%
print("; ".join(language_push.unchanged(rows)))

# %% [markdown]
# Last, the readings of the response, against its preset `rebuttal`.

# %% mystnb={"figure": {"name": "fig-07-push-open", "caption": "**What the response leaves open.** As {numref}`fig-07-push-codes`, for `rebuttal` and other readings of it; cosines are with `rebuttal`."}, "image": {"alt": "Dot plot with a row for the rebuttal preset and one for each other reading: gradient norms of both losses, and cosines with the preset."}}
factor_figures.push(rows[rows["group"] == "rebuttal"])
plt.show()

# %% [markdown]
# ## The effect of changing nothing
#
# What a push does to a trained network is another matter, and a trained network is
# also moved by its {term}`random seed`. Let $v_s$ be the mean of a metric over the
# test pictures for `paper` trained with seed $s$. Two trainings that differ by nothing
# but an independent seed differ by $v_s - v_r$, with standard deviation
#
# $$ r = \sqrt 2 \; \operatorname{SD}_s (v_s), \qquad
# \operatorname{SD}_s^2 = \frac{1}{n - 1} \sum_s (v_s - \bar v)^2 . $$ (eq-07-nothing)
#
# This $r$ is the yardstick of the chapter. It is itself an estimate, from few seeds:
# the interval in the table is that of the chi-squared distribution. For differences of
# the training $v_s$ is LICO minus baseline, because their effect is one on that. Equal
# settings and an equal seed need not give equal bits on another machine, or after a
# change of the code; how far such runs differ belongs to this size too.

# %%
study = records.recorded(difference_effects.STUDY)
whole = records.load(difference_effects.TRAINING)
shown = study or summary  # the committed study where there is one
difference_effects.nothing_table(study or whole).pipe(tables.show, digits=4)

# %% [markdown]
# ## One difference at a time, trained
#
# For a difference of the language, and for one of the training, the effect at seed $s$
# is
#
# $$ \begin{aligned}
# d_s &= v_s^\text{LICO, changed} - v_s^\text{LICO}, \\
# d_s &= \bigl( v_s^\text{LICO, changed} - v_s^\text{CE, changed} \bigr)
# - \bigl( v_s^\text{LICO} - v_s^\text{CE} \bigr) .
# \end{aligned} $$ (eq-07-effect)
#
# The first is a plain difference, since the baseline has no language to change. The
# second asks whether LICO's gain depends on how both are trained.
#
# With $k$ effects shown at once, some will look large by chance. The intervals
# therefore hold *together* with 95 % confidence (Bonferroni, as the committed margins
# have it),
#
# $$ \bar d \; \pm \; t_{1 - .05 / 2k,\, n - 1} \,
# \frac{\operatorname{SD}(d_s)}{\sqrt n} . $$ (eq-07-interval)
#
# Each effect is then given in units of $r$. An arm of which a loss is
# {term}`inert <inert arm>`, or which is still learning, is shown but barred from a
# {term}`verdict`; and a metric that the trial of {doc}`09_verdicts` did not admit
# decides nothing.

# %%
language = [f.name for f in effects_of.present(shown) if not f.training]
both = {
    metric: effects_of.effects(shown, metric, language)
    for metric in ("sch", "accuracy")
}

# %% mystnb={"figure": {"name": "fig-07-ranking", "caption": "**Which difference matters.** Effect of each difference of the language on SCH (left, which sorts) and top-1 (right), in units of changing nothing. Thick lines: 95 % intervals of one effect by itself; thin: intervals that hold together, arrows where they leave the panel; the scale is even up to 2 and logarithmic beyond. Pale band: one standard deviation of the difference of two runs that differ by their seed alone; dark band: the same of a mean over as many such pairs as there are seeds. Open marks are barred from a verdict."}, "image": {"alt": "Forest plot sorted by size: a row a difference, coloured by group, with dots and two intervals for SCH on the left and accuracy on the right, and grey bands for changing nothing around zero."}}
factor_figures.ranking(both)
plt.show()

# %% [markdown]
# The same in numbers, with the verdict that LICO *with* the difference is better than
# `paper`: first SCH, the share of Grad-CAM's mass on the object; then top-1. Margins
# are the committed ones, or half of the baseline's SD where that is more. `seeds
# needed` is how many would make the margin visible beside all the others.
#
# The rule bars an arm if *any* of its losses is inert, so one inert loss in `paper`
# bars every row. The last column is exploratory: it asks only that a loss that the
# difference is of acts on one side or the other, lets every metric speak, and says what
# the numbers alone say; *seen* is a difference whose interval leaves out 0 and which
# too few seeds let nobody judge. `seeds needed` is "—" over 100.
#
# Two rows are one training by theory: to hold the plan fixed (`OT: plan detached`) *is*
# to take the gradient of the value with entropy. And transport without a gradient is
# no transport: that row is the arm `mm` of {doc}`03_training`, so that where a code
# has that difference, one of its two losses is switched off.

# %%
tables.show(difference_effects.effect_table(both["sch"]), digits=4)

# %%
tables.show(difference_effects.effect_table(both["accuracy"]), digits=4)

# %% [markdown]
# Is there *any* difference in all this? If not one of the $k$ effects were real, the
# largest $|t|$ would still be large. The table holds it against its bar, and against
# what simulation gives, which knows that all effects share the runs of `paper`.
# Differences with a run that was still learning are left out.

# %%
tables.show(difference_effects.largest_table(both))

# %% [markdown]
# The other metrics are exploratory; here the three largest of each.

# %%
secondary = ["ses", "mosu", "insertion", "deletion"]
difference_effects.largest_of_each(shown, secondary, language, most=3).pipe(
    tables.show, digits=4
)

# %% [markdown]
# ### Trained on this page
#
# With `factors` of your own, the same for them, on SCH and top-1:

# %%
for metric in both:
    mine = effects_of.effects(summary, metric)
    tables.show(difference_effects.effect_table(mine), digits=4)

# %% [markdown]
# ### Differences of the training
#
# Only those that were trained appear: with `factors=["training"]` on this page, all but
# those of precision, which have a section of their own.

# %% mystnb={"figure": {"name": "fig-07-training", "caption": "**Does the training decide what LICO gains?** As {numref}`fig-07-ranking`, for differences of the training: LICO minus baseline under the difference, minus the same without it."}, "image": {"alt": "Forest plot of differences of the training in the same form, or one line saying that none was trained."}}
recipes = records.recorded(difference_effects.RECIPES) or summary
trained = [f.name for f in effects_of.present(recipes) if f.training]
pair = {
    metric: effects_of.effects(recipes, metric, trained)
    for metric in ("sch", "accuracy")
}
factor_figures.ranking(pair)
plt.show()

# %% [markdown]
# ## Verdict on the claim
#
# The claim names three differences: texts of another shape, which torch broadcasts in
# silence (`OT: silent broadcast`; each picture then meets the pooled text of every
# label of its batch), learnable tokens of each class instead of rolled ones (`context
# per class`, here in the place of *shared* ones: rolled ones come only with transport
# to copies, `OT: equal copies`), and sorted class names (`names sorted`). Does each
# move accuracy, and SCH, by more than changing nothing? The size $r$ is itself
# uncertain, from as few seeds: *supported* needs the whole effect beyond the upper end
# of its interval, *contradicted* all of it within the lower; the three intervals of a
# metric hold together. An effect of $r$ must have been visible, else the answer is
# *undecided*.

# %%
parts = difference_claims.named(shown)
tables.show(difference_claims.verdict_table(parts), digits=4)

# %% [markdown]
# All of them together. The numbers of this box are sizes, those of the part that is
# nearest to nothing, with its sign taken off; its margin is $r$.

# %%
difference_claims.named_together(parts)

# %% [markdown]
# Exploratory, what the numbers alone say: the inert bar is on the losses that each
# difference is of, and insertion, which the response reports, may speak as well. An
# interval can lie within $r$ and yet not within the lower end of $r$'s own.

# %%
numbers = difference_claims.named_alone(shown)
tables.show(difference_claims.numbers_table(numbers), digits=4)

# %% [markdown]
# Could `paper` have noticed the names at all? The control `permuted` gives every class
# the name of another. Where that too is within the margin, sorted names are harmless
# *there* because nothing reads them, and nothing follows for a code whose matching
# acts.

# %%
noticed = statements.table(whole, difference_claims.NOTICED)
tables.show(noticed, digits=4)

# %% [markdown]
# All corrections of the response at once: `rebuttal` against the code that it corrects,
# by the study of {doc}`03_training`. An arm of which one run was still learning has no
# verdict.

# %%
corrected = statements.table(whole, difference_claims.CORRECTED)
tables.show(corrected, digits=4)

# %% [markdown]
# The response compares with the baseline. So here are the corrected code, the code that
# it corrects, and `stable`, whose temperature is bounded, against a network that never
# met a text.

# %%
over = statements.table(whole, difference_claims.OVER_BASELINE)
tables.show(over, digits=4)

# %% [markdown]
# ### The readings of the response, trained
#
# What it leaves open, one at a time: the preset `rebuttal` with each other reading,
# over `rebuttal` itself, with intervals that hold together, and over the baseline. A
# row with an inert loss, or with a run that was still learning, answers nothing. First
# SCH, then top-1.

# %%
open_points = records.recorded(difference_effects.OPEN_POINTS)
by_reading = functools.partial(difference_effects.readings, metric="sch")
tables.show(records.of(open_points, by_reading), digits=4)

# %%
by_reading = functools.partial(difference_effects.readings, metric="accuracy")
tables.show(records.of(open_points, by_reading), digits=4)

# %% [markdown]
# ## Whole codes: is a code the sum of its differences?
#
# One difference at a time is the right question only if differences do not depend on
# each other. So take a whole code $P$ and the differences that make it up,
#
# $$ \text{gap}_s = \bigl( v_s^P - v_s^\text{paper} \bigr)
# - \sum_{f \in P} \bigl( v_s^f - v_s^\text{paper} \bigr) . $$ (eq-07-gap)
#
# Where the gap is *no relevant difference*, single effects explain the whole; where it
# lies clear of 0 and beyond the margin they do not, and prices of single differences,
# in a list, do not add up. *Undecided* says neither. A sum can fail for two plain
# reasons: a part never finished learning (the column *still learning*), or parts of it
# turn a transport that the whole code has switched off.

# %%
gaps = {
    metric: difference_effects.wholes(study, whole, metric)
    for metric in ("sch", "accuracy")
}

# %% mystnb={"figure": {"name": "fig-07-additivity", "caption": "**Whole codes against the sum of their differences**, on SCH and top-1, both minus `paper`. On the dashed line the sum says what the whole does; the band is the margin, lines are 95 % intervals over seeds, of one code by itself."}, "image": {"alt": "Two scatter plots with an identity line: the summed effect of all differences of a code against the effect of the code as a whole, one coloured dot a code, or one line saying that no code is recorded with all its differences."}}
factor_figures.additivity(gaps)
plt.show()

# %% [markdown]
# In numbers, for SCH and then for top-1, with the verdict on the gap; its intervals
# hold together over the codes.

# %%
tables.show(difference_effects.whole_table(gaps["sch"]))

# %%
tables.show(difference_effects.whole_table(gaps["accuracy"]))

# %% [markdown]
# ## And on photographs?
#
# Single differences were trained on scenes alone. Of photographs there is a record of
# whole arms with fixed features of names ({doc}`03_training`), where a prompt, and
# every difference of prompts, has no place. What is left of the question is which loss
# acts, and what the vectors say. Where the language reads *mechanism only*, no number
# answers a claim.

# %%
photographs = records.recorded("03_training-cifar10")
tables.show(records.of(photographs, tables_of.setting))

# %%
tables.show(records.of(photographs, tables_of.accuracy))

# %% [markdown]
# ## Numerical precision
#
# The response also names automatic mixed precision and a loss scaler, with three
# accuracies of the baseline on CIFAR-10, single runs. What can such a difference mean?
# It is set beside the seeds of this book's baseline: how often do two runs that differ
# by nothing differ by as much? Their spread on CIFAR-10 is not known, so the last
# column turns the question round: the standard deviation over seeds, in points, under
# which the seeds must stay for the difference of two single runs to be clear of zero.

# %%
alone = effects_of.seeds_alone(study or whole, "ce", "accuracy")
print(f"SD over {alone.seeds} seeds here: {100 * alone.sd:.2f} points")
tables.show(difference_effects.precision_table(alone))

# %% [markdown]
# The same three baselines here, where they were trained; *points* are those over the
# run with neither, seed by seed, with their 95 % interval. The row of the scaler is
# read as one with autocast as well: alone, a scaler only scales a loss and its gradient
# back. Both are for a GPU: on a CPU a step in float16 takes many times as long.

# %%
precise = records.recorded(difference_effects.PRECISE) or summary
tables.show(difference_effects.precision_trained(precise))

# %% [markdown]
# And what they do to LICO's gain over its baseline:

# %%
kinds = which_difference.GROUPS["precision"]
found = effects_of.effects(precise, "accuracy", kinds)
tables.show(difference_effects.effect_table(found), digits=4)

# %% [markdown]
# ## Choosing an epoch
#
# Two codes report the epoch that is best on the *test* pictures. (What they keep as the
# best network is the live one, whose weights are the last epoch's in the end.) Pictures
# that choose an epoch cannot judge it. The optimism of the rule is the accuracy of the
# best test epoch minus that of the best validation epoch of the same training. It is
# shown, and never part of a verdict.

# %%
tables.show(difference_effects.optimism_table(recipes), digits=4)

# %% [markdown]
# ## What deviates, and why
#
# - A code here is its switches on this book's networks and pictures: the losses and
#   prompts of a published program, not its run on CIFAR or ImageNet-S50.
# - `paper` is this book's reading of the paper, with what it leaves open filled in.
# - Differences are taken from `paper`. Taken from another starting point, such as
#   `lico_fact`, the same switch may do something else; the gap between whole and sum
#   says how far that goes. "Learnable tokens of each class instead of rolled ones" is
#   in no single row: rolled ones are part of transport to copies.
# - Of scores of maps a record of so many arms keeps the mean of each seed, over the
#   pictures that have the score; accuracy it keeps per picture.
# - Whole codes are trained with the schedule of all arms, so their sums are over
#   differences of the language alone. The limit of 100 iterations of the authors' loop
#   stands in no row of its own: at its entropy the loop stops long before.
# - The code of {cite:t}`bartak2024lico` keeps learnable tokens, projection and
#   temperature in float16, where small steps of plain descent round to nothing. Here
#   they are float32, so that they may learn more than they did there.
# - "Shift into zeros" pads the normalised picture, so with the mean colour; the
#   authors' code pads the picture before, with black. Under autocast the ground cost is
#   a product of float16; in robertdvdk/lico-fact its sum of squares stays in float32.
# - On CIFAR, *names sorted* sorts the spellings of that code, as "plane" for
#   "airplane": the data set's own names are sorted as they come.
# - The pushes are those of one network, one batch and one seed, at the start of
#   training. They say what is asked for, not what is learnt.
# - Bonferroni intervals make no use of what the effects share; the exercise below
#   says what that costs.

# %% [markdown]
# ## Exercises
#
# ```{exercise} The largest of many nothings
# :label: ex-07-largest
#
# Imagine that none of $k$ differences does anything. How large is the largest $|t|$ in
# 95 of 100 such studies, for 1, 5 and 30 differences and 5 or 10 seeds? How much wider
# than that are Bonferroni's intervals?
# ```

# %% [markdown]
# ```{solution-start} ex-07-largest
# :label: sol-07-largest
# :class: dropdown
# ```

# %% tags=["solution"]
pd.DataFrame(
    {
        "differences": count,
        "seeds": number,
        "Bonferroni": simultaneous.bonferroni_t(count, number),
        "simulated": simultaneous.largest_t(count, number),
    }
    for number in (5, 10)
    for count in (1, 5, 30)
).pipe(tables.show)

# %% [markdown]
# With one difference both are Student's bar. With many, sharing the runs of `paper`
# makes the largest a little smaller, and more seeds help far more than a cleverer
# correction.
#
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} Twelve pictures
# :label: ex-07-pictures
#
# CIFAR-10 has 10,000 test pictures. How many pictures are the differences of the
# response's table of precisions? What is the standard error of one accuracy over test
# pictures alone, before any seed is changed?
# ```

# %% [markdown]
# ```{solution-start} ex-07-pictures
# :label: sol-07-pictures
# :class: dropdown
# ```

# %% tags=["solution"]
printed = difference_effects.precision_table(alone)
share = printed["top-1, %"] / 100
error = 100 * (share * (1 - share) / 10_000) ** 0.5
printed.assign(pictures=(100 * printed["points"]).round(), error=error).pipe(
    tables.show
)

# %% [markdown]
# `error` is that of one accuracy, in points. Both runs see the same pictures, so the
# error of their difference hangs on how many pictures the two disagree about, which
# was not printed.
#
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} Same push, other training
# :label: ex-07-push
#
# `tower trained` and `MM: tau raw` start with exactly the push of `paper`. Why can they
# still end elsewhere, and why can a difference with quite another push still end at
# the same accuracy?
# ```
#
# ````{solution} ex-07-push
# :label: sol-07-push
# :class: dropdown
#
# The push is what the losses ask of the maps at the first step. With `tower trained`
# the text moves too, so that the losses may fall without the maps; with `MM: tau raw`
# the temperature takes smaller steps on the same way, so that matching may still act
# where in `paper` it has faded. In the other direction, a network may satisfy a request
# in directions of $F$ that its classifier does not read, or cross-entropy may outvote
# it: then the accuracy stays.
# ````

# %% [markdown]
# ```{exercise} A difference of your own
# :label: ex-07-own
#
# Train one difference with five seeds: it appears under *Trained on this page*. Which
# would you take, after {numref}`fig-07-push`, and what do you expect?
# ```
#
# ````{solution} ex-07-own
# :label: sol-07-own
# :class: dropdown
#
# ```shell
# python -m helpers.run 07_which_difference \
#     -p 'factors=["MM: tau bounded"]' -p 'seeds=[1, 2, 3, 4, 5]'
# ```
#
# Write down the expected sign before you look. One that makes a small loss large, or
# takes away a loss that acts, is likelier to show something than one that turns a loss
# which is already outvoted.
# ````

# %% [markdown]
# ## Take away
#
# - Every published code of LICO differs from this book's reading of the paper in many
#   switches, and no two in the same; a result belongs to a code, not to the name of a
#   method.
# - What a switch asks of the maps can be measured without training, and codes can be
#   told apart by it.
# - A difference matters if it does more than changing nothing. With few seeds and many
#   differences that bar is high, and a single run has no access to it.
#
# ## Provenance
#
# What the runs of this page were made with, and the study:

# %% tags=["hide-input"]
pd.DataFrame(
    {"arm": name, "seed": run.settings.seed, **records.origin(run.provenance)}
    for name, runs in arms.items()
    for run in runs
).pipe(tables.show)

# %% tags=["hide-input"]
kept = (study or whole)["provenance"]
pd.DataFrame(
    [(name, str(kept[name])) for name in ("commit", "date", "device")],
    columns=["of the study", "value"],
).pipe(tables.show)
