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
# # One table for all answers
#
# :::{admonition} In this chapter
# :class: tip
# - put every answer of this book on the same pictures, under the same metrics, with
#   what it costs;
# - hold each answer that uses words against the same answer with words that say
#   nothing, and against a baseline that has none;
# - ask first which of the metrics may judge at all;
# - read the answer to the title's question off a rule that was written down before.
#
# *Reading: 20 minutes. Running: 1 minute once the runs of {doc}`03_training` and
# {doc}`00_laboratory` exist, about 7 from nothing, on two cores.*
# :::
#
# Thirteen chapters have asked one question in different ways: *does language make image
# classifiers explainable?* LICO lets words shape the training. LaViSE puts words to
# filters that are already there. CLIP was trained with nothing but words. Beside them
# stand answers that need none: CGC, and heads that are trained anew.
#
# :::{admonition} Claim — {cite:t}`lei2023lico`, as stated by {cite:t}`bartak2024lico`, section 2
# :class: claim
# > By matching the manifolds of visual and text embeddings, the semantic information
# > from the pretrained text encoder can guide the image classification model to focus
# > on distinguishing features of objects. As a result, the explanations for model
# > decisions are more consistent with human expectations [...].
# :::
#
# Here all of them explain the same pictures.

# %% [markdown]
# ## Parameters
#
# `variants` are the rows that are runs of {doc}`03_training`. The profile `study` has
# all of them with five seeds; a page with fewer takes the others from that chapter's
# record, where it has them.

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
variants: list[str] = [
    "lico",
    "active",
]  # rows that are runs of chapter 03
judged: int = 48  # test pictures that are scored
areas: int = 8  # of them with insertion and deletion
grids: int = 24  # grids of 2 x 2 pictures
cue: float = 0.9  # class-background correlation of the assay
assayed: int = 256  # test pictures of the assay, 0: none
assay_areas: int = 4  # of them with insertion, deletion
assay_grids: int = 64  # grids of the assay
head_epochs: int = 24  # passes over features, a head
bcos_head: str = "B-cos-1"  # B-cos-1, B-cos-2, B-cos-3
taught: int = 300  # pictures that teach an explainer
validated: int = 60  # pictures that choose its epoch
named: int = 200  # pictures in which filters are explained
passes: int = 20  # epochs of an explainer
fitted: int = 128  # pictures that train a projection
fit_epochs: int = 12  # of a projection
encoder_pictures: int = 300  # pictures of the encoder without labels
encoder_epochs: int = 4  # its epochs

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import pandas as pd

from helpers.chapters import (
    answers,
    answers_rows,
    answers_tables,
    answers_title,
    answers_verdicts,
    metric_arms,
)
from helpers.measure import consistency
from helpers.report import answers_figures, figures, records, tables

figures.theme()

# %% [markdown]
# The parameters are checked before anything is loaded.

# %% tags=["hide-input"]
chapter = answers.Answers.of(
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
    variants=variants,
    judged=judged,
    areas=areas,
    grids=grids,
    cue=cue,
    assayed=assayed,
    assay_areas=assay_areas,
    assay_grids=assay_grids,
    head_epochs=head_epochs,
    bcos_head=bcos_head,
    taught=taught,
    validated=validated,
    named=named,
    passes=passes,
    fitted=fitted,
    fit_epochs=fit_epochs,
    encoder_pictures=encoder_pictures,
    encoder_epochs=encoder_epochs,
)

# %%
arms = chapter.trained()
pd.DataFrame(
    {"run": name, "seeds": len(runs), "first folder": runs[0].folder.name}
    for name, runs in arms.items()
).pipe(tables.show)

# %% [markdown]
# ## The rows
#
# An answer is a network that names classes and a way to make a map of a class. Each
# answer that uses words has {term}`twins <twin>`: the same training, or the same reading, with words
# that say nothing of the pictures. LICO's are class names in another order, a tower of
# random weights, random vectors and one axis a class; those of named filters are words of other objects; those
# of CLIP are captions of other pictures. What an answer gains over its twins it owes to
# what the words mean. What it gains over the baseline, a reader would gain by using it.
# Words that help must do both.

# %%
tables.show(answers_rows.overview())

# %% [markdown]
# Two rows are new here. *Named filters* turn the words of {doc}`10_lavise` into a map.
# With $F_u$ the map of filter $u$, $W_u$ its ten words and $N_c$ the words of class
# $c$,
#
# $$ H_c = \max\Bigl(0, \sum_{u:\, W_u \cap N_c \neq \emptyset} F_u\Bigr), $$ (eq-13-filters)
#
# enlarged to the picture. A class whose words no filter carries has an empty map; these
# are counted, and score 0 where a share is asked for. And *CLIP's own map* of
# {doc}`12_eclip` here stands beside a twin, the CLIP of {doc}`00_laboratory` whose
# captions were shuffled.
#
# Insertion and deletion need a network to ask. Of named filters it is the baseline, of
# both CLIP maps the CLIP as a classifier of class names. Masked max pooling leaves that
# classifier as it is.

# %% [markdown]
# ## The rules, before any result
#
# Let $\bar A(w)$ be the mean score of an answer with words, $\bar A(w')$ that of a twin
# and $\bar A(0)$ the baseline's. Words help by a metric if
#
# $$
# \begin{aligned}
# \bar A(w) &> \bar A(0) \quad \text{and} \\
# \bar A(w) &> \bar A(w'),
# \end{aligned}
# $$ (eq-13-words)
#
# the second for every twin $w'$; each is a comparison of its own by the rule of
# {doc}`00_laboratory`: an interval over training seeds, held against a margin that was
# fixed before. All must hold together, which needs no correction; that *some* answer
# does is asked of several answers, which needs one
# ({term}`Holm's <Holm's correction>`). The {term}`endpoint` is SCH. The other six are
# secondary, and corrected together over all answers. Accuracy is the price: it may fall
# by the margin at most.
#
# So the title's question is answered, by each metric: *supported* if words help in one
# answer or more; *contradicted* if they are contradicted in every one; *no relevant
# difference* if each answer has one of these two outcomes; else *undecided*.

# %%
tables.show(answers_verdicts.rules())

# %% [markdown]
# An answer is barred from a verdict where one of its losses was
# {term}`inert <inert arm>`, where a network or the CLIP was still learning, where the
# CLIP names too few scenes of one object right, and where the {term}`free attention` of masked max pooling
# finds objects no better than chance.

# %% [markdown]
# ## Which metrics may judge
#
# A metric judges only if it orders networks whose order is known: the trial of
# {doc}`05_metrics`, with Grad-CAM, on the networks of this page. A metric that fails is
# shown in every table, and carries no answer.

# %%
trial = chapter.assay(arms)

# %%
shown, known = chapter.bench(), chapter.material()
every = range(len(seeds))
found = [chapter.asked(arms, at, shown, known) for at in every]
summary = chapter.told(found, trial)
tables.show(answers_verdicts.admitted(summary))

# %% [markdown]
# The trial was made with Grad-CAM. With maps of another kind a metric can fail where it
# passes here: for CLIP there is no pair of networks of known order on this page.

# %% [markdown]
# ## The same pictures, every answer
#
# Maps of the true class on the first test pictures. Look for three things: whether a
# map lies on the object, whether it is the same on every picture, and whether it covers
# everything a little.

# %% mystnb={"figure": {"name": "fig-13-maps", "caption": "**One row an answer.** The first test pictures, and each answer's map of the true class, from 0 to its own largest value."}, "image": {"alt": "Six test pictures in a row; below them rows of heat maps over their grey versions, one row for each answer of the table."}}
drawn = ("ce", "lico", "bce-probed", "filters", "clip", "masked-max")
kept = {
    answers_rows.ROWS[name].title.replace(" ", "\n"): found[0].maps[name][:6]
    for name in drawn
    if name in found[0].maps
}
names = [shown.pictures.class_names[k] for k in shown.pictures.labels[:6]]
figures.overlays(shown.pictures.images[:6], kept, names).set_figheight(7.4)
plt.show()

# %% [markdown]
# ## The one table
#
# A cell is a mean with half of its 95 % interval: over training seeds where there are
# several, over pictures where there is one. The last rows know nothing of the picture,
# or all of it; they were tried on the baseline. Their insertion and deletion say how
# much of these two belongs to a network whatever the map.

# %%
tables.show(answers_tables.whole(summary))

# %% [markdown]
# Some columns need a word. *Less area* takes away what a uniform map has, *SES less
# chance* what another picture's map would have had; *Gini* says how far a map gathers,
# wherever. *MOSU* is not to be read without SCH: a uniform map has
# the best MOSU there is. And *contrast* is there for the maps of CLIP. They are scaled
# to reach from 0 to 1 in every picture, so they lie on a pedestal, which SCH and EPG add
# up as if it were saliency; the difference of object and rest does not see it.
#
# ### Rows of the study of chapter 03
#
# CGC and LICO's twins take minutes to train, and are not trained for this page unless
# `variants` asks for them. What the committed study says of them and of LICO, on all
# test pictures, below its own baseline, if its networks were trained as this page's. The
# figure further down has these numbers as diamonds:

# %%
recorded = records.recorded(metric_arms.STUDY)
elsewhere = answers_tables.comparable(recorded, summary)
tables.show(answers_tables.of_chapter_03(elsewhere, summary))

# %% [markdown]
# ## What each costs
#
# {term}`Top-1 <top-1>` on all test pictures, of a CLIP by the names of the classes (the scenes of its own
# check in {doc}`00_laboratory` are others), milliseconds for a map, and seconds of training: of the
# network, of the CLIP or the explainer that it needs, and of a head. What was trained
# before and only loaded counts with the time that it took then; of masked max pooling
# the encoder does not count. The tiny CLIP saw `clip_pictures` scenes with
# captions, the classifiers `pictures` with labels; and it gives a map by reading a
# picture many times, moved a little.

# %%
tables.show(answers_tables.costs(summary), digits=2)

# %% [markdown]
# ## Did words help?
#
# The figure holds each answer against its twins and against the baseline, on the
# endpoint. It shows the committed study of this chapter where there is one, else this
# page. Rows with twins in the study of {doc}`03_training` alone are drawn from there.

# %% mystnb={"figure": {"name": "fig-13-words", "caption": "**Did words help?** A dot is the share of an answer's maps that lies on the object, with its 95 % interval over training seeds, or over pictures where there is one seed. A filled blue dot right of the hollow dots below it: words did better than the same answer with words that say nothing. Right of the orange line: better than the baseline, which never saw a word. The title counts each of the two, by the margin that was fixed before the runs; that is what the dots show. At the right stand top-1 and, from intervals, the verdict on one claim, *words help*: ahead of both. It is *contradicted* if the answer is behind one of them. *Inert*: a loss for words did not act, so nothing is said of words, whatever else the method changed; *under-trained*: a network was still learning. A twin that names few pictures right may be behind for that alone. Grey lines are maps that know nothing of the picture and, at the right, a map of the object in as few cells. A diamond, where there is one, is of the study of chapter 03 and held against its own baseline."}, "image": {"alt": "Dot plot with one row an answer in groups: each answer with words as a filled blue dot above its hollow twins, then answers without words in orange, with vertical lines for the baseline and for reference maps, and at the right top-1 and the verdict."}}
study = records.recorded(answers.STUDY)
best = study or summary
answers_figures.with_and_without(
    answers_tables.for_figure(best, elsewhere),
    answers_tables.lines_for_figure(best),
    "SCH: share of the map on the object (higher is better)",
    answers_tables.message(best, elsewhere),
)
plt.show()

# %% [markdown]
# ### By the endpoint
#
# Each comparison, and what holds of all of a row's rivals together:

# %%
tables.show(answers_verdicts.comparisons(summary))

# %% [markdown]
# ### By the other metrics
#
# How far each answer lies ahead, in the direction that the metric calls better; a minus
# is behind:

# %% tags=["hide-output"]
tables.show(answers_verdicts.secondary(summary))

# %% [markdown]
# ### What words cost in accuracy
#
# The claim is that an answer is at most the margin behind the baseline:

# %%
tables.show(answers_verdicts.prices(summary))

# %% [markdown]
# ### The best without words
#
# For a reader who wants maps that point, whatever their origin: of the rows made for
# this page, the best without words by each metric, beside the best with them. Twins count among those without; a
# twin that wins says that the metric rewards something besides knowledge.

# %%
tables.show(answers_verdicts.best_without(summary))

# %% [markdown]
# ## The answer
#
# By each metric, from this page:

# %%
tables.show(answers_title.every_metric(summary))

# %% [markdown]
# And from the committed study of five seeds, with every control trained on the same
# pictures:

# %%
tables.show(records.of(study, answers_title.every_metric))

# %% [markdown]
# Its table and its comparisons:

# %% tags=["hide-output"]
tables.show(records.of(study, answers_tables.whole))

# %% tags=["hide-output"]
tables.show(records.of(study, answers_verdicts.comparisons))

# %% [markdown]
# Its best rows:

# %%
tables.show(records.of(study, answers_verdicts.best_without))

# %% [markdown]
# The question of the title, by the endpoint, from the study where there is one and else
# from this page:

# %% tags=["answer"]
answers_title.title_answer(best)

# %% [markdown]
# ## What deviates, and why
#
# - The rows are equal in pictures and metrics, not in what they were trained with. The
#   tiny CLIP saw scenes with captions; the classifiers saw fewer pictures with labels.
#   A twin has its row's training, so it is the fair rival; the baseline is the useful
#   one.
# - Grids are of any test pictures, also of those that a network names wrongly, as all
#   other scores are. {doc}`11_probing` keeps to pictures that all heads name right: a
#   row's GridPG here is lower than there.
# - The tower of the tiny CLIP takes pictures of one size. Its grids are read cell by
#   cell and scaled as a whole, so no cell sees another.
# - LaViSE names filters, it does not map classes. That sum of filters is this book's
#   test of its words, not a method that its authors proposed.
# - Whether masked max pooling owes anything to its mask is asked in {doc}`12_eclip`; its
#   twin here is about words alone.
# - Whether a probed head was still learning is not asked, only whether its network was;
#   each head's rate was chosen by validation accuracy.
# - An answer is judged by maps of the true class. What a map of a wrong class says is
#   part of GridPG only.

# %% [markdown]
# ## Exercises
#
# ```{exercise} A pedestal
# :label: ex-13-pedestal
#
# Take one half from the maps of CLIP, and what is negative then to 0. What becomes of
# their SCH? And of the baseline's, whose maps begin at 0 anyway?
# ```

# %% [markdown]
# ```{solution-start} ex-13-pedestal
# :label: sol-13-pedestal
# :class: dropdown
# ```

# %% tags=["solution"]
masks = shown.pictures.masks[: len(found[0].maps["ce"])]
for name in ("ce", "clip", "clip-shuffled"):
    own = found[0].maps[name]
    own = own / own.amax((1, 2), keepdim=True).clamp_min(1e-12)
    for taken in (0.0, 0.5):
        share = consistency.sch((own - taken).relu(), masks)
        print(f"{name}, {taken} taken away: SCH {share.nanmean():.3f}")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} One of five
# :label: ex-13-holm
#
# Suppose that words help in no answer, and that each of five answers is tested by
# itself, so that it is called "supported" in 2.5 % of studies. In how many studies is at
# least one of them supported, if they are independent? What does Holm's correction do?
# ```
#
# ````{solution} ex-13-holm
# :label: sol-13-holm
# :class: dropdown
#
# In $1 - .975^5$, about 12 % of them. Holm's correction holds the smallest of the five
# p values against a fifth of the level, the next against a quarter, and so on, so that
# the chance of any false "supported" stays at the level. It does not ask for
# independence.
# ````

# %% [markdown]
# ```{exercise} Which twin?
# :label: ex-13-twin
#
# Someone trains a classifier with the captions of its pictures as a second target and
# finds better maps than the baseline's. Name two twins that the result should be held
# against, and what each would rule out.
# ```
#
# ````{solution} ex-13-twin
# :label: sol-13-twin
# :class: dropdown
#
# The same training with captions of other pictures rules out that a second target helps
# whatever it says: it regularises. The same with one random vector a class in the place
# of a caption rules out that it is enough to tell classes apart once more. If captions
# tell how many objects there are, and where, a third twin would keep this and drop the
# names.
# ````

# %% [markdown]
# ## Take away
#
# - An answer with words needs two rivals: a baseline without any, and itself with words
#   that say nothing. To beat one of them is not enough.
# - The same table for all answers shows what single papers cannot: which of them a
#   reader should use, and what it costs.
# - A metric that cannot order what is known has no voice here, however often it is
#   reported.
# - Which answers need no words at all, and how good they are, belongs in every paper
#   on words.
#
# ## Provenance
#
# What the runs of this page were made with, and the records:

# %% tags=["hide-input"]
pd.DataFrame(
    {"arm": arm, "seed": run.settings.seed, **records.origin(run.provenance)}
    for arm, runs in arms.items()
    for run in runs
).pipe(tables.show)
