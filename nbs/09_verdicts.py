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
# - tell apart "no difference" and "could not have seen one";
# - ask the question of the title: did *words* help, or would anything have?
#
# *Reading: 20 minutes. Running: 1 minute once the runs exist, about 12 from nothing,
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
seeds: list[int] = [1, 2, 3]  # training seeds of ce and lico
device: str = "cpu"  # cpu, cuda, cuda:1, mps
few_seeds: list[int] = [1]  # training seeds of the other arms
variants: list[str] = ["losses"]  # arms or groups
alpha: float = 10.0  # weight of manifold matching
beta: float = 1.0  # weight of optimal transport
hidden: int = 512  # width of the projection h_psi
n_ctx: int = 12  # learnable tokens of a prompt
epsilon: float = 0.1  # entropy of the transport plan
language: str = "tiny-clip"  # tiny-clip, open-clip:MODEL/TAG, file:PATH
text_width: int = 512  # width of the features of file:PATH

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import pandas as pd

from helpers.chapters import verdicts
from helpers.report import arms as tables_of
from helpers.report import figures, ledger, lico_figures, records, tables

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
study = records.load("03_training-study")

# %% [markdown]
# ## The rule
#
# A claim says that one side is better than another, on one metric. For each training
# seed $s$ the difference $d_s$ is a mean over test pictures; over seeds it has a $t$
# interval,
#
# $$ \bar d \pm t_{n-1} \frac{\operatorname{SD}(d_s)}{\sqrt n}, $$ (eq-09-interval)
#
# and the interval is held against a margin. Four answers are possible: *supported*,
# *contradicted*, *no relevant difference*, *undecided*. The last is given whenever a
# run is still learning, a loss was {term}`inert <inert arm>`, there are fewer than
# five seeds, or the smallest effect that the seeds could have shown exceeds the
# margin ({doc}`00_laboratory`).
#
# The claims were written down with their metrics and margins before any run that
# they judge:

# %%
tables.show(ledger.claims())

# %% [markdown]
# ## What was published, and what came out here
#
# LICO minus baseline. Published differences have an interval where their source
# prints a standard deviation (Welch, 95 %); a single run allows no test. The rows of
# this book carry the kind of their language: *planted* means scenes with a tiny CLIP
# of their own, so they speak of the mechanism and not of photographs.

# %%
sources = {"this page": summary, "this book's study": study}
rows = ledger.side_by_side(sources)
tables.show(rows)

# %% mystnb={"figure": {"name": "fig-09-accuracy", "caption": "**Claim 2, accuracy.** LICO minus baseline by source. Lines are 95 % intervals over seeds, open circles single values, the band the margin."}, "image": {"alt": "Forest plot of accuracy differences between LICO and baseline: one row a source and data set, with intervals where they exist and a grey band around zero."}}
lico_figures.forest(rows, "accuracy")
plt.show()

# %% [markdown]
# The same for claim 1. SCH is the share of saliency that lies on the object;
# insertion is what the paper and the response report.

# %% mystnb={"figure": {"name": "fig-09-sch", "caption": "**Claim 1, saliency on the object.** As {numref}`fig-09-accuracy`, for SCH with Grad-CAM."}, "image": {"alt": "Forest plot of SCH differences between LICO and baseline, one row a source and data set."}}
lico_figures.forest(rows, "sch")
plt.show()

# %% mystnb={"figure": {"name": "fig-09-insertion", "caption": "**Claim 1, insertion.** As {numref}`fig-09-accuracy`, for insertion with Grad-CAM."}, "image": {"alt": "Forest plot of insertion differences between LICO and baseline, one row a source and data set."}}
lico_figures.forest(rows, "insertion")
plt.show()

# %% [markdown]
# ## Was there an intervention?
#
# An arm in which a loss did not act cannot speak for that loss. The guard looks at
# the loss's gradient on the feature maps, and at the mass that the affinities put on
# other pictures.

# %%
tables.show(tables_of.interventions(study), digits=4)

# %% [markdown]
# Read the column `inert` before anything below: a claim about manifold matching in
# an arm where matching was inert has no answer, whatever its numbers. For that
# reason the arm `active` is there: no picture is its own neighbour, and the
# temperature cannot move.

# %% [markdown]
# ## The ledger
#
# Each committed claim, by the study. `smallest effect` is what five seeds could have
# shown with a power of 80 %; `seeds needed` is how many would bring it down to the
# margin, if the spread stays as it is.

# %%
judged = ledger.claim_verdicts(study)
tables.show(ledger.table(judged), digits=4)

# %% [markdown]
# And by the runs of this page:

# %%
tables.show(ledger.table(ledger.claim_verdicts(summary)), digits=4)

# %% [markdown]
# The verdicts of the study in full, with all that each must print. Claim 1:

# %%
ledger.of_claim(judged, "1")

# %% [markdown]
# Claim 2, not worse by more than the margin:

# %%
ledger.of_claim(judged, "2")

# %% [markdown]
# Claim 2, better:

# %%
ledger.of_claim(judged, "2 (gain)")

# %% [markdown]
# Claim 3, both losses are needed, on accuracy:

# %%
ledger.of_claim(judged, "3", "accuracy")

# %% [markdown]
# ## Did words help?
#
# If LICO with the right names does no better than with permuted names, with a tower
# of random weights, with random vectors or with one axis a class, then whatever
# moved, it was not language. The study holds five seeds of each control:

# %%
tables.show(tables_of.accuracy(study))

# %% mystnb={"figure": {"name": "fig-09-controls", "caption": "**Language against its controls.** Accuracy and SCH of each arm of the study minus the baseline of the same seed; the band is one standard deviation of the baseline over seeds."}, "image": {"alt": "Two dot plots side by side, accuracy and SCH differences for each arm including the four controls, around zero lines with grey bands."}}
lico_figures.against_baseline(
    tables_of.differences(study, ["sch"]),
    tables_of.seed_to_seed(study, ["sch"]),
    ["accuracy", "sch"],
)
plt.show()

# %% [markdown]
# The claim, which holds only if every comparison does:

# %%
ledger.of_claim(judged, "language")

# %% [markdown]
# And each comparison alone:

# %%
tables.show(ledger.parts_of_claim(study, "language"), digits=4)

# %% [markdown]
# ## With matching that acts
#
# An exploratory row, outside the paper's claims: what the network does when manifold
# matching certainly acts.

# %%
ledger.of_claim(judged, "2 (active)")

# %%
ledger.of_claim(judged, "1 (active)")

# %% [markdown]
# ## Everything else
#
# SES, MOSU, insertion and deletion are secondary: corrected after Holm, and the
# last two only where three versions of the score agree. Which metrics order networks
# whose order is known, and so may judge at all, is shown in {doc}`05_metrics`; the
# rows of one that fails there are numbers, not answers.

# %%
pd.DataFrame(
    {"metric": found.metric, "verdict": found.label, "A - B": found.estimate}
    for found in ledger.secondary_verdicts(study)
).pipe(tables.show, digits=4)

# %% [markdown]
# ## What deviates, and why
#
# - The study's pictures are scenes and its language is planted. A ledger cell of
#   another kind of language is another cell: nothing is pooled across.
# - The rule asks more of itself than the published tables could give: under it, three
#   runs are never enough, and a single run has no test at all.
# - CGC, with which the paper compares LICO, is not among the arms of this page.

# %% [markdown]
# ## Exercises
#
# ```{exercise} How many seeds?
# :label: ex-09-seeds
#
# Take the standard deviation of the accuracy differences from the ledger. How many
# seeds make half a point visible?
# ```

# %% [markdown]
# ```{solution-start} ex-09-seeds
# :label: sol-09-seeds
# :class: dropdown
# ```

# %% tags=["solution"]
for claim, found in judged:
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
#   out, and the seeds could have shown the margin.
# - "Undecided" is not "no difference": the ledger prints what would be needed.
# - Language helped only if it beats every control that knows no words.
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
kept = study["provenance"]
pd.DataFrame(
    [(name, str(kept[name])) for name in ("commit", "date", "device")],
    columns=["of the study", "value"],
).pipe(tables.show)
