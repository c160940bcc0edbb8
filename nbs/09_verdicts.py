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
# # The ledger of claims
#
# :::{admonition} In this chapter
# :class: tip
# - hold each claim about LICO against margins that were fixed before any run;
# - see the paper, two reproductions, the response and this book side by side;
# - tell apart "no difference", "could not have seen one" and "seen, but not judged";
# - ask the question of the title: did *words* help, or would anything have?
# - see whether a sign depends on the size of the pictures, on how many there are, or on
#   the learning rate.
#
# *Reading: 25 minutes. Running: 1 minute once the runs exist, about 9 from nothing,
# on two cores.*
# :::
#
# The earlier chapters opened the losses, the transport, the training and the metrics.
# This one only reads numbers and applies one rule.
#
# :::{admonition} Claim — {cite:t}`lei2023lico`, as stated by {cite:t}`bartak2024lico`, section 2
# :class: claim
# > Although these two components serve similar functions, the mutual presence of both
# > is beneficial to the quality of the resulting models.
# :::

# %% [markdown]
# ## Parameters
#
# Those of {doc}`03_training`, whose runs are judged here.

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
seeds: list[int] = [1, 2]  # training seeds of ce and lico
device: str = "cpu"  # cpu, cuda, cuda:1, mps
few_seeds: list[int] = [1]  # training seeds of the other arms
variants: list[str] = ["losses"]  # arms or groups
alpha: float = 10.0  # weight of manifold matching
beta: float = 1.0  # weight of optimal transport
hidden: int = 512  # width of the projection h_psi
n_ctx: int = 12  # learnable tokens of a prompt
epsilon: float = 0.1  # strength of the entropic term
language: str = "tiny-clip"  # tiny-clip, open-clip:MODEL/TAG, file:PATH
text_width: int = 512  # width of the features of file:PATH

# %% tags=["hide-input"]
import functools

import matplotlib.pyplot as plt
import pandas as pd

from helpers.chapters import answers_verdicts, in_short, verdicts
from helpers.report import arms as tables_of
from helpers.report import (
    claims_by_source,
    figures,
    ledger,
    ledger_figures,
    lico_figures,
    records,
    scales,
    secondary,
    sortable,
    statements,
    tables,
)

figures.theme()

# %% [markdown]
# The parameters are checked before anything is loaded.

# %% tags=["hide-input"]
chapter = verdicts.Verdicts.of(
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
    few_seeds=few_seeds,
    variants=variants,
    alpha=alpha,
    beta=beta,
    hidden=hidden,
    n_ctx=n_ctx,
    epsilon=epsilon,
    language=language,
    text_width=text_width,
)

# %%
arms = chapter.trained()
summary = chapter.summary(arms)

# %% [markdown]
# The committed records beside them: five seeds of every arm on scenes, and on
# photographs with fixed features of their real names. Where photographs are *mechanism
# only* ({term}`mechanism only`), they show what the losses did: they answer no claim,
# and no count below has them.

# %%
study = records.recorded("03_training-study")
how = (
    "python -m helpers.run 03_training --profile cifar10 "
    "-p language=file:PATH --record"
)
photographs = records.recorded("03_training-cifar10", how)

# %% [markdown]
# ## The rule
#
# A claim says that one side is better than another, on one metric. For each training
# seed $s$ the difference $d_s$ is a mean over test pictures; over $n$ seeds it has a
# $t$ interval,
#
# $$ \bar d \pm t_{n-1} \frac{\operatorname{SD}(d_s)}{\sqrt n}, $$ (eq-09-interval)
#
# and the interval is held against a margin. Four answers are possible, in this order:
# *no relevant difference* if it lies within the margin on both sides of 0, even where
# it leaves out 0; *supported* if above 0; *contradicted* if below; else *undecided*.
# "Not worse" has three: *supported* above minus the margin, *contradicted* below it,
# else *undecided*. *Undecided* it also is whenever a run is still learning, a loss was
# {term}`inert <inert arm>`, there are fewer than five seeds, or the smallest effect
# that the seeds could have shown exceeds the margin ({doc}`00_laboratory`). That last
# bar was fixed before any run and holds even for an interval far from 0: such a
# difference was *seen*, as its cell says, and is not judged. A claim of several
# comparisons holds if all of them do. It is contradicted if one is, with a p that is
# small enough for one of so many.
#
# The claims were written down with their metrics and margins before any run that
# they judge:

# %%
tables.show(ledger.claims())

# %% [markdown]
# ### Which metrics may judge
#
# A metric that cannot put networks of known order into that order carries no claim
# ({term}`assay sensitivity`, {doc}`05_metrics`). The trial with networks trained as
# those of the study stands in the record of {doc}`13_one_table`. A pair "A > B" is one
# of known order, in which A should score higher; where it reads *not*, the trial showed
# that it does not:

# %%
trial = records.recorded("13_one_table-study")
tables.show(records.of(trial, answers_verdicts.admitted))

# %% [markdown]
# Top-1 needs no trial. A metric that may not judge decides no claim below: its rows and
# tiles show their numbers and stay *undecided*. What the numbers alone would have said
# stands in the column *exploratory* of the verdicts: which side scores higher, and not
# which side explains better. A cell of a verdict names one bar; there may be more.

# %% [markdown]
# ## In short
#
# The questions of the dispute, and what the committed study answers. *Answer* is under
# the rule, *numbers alone* without its bars on losses and on metrics; a difference is
# positive where the first of the two has more of the metric, and its 95 % interval
# stands beside it. Of a question of several comparisons it is the weakest. The rest of
# the page says why.

# %%
differences = records.recorded("07_which_difference-study")
answers = in_short.table(study, differences)
print(in_short.tally(answers))
tables.show(answers)

# %% [markdown]
# The response asks for texts of the right shape, rolled tokens and names in their
# order. What each of these does by itself, and what its code does as a whole, is the
# subject of {doc}`07_which_difference`.

# %% [markdown]
# ## The ledger at a glance
#
# Claims by sources. A tile is one claim on one metric by one source and data set;
# nothing is pooled across tiles. A tile is blue where all comparisons of a claim go its
# way (of "not worse": lie above minus the margin), its shade says whether the rule
# allows an answer. Published single runs, and numbers printed without a standard
# deviation, allow no test at all. *Planted*, *real-fixed* and *real* language are told
# apart in the table below the figure. Numbers of {cite:t}`fletcher2024lico` are those
# that the response prints in gray; they were not looked up elsewhere. That it is the
# *words* which do it was tested by none of the tables quoted here;
# {numref}`fig-09-controls` does.

# %%
here = verdicts.page_name(summary)
sources = {"study": study, "photographs": photographs, here: summary}
cells = claims_by_source.cells(sources)

# %% mystnb={"figure": {"name": "fig-09-ledger", "caption": "**The ledger.** Rows are claims with their metrics, columns sources with data set and number of runs *n* (a question mark where the source states none). A number is the gain in hundredths of the metric's unit, positive the better way, of the weakest comparison where a claim makes several. C10, C100: CIFAR-10 and CIFAR-100; INette: Imagenette; IN-S50: ImageNet-S50."}, "image": {"alt": "Grid of coloured tiles, claims by sources: blue where the difference goes the claim's way, orange where one does not; dotted frames where no test is possible, faint fill where undecided, dots where runs show the mechanism only, full colour where decided."}}
ledger_figures.ledger(cells)
plt.show()

# %% [markdown]
# The same in counts: of how many tiles does each source speak, how many go the claim's
# way, and on how many does the rule allow more than "no test possible"?

# %%
tables.show(claims_by_source.tallies(cells))

# %% [markdown]
# And every tile with its data set, kind of language, number of runs and 95 % interval:
# Welch's for published means, over seeds for this book's. The head of a column sorts by
# it; the choices above the table keep some rows. Is there an answer that decides? What
# is left if only one source is kept?

# %%
sortable.sortable(
    claims_by_source.table(cells),
    filters=["claim", "metric", "source", "data", "answer"],
    digits=4,
)

# %% [markdown]
# ### Claim by claim
#
# Claim 1, maps. SCH is the share of saliency that lies on the object, and the book's
# endpoint:

# %% mystnb={"figure": {"name": "fig-09-sch", "caption": "**Claim 1, saliency on the object**, LICO over baseline, SCH with Grad-CAM. Lines are 95 % intervals, open circles numbers without one, the band the margin; right of 0 is the claim's way."}, "image": {"alt": "Forest plot of SCH gains of LICO over the baseline, one row a source and data set, with intervals where they exist and a grey band around zero."}}
ledger_figures.forest(cells, "1", "sch")
plt.show()

# %% [markdown]
# Insertion is what the paper and the response report:

# %% mystnb={"figure": {"name": "fig-09-insertion", "caption": "**Claim 1, insertion.** As {numref}`fig-09-sch`, for insertion with Grad-CAM."}, "image": {"alt": "Forest plot of insertion gains of LICO over the baseline, one row a source and data set."}}
ledger_figures.forest(cells, "1", "insertion")
plt.show()

# %% [markdown]
# Claim 2, accuracy. Its first half asks only for the left end of an interval to stay
# right of the band's left edge. Its second half asks for it to be right of 0, and for
# the right end to leave the band. The band is the committed margin; where half of the
# baseline's standard deviation is more, the verdict takes that:

# %% mystnb={"figure": {"name": "fig-09-accuracy", "caption": "**Claim 2, accuracy.** As {numref}`fig-09-sch`, for top-1."}, "image": {"alt": "Forest plot of top-1 gains of LICO over the baseline, one row a source and data set, with a grey band around zero."}}
ledger_figures.forest(cells, "2 (gain)", "accuracy")
plt.show()

# %% [markdown]
# ## Was there an intervention?
#
# An arm in which a loss did not act cannot speak for that loss, nor, under the rule,
# for the method of two losses. The guard looks at the loss's gradient on the feature
# maps, and at the mass that the affinities put on other pictures; {doc}`03_training`
# explains each column and the two bars.

# %%
tables.show(records.of(study, tables_of.interventions), digits=4)

# %% [markdown]
# Read the column `inert` before anything below: a claim about manifold matching in
# an arm where matching was inert has no answer, whatever its numbers. That the preset
# `paper` brings its own matching near the bar is a finding about the preset. For that
# reason the arm `active` is there: no picture is its own neighbour, and the temperature
# cannot move.

# %% [markdown]
# ## The verdicts
#
# Each committed claim, by the study. `smallest effect` is what its seeds could have
# shown with a power of 80 %; `seeds needed` is how many would bring it down to the
# margin, if the spread stays as it is ("—": over 200); of bars on losses and metrics it
# knows nothing. The column *exploratory* gives
# what the numbers say without the bars on inert losses, on metrics and on photographs
# that show the mechanism only. It says what the arms did to a score, not what the loss
# did that they are named for.

# %%
tables.show(records.of(study, ledger.full_table), digits=4)

# %% [markdown]
# On photographs:

# %%
tables.show(records.of(photographs, ledger.full_table), digits=4)

# %% [markdown]
# And by the runs of this page. Their names are those of chapter 03; what each was made
# with stands first.

# %%
tables.show(tables_of.accuracy(summary))

# %%
tables.show(ledger.full_table(summary), digits=4)

# %% [markdown]
# The verdicts of the study in full, with all that each must print. Claim 1:

# %%
ledger.answer(study, "1")

# %% [markdown]
# Claim 2, not worse by more than the margin:

# %%
ledger.answer(study, "2")

# %% [markdown]
# Claim 2, better:

# %%
ledger.answer(study, "2 (gain)")

# %% [markdown]
# Claim 3, both losses are needed, on SCH and on accuracy:

# %%
ledger.answer(study, "3", "sch")

# %%
ledger.answer(study, "3", "accuracy")

# %% [markdown]
# It holds only if four comparisons do. The first two ask whether both losses are
# needed; the last two, committed with them, ask that each of them helps at all. The
# number above is that of the weakest of the four:

# %%
third = functools.partial(ledger.parts_of_claim, name="3")
tables.show(records.of(study, third), digits=4)

# %% [markdown]
# ## LICO against CGC
#
# The paper also sets LICO above CGC, which asks for consistent maps and uses no words
# ({doc}`03_training`). And CGC itself must beat the network that sees the same three
# views:

# %%
ledger.answer(study, "cgc", "sch")

# %%
ledger.answer(study, "cgc (three views)", "sch")

# %% [markdown]
# CGC trains with two more crops of each picture, LICO with none: the first comparison
# is of crops as well as of words. An arm that was still learning in any run has no
# verdict. Both on accuracy as well, which is about top-1 and not about maps:

# %%
rivals = functools.partial(
    ledger.full_table, names=["cgc", "cgc (three views)"]
)
tables.show(records.of(study, rivals), digits=4)

# %% [markdown]
# Exploratory: what each gains over the network that sees what it sees, (LICO - CE) -
# (CGC - three views).

# %%
tables.show(records.of(study, verdicts.gains_apart), digits=4)

# %% [markdown]
# ## Did words help?
#
# If LICO with the right names is *shown* to do no better (*no relevant difference* or
# *contradicted*, not *undecided*) than with permuted names, with a tower of random
# weights, with random vectors or with one axis a class, then whatever moved, it was not
# language.

# %% mystnb={"figure": {"name": "fig-09-controls", "caption": "**Language against its controls.** Accuracy and SCH of each arm of the study minus the baseline of the same seed; lines are 95 % intervals, hollow arms have an inert loss, the band is one standard deviation of the baseline over seeds."}, "image": {"alt": "Two dot plots side by side, accuracy and SCH differences for each arm including the four controls and captions, around zero lines with grey bands."}}
words = verdicts.about_words(study)
lico_figures.study(words, ["accuracy", "sch"])
plt.show()

# %% [markdown]
# The claim, which holds only if every comparison does. Its numbers are those of the
# weakest, which may be the one with the baseline:

# %%
ledger.answer(study, "language", "sch")

# %% [markdown]
# So look at each comparison alone:

# %%
language = functools.partial(ledger.parts_of_claim, name="language")
tables.show(records.of(study, language), digits=4)

# %% [markdown]
# On photographs a control is missing, the random tower, because fixed features have
# no tower: the claim as committed cannot be judged there, and its other comparisons
# are these:

# %%
tables.show(records.of(photographs, language), digits=4)

# %% [markdown]
# ### With matching that acts
#
# Exploratory rows, outside the paper's claims: what the network does when manifold
# matching certainly acts, and whether names then beat every control.

# %%
acting = records.recorded("03_training-active-controls")
ledger.answer(acting, "language (active)", "sch")

# %%
active = functools.partial(ledger.parts_of_claim, name="language (active)")
tables.show(records.of(acting, active), digits=4)

# %% [markdown]
# And against the baseline:

# %%
ledger.answer(study, "1 (active)")

# %%
ledger.answer(study, "2 (active)")

# %% [markdown]
# `stable` is `paper` with a bounded temperature; whether matching acted in it stands in
# its row above. Against the baseline:

# %%
stable = functools.partial(statements.table, statements=verdicts.STABLE)
tables.show(records.of(study, stable), digits=4)

# %% [markdown]
# ### With a sentence for each picture
#
# A name says little of a picture. A caption says more: do captions of the right
# pictures do more than names, and more than captions of other pictures?

# %%
ledger.answer(study, "captions", "sch")

# %%
captions = functools.partial(ledger.parts_of_claim, name="captions")
tables.show(records.of(study, captions), digits=4)

# %% [markdown]
# ## Does the sign depend on resolution?
#
# The same scenes at 32, 64 and 128 pixels, with maps of 4, 8 and 16 cells a side. A
# map of few cells cannot lie on an object as closely, in any arm; the question is
# whether the *difference* of two arms changes its sign. *CE, top-1* is the baseline
# there: the scenes were made for a range of .65 to .90, and where a size leaves it,
# networks of another skill are compared. Nor is an arm the same intervention where one
# of its losses acts at one size and is inert at another: the column *inert* tells.

# %%
small = records.recorded("03_training-32px")
large = records.recorded("03_training-128px")
by_size = scales.rows([study, small, large], "size")
tables.show(by_size)

# %% mystnb={"figure": {"name": "fig-09-size", "caption": "**Resolution.** Arm minus baseline over the side of the pictures, SCH left and top-1 right, with 95 % intervals over seeds. Only what is recorded is shown."}, "image": {"alt": "Two panels with error bars for LICO and each of its losses alone, over 32, 64 and 128 pixels, around a zero line."}}
ledger_figures.scales(by_size, "size", "pixels a side")
plt.show()

# %% [markdown]
# A sign counts as changed if intervals are clear of 0 on both sides:

# %%
tables.show(scales.signs(by_size, "size"))

# %% [markdown]
# ## Does it depend on how many pictures there are?
#
# A regulariser helps most where data are few. The same scenes with more training
# pictures:

# %%
more = records.recorded("03_training-2000")
by_count = scales.rows([study, more], "pictures")
tables.show(by_count)

# %% mystnb={"figure": {"name": "fig-09-pictures", "caption": "**Size of the training set.** As {numref}`fig-09-size`, over the number of training pictures."}, "image": {"alt": "Two panels with error bars for LICO and each of its losses alone, over the number of training pictures, around a zero line."}}
ledger_figures.scales(by_count, "pictures", "training pictures")
plt.show()

# %% [markdown]
# And the signs:

# %%
tables.show(scales.signs(by_count, "pictures"))

# %% [markdown]
# ## Does it depend on the learning rate?
#
# All arms share one rate, and {doc}`03_training` shows which of them another suits
# better. So here are the losses and the baseline once more, all of them with a rate of
# twice the size, where that is recorded. A baseline above .90 leaves the range that the
# scenes were made for; the column *CE, top-1* tells.

# %%
faster = records.recorded("03_training-rate-06-losses")
by_rate = scales.rows([study, faster], "lr")
tables.show(by_rate)

# %% mystnb={"figure": {"name": "fig-09-rate", "caption": "**Learning rate.** As {numref}`fig-09-size`, over the learning rate that all arms share."}, "image": {"alt": "Two panels with error bars for LICO and each of its losses alone, over the learning rate, around a zero line."}}
ledger_figures.scales(by_rate, "lr", "learning rate")
plt.show()

# %% [markdown]
# And the signs:

# %%
tables.show(scales.signs(by_rate, "lr"))

# %% [markdown]
# ## Everything else
#
# SES, MOSU, insertion and deletion are secondary: corrected after Holm, and the last
# two only where three versions of the score agree: raw, relative to the full picture's
# probability, and on pictures that both networks get right. None of them decides unless
# the trial above admitted it. A is `lico`, B is `ce`, and A - B is raw: of MOSU and of
# deletion less is better.

# %%
tables.show(records.of(study, secondary.table), digits=4)

# %% [markdown]
# On photographs:

# %%
tables.show(records.of(photographs, secondary.table), digits=4)

# %% [markdown]
# ## What deviates, and why
#
# - The study's pictures are scenes and its language is planted. A ledger cell of
#   another kind of language is another cell: nothing is pooled across.
# - Published numbers keep what their codes do: of {cite:t}`bartak2024lico`, most class
#   names of CIFAR-100 stand beside labels of other classes, and CGC is tested there on
#   pictures scaled in another way than those it learnt from. Whether the printed runs
#   of {cite:t}`fletcher2024lico` had the sorted names of its code is not known.
# - With fixed features of names there is one text token, so transport has no choice of
#   where mass goes: on photographs `ot` is a loss of distances.
# - The rule asks more of itself than the published tables could give: under it, three
#   runs are never enough, and a single run has no test at all.
# - The paper's own numbers are in none of the documents that this book quotes in full;
#   its column says what is claimed, and the response's numbers stand for its authors'.
# - All arms share one learning rate. {doc}`03_training` shows which of them another
#   rate suits better; losses are compared at two rates above, every other arm at one.
# - Passes over the pictures are fewer where there are more of them, so that all arms
#   are trained out with a similar number of steps; the table of that section says how
#   many.
# - The runs of this page have no CGC and no controls unless `variants` asks for them.

# %% [markdown]
# ## Exercises
#
# ```{exercise} How many seeds?
# :label: ex-09-seeds
#
# Take the standard deviation of the accuracy differences of each claim. How many seeds
# make the claim's margin visible: half a point, or half of the baseline's standard
# deviation where a gain is claimed and that is more?
# ```

# %% [markdown]
# ```{solution-start} ex-09-seeds
# :label: sol-09-seeds
# :class: dropdown
# ```

# %% tags=["solution"]
for claim, found in ledger.claim_verdicts(study or summary):
    if found.metric == "accuracy":
        needed = ledger.seeds_needed(found)
        print(f"{claim.name}: SD {found.sd:.4f}, seeds needed: {needed}")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} An interval that holds zero
# :label: ex-09-zero
#
# A table reports LICO at 0.816 and the baseline at 0.822, each the mean of three runs.
# Which two sentences may be written under it, and which may not?
# ```
#
# ````{solution} ex-09-zero
# :label: sol-09-zero
# :class: dropdown
#
# "The difference is within what seeds alone produce" and "three runs could not have
# shown a smaller difference than so many points" may be written, with the interval.
# "LICO costs accuracy" and "LICO makes no difference" may not: the first needs an
# interval below zero, the second one inside the margin.
# ````

# %% [markdown]
# ## Take away
#
# - A claim has an answer only if there was an intervention, the networks were trained
#   out, the seeds could have shown the margin, and the metric passed its trial.
# - "Undecided" is not "no difference": the ledger prints what would be needed.
# - Language helped only if it beats every control that knows no words.
# - A cell of the ledger is a claim, a metric, a data set and a kind of language; what
#   holds in one is a question in the next.
#
# ## Provenance
#
# What the runs of this page were made with, and the records:

# %% tags=["hide-input"]
pd.DataFrame(
    {"arm": name, "seed": run.settings.seed, **records.origin(run.provenance)}
    for name, runs in arms.items()
    for run in runs
).pipe(tables.show)

# %% tags=["hide-input"]
made = {"study": study, "photographs": photographs, "more pictures": more}
made |= {"32 px": small, "128 px": large, "active controls": acting}
tables.show(verdicts.origins(made))
