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
# # LaViSE: words for filters
#
# :::{admonition} In this chapter
# :class: tip
# - teach a small network what masked objects are called, on a network that stays as it
#   is, and read what its single filters see in words;
# - put every recall between its floors, chance and the most frequent words among them,
#   and its ceiling, a perfect explainer;
# - test three published claims on all filters of a layer, each against its controls;
# - see which way the defects of the published programs move the numbers;
# - ask what nobody asked: are the filters of networks trained with language easier to
#   name?
#
# *Reading: 30 minutes. Running: 1 minute once the runs of {doc}`03_training` exist,
# about 7 from nothing, on two cores.*
# :::
#
# LICO ties a network to language while it is trained. {cite:t}`yang2022lavise` leave
# the network alone: LaViSE learns afterwards to say in words what each of its filters
# looks at. {cite:t}`buis2023lavise` reproduced it and state three claims:
#
# :::{admonition} Claims — {cite:t}`buis2023lavise`, section 2
# :class: claim
# > 1\. The proposed framework creates an accurate mapping between the visual and
# > semantic space by using generic object detection datasets.
# >
# > 2\. The proposed framework can generate novel descriptions for learned filters
# > beyond the categories defined in the reference dataset.
# >
# > 3\. The proposed framework can analyze any trained CNN, regardless of whether or not
# > the original training data is available.
# :::

# %% [markdown]
# ## Parameters
#
# The networks are those of {doc}`03_training`. The *reference data* are other pictures:
# scenes of several classes with a box an object, or your own, as `reference=coco:PATH`
# (COCO's layout, {cite:t}`lin2014coco`) or `reference=vg:PATH` (Visual Genome's,
# {cite:t}`krishna2017vg`). Word vectors are learned from a text of the scenes' own, or
# read from a text file of GloVe {cite}`pennington2014glove` by `vectors=file:PATH`.

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
variants: list[str] = ["losses"]  # arms or groups
reference: str = "mixed"  # mixed, scenes, coco:PATH, vg:PATH
vectors: str = "own"  # own, or file:PATH of GloVe's text
taught: int = 700  # pictures that teach an explainer
validated: int = 150  # pictures that choose its epoch
named: int = 400  # pictures in which filters are explained
passes: int = 20  # epochs of an explainer
top: int = 25  # pictures of a filter, p
attention: str = "scalar"  # scalar, elementwise, none, activation
held_out: float = 0.3  # share of the categories that claim 2 holds out
earlier: str = "blocks.2"  # another layer, by its name
alexnet_epochs: int = 0  # of an AlexNet-like network, 0: none
extractor: str = "none"  # none, or NETWORK:FILE for photographs

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import pandas as pd

from helpers.chapters import (
    lavise,
    lavise_novel,
    lavise_switches,
    lavise_views,
)
from helpers.report import (
    figures,
    lavise_figures,
    lavise_published,
    naming_answers,
    records,
    tables,
)

figures.theme()

# %% [markdown]
# The parameters are checked before anything is loaded.

# %% tags=["hide-input"]
chapter = lavise.Lavise.of(
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
    reference=reference,
    vectors=vectors,
    taught=taught,
    validated=validated,
    named=named,
    passes=passes,
    top=top,
    attention=attention,
    held_out=held_out,
    earlier=earlier,
    alexnet_epochs=alexnet_epochs,
    extractor=extractor,
)

# %% [markdown]
# ## What it needs: outlined objects and word vectors
#
# Reference data are pictures in which objects are outlined and named. No network saw
# these pictures in training. In the scenes an outline is a box, as in Visual Genome,
# so that it holds some background too.

# %% mystnb={"figure": {"name": "fig-10-reference", "caption": "**Reference pictures** and the names of their objects."}, "image": {"alt": "Six small pictures with one to four drawn objects each, and the names of the objects above them."}}
known = chapter.material()
shown, titles = lavise_views.examples(known, 6)
figures.picture_grid(shown, titles)
plt.show()

# %% [markdown]
# Names are split into words that each have a vector; *of* in *ace of spades* names
# nothing and is left out. The vectors of the scenes' words come from a text written for
# this book, which has no picture behind it: the words of classes, their bent forms and
# synonyms, what is said of the classes, and words of other worlds. From how often words
# stand together, as positive pointwise mutual information of a smoothed context, with
# its largest singular vectors {cite}`levy2014ppmi`, come vectors in which words for the
# same lie close together:

# %%
third = len(known.words) // 3
some = [known.words[place] for place in (0, third, 2 * third)]
print(f"{len(known.words)} category words of {len(known.raw.words)} in all")
tables.show(lavise_views.neighbours(known, some, 6))

# %% [markdown]
# Keep these neighbours in mind when claim 2 is tested: a bent form of a category is
# near it by construction.
#
# How much reference data there is, counted as in table 1 of {cite:t}`buis2023lavise`.
# Theirs: 117 thousand training pictures of COCO and 92 category words, 93 thousand
# pictures of Visual Genome and 1,128.

# %%
tables.show(chapter.table_1(known), digits=2)

# %% [markdown]
# ## Teaching the explainer
#
# Let $F_k$ be the maps of a picture, $k = 1, \dots, d$, of a layer of the frozen
# network, and $M'_j$ the mask of object $j$, reduced to the cells of the maps. The
# explainer reads the masked maps, pooled to a number a filter, and gives a vector:
#
# $$
# \begin{aligned}
# z_k &= \operatorname{mean}_{x, y} \bigl( F_k(x, y)\, M'_j(x, y) \bigr), \\
# \hat v &= \mathrm{Exp}(z_1, \dots, z_d) \in \mathbb R^E .
# \end{aligned}
# $$ (eq-10-explainer)
#
# It is taught to bring $\hat v$ nearer to the vector $v_t$ of the object's word than to
# those of all other categories. With $s_c = \cos(\hat v, v_c)$, $P$ the words of the
# object's name, and $s_+$ the mean of $s_c$ over them, the *filter ranking loss* is
#
# $$
# L = \sum_{c \notin P} \max(0,\; 1 - s_+ + s_c) .
# $$ (eq-10-ranking)
#
# {cite:t}`buis2023lavise` print a dot product in place of the cosine. Both programs,
# YuYang0901/LaViSE at `c16a9d1` and ErikBuis/FACT2023 at `da71dfb`, take the cosine,
# and so does this page: with the dot product, longer vectors are rewarded without
# bound.
#
# As the network is frozen, its maps are computed once, and what the explainer reads of
# an object is a row of a table. Teaching takes seconds.

# %%
arms = chapter.trained()
run = arms[lavise.BASELINE][0]
first = chapter.measured(arms, 0, known)
one = first.bench
history = one.taught.history.iloc[[0, len(one.taught.history) // 2, -1]]
tables.show(history)

# %% [markdown]
# `first` holds all that this page asks of the networks of the first seed. The weights
# kept are those of the epoch with the least validation loss; under that rule
# {cite:t}`buis2023lavise` write of their *highest* validation loss "after the last
# training epoch", where the lowest must be meant.
#
# ### How large is it?
#
# > In addition, batch normalization and dropout (p = 0.1) are applied before each
# > linear layer. Moreover, when there are *d* filters, the feature explainer will have
# > $d^2 + 303d + 900$ parameters. {cite}`buis2023lavise`, section 4.1
#
# The two sentences cannot both hold. A normalisation of $d$ numbers before either
# linear layer gives
#
# $$
# \underbrace{2d}_{\text{norm}} + \underbrace{d^2 + d}_{\text{linear}}
# + \underbrace{2d}_{\text{norm}} + \underbrace{300d + 300}_{\text{linear}}
# = d^2 + 305d + 300 ,
# $$ (eq-10-size)
#
# and it takes a second normalisation of the 300 numbers *after* the last layer to get
# the printed formula. Counted in the networks themselves:

# %%
width = known.categories.shape[1]
tables.show(lavise_switches.sizes(one.rows.inputs.shape[1], width))

# %% [markdown]
# Both programs build the first. AlexNet's pooling leaves 6 x 6 cells, which are
# flattened: its explainer reads all 9,216 numbers and keeps positions, where those of
# the ResNets read one number a filter. The rows of the published tables are not alike
# in that.
#
# ### What the loss wants
#
# A hinge rests only where $s_+$ exceeds $s_c$ by 1, far for two cosines. While all
# hinges act, the loss is linear in the direction of $\hat v$, and its least value can be
# written down. With $u_c = v_c / \lVert v_c \rVert$,
#
# $$
# v^* \propto u_t - \frac1C \sum_{c=1}^{C} u_c .
# $$ (eq-10-optimum)
#
# So the loss does not draw $\hat v$ to the word $u_t$, but to what sets it apart from
# the mean category. How near do the vectors of validation objects come to either, and
# how many hinges act?

# %%
tables.show(chapter.optimum(first, known))

# %% [markdown]
# Two things follow. Words should be looked up about the mean of the categories as well
# as raw: here both are done, and called the *raw* vocabulary, which is the published
# one, and the *centred*. And the recall of a *perfect* explainer can be computed before
# any is taught, by looking up $v^*$ itself. That is the *oracle*, the ceiling of every
# number below.
#
# ## From a filter to words
#
# To explain filter $u$, take the $p$ pictures in which it is highest. A threshold $T_u$
# is exceeded by .5 % of all its values over all pictures; it cuts the region $R$ out of
# a picture, and what overlaps with $R$ is the truth $G$:
#
# $$
# \begin{aligned}
# R_{u,i} &= [\, F_u(x_i) > T_u \,], \\
# G_{u,i} &= \{\, t_j : \mathrm{IoU}(M_j, R_{u,i}) > 0.04 \,\}, \\
# \text{recall@}s &= \frac{|W_{u,i} \cap G_{u,i}|}{|G_{u,i}|}
# \end{aligned}
# $$ (eq-10-recall)
#
# with the $s$ words $W_{u,i}$ nearest to the explainer's vector, among *all* words.
# Pictures with an empty $G$ are left out. One filter, by its place and not by its
# looks, in its first picture with a word in $G$:

# %% mystnb={"figure": {"name": "fig-10-steps", "caption": "**From a filter to the truth**: the picture, the filter's map, the region where it exceeds its threshold, and the objects' boxes with their overlap."}, "image": {"alt": "A row of small panels: a scene, a heat map over it, the cut-out region, and the boxes of its objects in blue with the region outlined."}}
numbers = lavise_views.chosen_filters(one)
view = lavise_views.steps(one, known, numbers[1])
lavise_figures.stages(view)
plt.show()

# %% [markdown]
# What the truth is, and what the explainer says:

# %%
print("G:", ", ".join(view.truth) or "empty")
print("nearest words:", ", ".join(view.said))

# %% [markdown]
# What does the explainer read here, where there is no object's mask? *Filter-level
# attention*: maps that are like $F_u$ count more. Two readings of it exist, and three
# others are told apart in the programs:
#
# $$
# \begin{aligned}
# \text{scalar:} \quad & z_k = \cos(F_u, F_k)\, \operatorname{mean}(F_k), \\
# \text{elementwise:} \quad & z_k = \operatorname{mean}
# \bigl( F_k \odot F_u / \lVert F_u \rVert \bigr) .
# \end{aligned}
# $$ (eq-10-attention)
#
# The first is printed in the paper, the second is what both programs compute. `none`
# reads $F_k$ itself, the same for all filters; `activation` reads $F_k$ where
# $F_u > T_u$; `image` shows the network the picture with all but $R$ in grey.
#
# Here are three filters as figure 2 of {cite:t}`buis2023lavise` shows them. They are at
# the places of the three that are printed there, as shares of the layer: none is picked
# for its looks.

# %% mystnb={"figure": {"name": "fig-10-filters", "caption": "**Three filters and their ten words.** Pictures are dark where the filter is low. Black: a category; blue with a ring: a form of one; green with a star: neither, with two stars from another world."}, "image": {"alt": "Three rows of five darkened pictures with bright spots, and beside each row ten words in black, blue and green."}}
views = lavise_views.filter_views(one, known, numbers)
lavise_figures.filters(views)
plt.show()

# %% [markdown]
# ## Claim 1: is the mapping accurate?
#
# The rule was written before the numbers. The score is recall@5 with the raw
# vocabulary, over *all* filters of the layer; published are 21 or 22 filters, every
# twelfth or more. The explainer must beat **each** of four controls:
#
# - *permuted words*: taught alike, but each word has another word's vector;
# - *untaught explainer*: its weights as drawn;
# - *most frequent*: the same answer for every filter, the most frequent categories. An
#   early version of ErikBuis/FACT2023 had it; the published tables do not;
# - *random network*: the network's weights as drawn, with an explainer of its own.
#
# A claim is about networks, so the unit is the network: it holds where the 95 %
# interval of the mean difference over five seeds or more is above 0 for every control.
# The intervals of the figure are over filters, and say less.

# %% mystnb={"figure": {"name": "fig-10-recall", "caption": "**Recall between floors and ceiling**, last layer of the baseline's first network. Orange: the explainer, grey: a perfect one, blue: controls; lines are 95 % intervals over filters."}, "image": {"alt": "Three bar charts for recall at 5, 10 and 20 with one bar each for oracle, explainer and four controls."}}
own = chapter.of_seeds([first], known)
row = own["settings"]["last layer"][str(first.seed)]
lavise_figures.recalls(row)
plt.show()

# %% [markdown]
# In numbers, with the difference to each control at recall@5 and its interval over
# filters:

# %%
tables.show(naming_answers.recall_table(row))

# %% [markdown]
# How much of what can be reached is reached? Chance is $s / V$ for $V$ words, whatever
# the size of $G$.

# %%
tables.show(naming_answers.share_of_oracle(row), digits=4)

# %%
naming_answers.setting_verdict(own, "last layer")

# %% [markdown]
# Does the attention matter? The same explainer with each reading:

# %% mystnb={"figure": {"name": "fig-10-attention", "caption": "**Readings of the maps.** Recall of the same filters by the same explainer, with raw and centred vocabulary; 95 % intervals over filters."}, "image": {"alt": "Two dot plots of recall at 5, 10 and 20 for the readings none, scalar, elementwise, activation and image."}}
readings = chapter.readings(run, first, known)
lavise_figures.readings(readings)
plt.show()

# %% [markdown]
# The published tables, and this page in the last row. A recall depends on the
# vocabulary, the categories, the pictures and the threshold, so rows with other data
# cannot be compared; that there are no floors in the tables makes each hard to read by
# itself.

# %%
three = tuple(row["recall"]["raw"]["taught"][s][0] for s in ("5", "10", "20"))
own_row = (backbone, dataset, reference, three)
tables.show(lavise_published.printed_table(*own_row))

# %% [markdown]
# ## Claim 2: words beyond the categories
#
# {cite:t}`buis2023lavise` looked at figures for this one, and add a warning:
#
# > Remarkably, the filters mostly predict out-of-dataset words, which suggests that the
# > model's capabilities are very generalizable. However, this may be caused by the
# > predictions being morphological variants of words contained in the dataset, which
# > could be an interesting area for future research.
#
# Here is that research. Whole categories are held out: of a name of two words both go,
# no object of them teaches, and a word that is also in another's name stays. Then all
# words of all labels are sorted:

# %% mystnb={"figure": {"name": "fig-10-kinds", "caption": "**What the words of labels are**, by explainer, and in the vocabulary itself. Forms are inflections and synonyms of taught words; of the same world is what the text says of scenes."}, "image": {"alt": "Stacked bars of the shares of taught words, their forms, held-out words, words of the same world and foreign words."}}
kinds = lavise_novel.label_kinds(first.held, known, one)
lavise_figures.kinds(kinds)
plt.show()

# %% [markdown]
# Compare the first bar with that of permuted words, an explainer whose words are all
# wrong. That a label's word is no category says only that its vector lies near one.
#
# A sharper question: are held-out words named where they are to be *seen*? Recall@20 of
# held-out words in the filter's region, beside those that are not in the picture, and
# those that are not there but of the same family (disc, rectangle, burst or flower) as
# one that is. An explainer that knows the family alone cannot tell the last from the
# first.

# %%
tables.show(lavise_novel.table(first.held, known))

# %% [markdown]
# Twenty of all words is a hard test, and the held-out vectors may be near without being
# that near. An easier one asks for order alone: of two held-out words, one in the
# region and one not, is the first nearer? Chance is about .5, but words differ in how
# near they are to everything, which the untaught explainer shows.

# %%
tables.show(lavise_novel.forced_choice(first.held, known))

# %% [markdown]
# The verdict rests on the first of the two tables, as the rule says:

# %%
naming_answers.held_out_verdict(own)

# %% [markdown]
# ## Claim 3: any network
#
# The networks of this book were trained on other pictures than those that explain them.
# The same is done for an earlier layer, and for the last layer with positions kept, as
# AlexNet's explainer keeps them; the study adds a network in AlexNet's manner, without
# normalisation or shortcuts. Each has controls of its own.

# %% mystnb={"figure": {"name": "fig-10-settings", "caption": "**Network and layer.** Recall@5 of the explainer, its best control and the oracle; a mark a training seed."}, "image": {"alt": "Dot plot with a row a network and layer, marks for best control, explainer and oracle from left to right."}}
settings = naming_answers.settings_table(own)
lavise_figures.against_controls(settings)
plt.show()

# %%
tables.show(settings)

# %% [markdown]
# ## What defects of the programs do
#
# Reading the two programs line by line brings up choices that their texts do not have.
# Each is a switch here, and is turned by itself. `low quantile`: ErikBuis/FACT2023 takes
# the quantile .005 where .995 is meant, so that the region $R$ is almost everything.
# `swapped canvas`: both draw the boxes of Visual Genome on a canvas whose height and
# width are changed over; it needs pictures that are not square, which the scenes become
# for this one row.

# %% mystnb={"figure": {"name": "fig-10-defects", "caption": "**The direction of each defect**: recall@5 with it minus without, 95 % intervals over filters; orange where the interval excludes 0."}, "image": {"alt": "Dot plot with one row a defect; points left of the dashed line lower recall, points right of it raise it."}}
moved = chapter.defects(run, first, known)
lavise_figures.switches(moved)
plt.show()

# %% [markdown]
# What each does, and what it moves beside recall: the number of words in $G$, and the
# recall of the most frequent categories. A defect that fills $G$ can lower the recall of
# the explainer and raise that of a blind answer.

# %%
tables.show(lavise_switches.defect_table(moved, one))

# %% [markdown]
# `masks left behind` is compared with one view of each picture whose masks move along,
# so that the crop itself is in both; `swapped canvas` with the same wide pictures. Where
# no picture shows a class twice, as in the mixed scenes, `instances apart` has nothing to
# join but names that share a word; `reference=scenes` has several of a class.
#
# ## Are filters trained with language easier to name?
#
# LICO pulls feature maps towards text. If that reaches single filters, words should fit
# them better. Each network of {doc}`03_training` is explained with the same pictures,
# words and budget. Its score is recall@5 *minus that of an untaught explainer on the
# same network*, and the unit is the network. Filters that are 0 everywhere have no
# explanation; they are counted, as a network with fewer filters alive has fewer to name.

# %% mystnb={"figure": {"name": "fig-10-arms", "caption": "**Nameable filters by arm**, on the runs of this page: recall@5 less that of the network's untaught explainer. Orange: trained without language; dashed: the baseline."}, "image": {"alt": "Dot plot with a row an arm of chapter 03 and a dashed vertical line at the cross-entropy baseline."}}
networks = naming_answers.networks_table(own)
lavise_figures.by_arm(networks)
plt.show()

# %%
tables.show(networks)

# %% [markdown]
# Even a difference would not yet be due to language: an added loss changes features
# whatever its words mean. So there are two questions, against the baseline, and against
# the arms whose words are permuted, random or one-hot. An arm that is not trained out
# is not judged.

# %%
print(naming_answers.by_words(own).sentence)
naming_answers.nameable(own)

# %% [markdown]
# ## The committed study
#
# The runs of this page are few. The study has five seeds of each arm, the language
# controls, and the AlexNet-like network.

# %%
study = records.recorded("10_lavise-study")
tables.show(naming_answers.verdict_table(study))

# %% [markdown]
# Its differences between arms, net recall@5 minus the baseline's of the same seed, with
# 95 % intervals over seeds:

# %%
tables.show(naming_answers.arms_table(study))

# %%
tables.show(records.of(study, naming_answers.settings_table))

# %% [markdown]
# ## A check of the pipeline on photographs
#
# The whole chain also runs on photographs with a published network and GloVe's vectors.
# With few pictures that is a check that all parts fit, and no replication: read the
# floors first. Pictures are taken in halves, each explained by an explainer that the
# other half taught, with $p = 5$.

# %%
photographs = chapter.photographs()
tables.show(lavise.checked_recalls(photographs))

# %% [markdown]
# The words of five filters, evenly spaced, and how many of everything there were; a star
# marks what is no category:

# %%
tables.show(lavise.checked_words(photographs))

# %%
tables.show(lavise.checked_counts(photographs))

# %% [markdown]
# ## What deviates, and why
#
# - Reference pictures are drawn scenes, and word vectors come from a text of some two
#   thousand words. Published are COCO and Visual Genome with 400 thousand words of
#   GloVe. Numbers are not comparable; what is tested is the logic of the claims.
# - The explainer is taught with Adam and a fixed rate on cached maps. Published are
#   D-Adaptation's Adam, in the form of its preprint, and pictures read anew for each
#   object and epoch. The former is there as `optimiser="dadapt-adam"` of
#   `helpers.methods.lavise_settings`.
# - The normalisations of the explainer learn. In both programs they stay in evaluation
#   mode, where they are affine maps (`frozen norms` above).
# - Objects that no cell's middle hits are left out of teaching. In the programs an empty
#   mask is sometimes taken for a full one.
# - All filters are explained, in one pass over cached maps. Published are 21 or 22 of
#   each layer. Top pictures and thresholds are exact; a test holds that the slow way
#   gives the same.
# - Recall is counted with the words of the categories alone, as published: a synonym is
#   a miss. The oracle has the same handicap.
# - The classes that networks were trained on are those of the reference scenes. Claim 3
#   with other training labels needs photographs.

# %% [markdown]
# ## Exercises
#
# ```{exercise} "Correct 13.2 % of the time"
# :label: ex-10-correct
#
# {cite:t}`buis2023lavise` write (section 5.1):
#
# > for example, the recall@5 score of ResNet-50, which is only 0.132, can intuitively be
# > interpreted as the model predicting the correct category out of VG's 1128 categories
# > around 13.2% of the time.
#
# Why does recall@5 not say that? What would have to be counted instead, and what is its
# chance?
# ```

# %% [markdown]
# ```{solution-start} ex-10-correct
# :label: sol-10-correct
# :class: dropdown
# ```
#
# There are five tries, not one; $G$ may hold several words, of which recall is the
# share found; and the words are drawn from the whole vocabulary, not from the
# categories. "Predicting the correct category" would be: the *first* word is in $G$.
# The table has that in its first row, under `any word of G`, and for every $s$ the
# chance that a blind answer finds one or more.

# %% tags=["solution"]
tables.show(lavise_views.right_at_all(one, known), digits=4)

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} A smaller dictionary
# :label: ex-10-dictionary
#
# The vectors stay as they are, and words are looked up in a part of the vocabulary:
# only categories; and their forms; and all that the text says of scenes. How does
# recall@5 move, and how its chance? Which of the two would you print?
# ```

# %% [markdown]
# ```{solution-start} ex-10-dictionary
# :label: sol-10-dictionary
# :class: dropdown
# ```

# %% tags=["solution"]
tables.show(lavise_views.by_vocabulary(one, known))

# %% [markdown]
# A form of the right word is a miss, and takes a place among the five. Print both, with
# the size of the vocabulary.
#
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} When does a hinge rest?
# :label: ex-10-hinge
#
# Cosines lie between -1 and 1. For which $s_+$ and $s_c$ is a hinge of
# {eq}`eq-10-ranking` 0? Show that if none is, the loss is least along
# {eq}`eq-10-optimum`, and say what a smaller margin would change.
# ```
#
# ````{solution} ex-10-hinge
# :label: sol-10-hinge
# :class: dropdown
#
# It rests where $s_+ - s_c > 1$, which needs a negative $s_c$ or an $s_+$ near 1. If no
# hinge rests, the sum over the $C - 1$ others is
# $(C - 1)(1 - s_+) + \sum_{c \ne t} s_c$. With $\hat v$ of length 1 this is, but for
# constants, $-\hat v \cdot (C u_t - \sum_c u_c)$, least for $\hat v$ along the
# bracket. With a smaller margin hinges rest earlier: categories that are already far
# say nothing any more, and the optimum moves towards what sets the word apart from its
# *nearest* rivals.
# ````

# %% [markdown]
# ## Take away
#
# - A recall without its floors and its ceiling cannot be read: chance, the most frequent
#   words, a random network, and what a perfect explainer would get.
# - "Novel" words may be forms of taught ones. Hold out whole categories, and ask where
#   their words are named.
# - Switches show the direction of a defect: some lower the numbers, some raise them.
# - Whether language in training makes filters nameable is a question about networks:
#   compare networks, against controls whose words mean nothing.
#
# ## Provenance
#
# What the runs of this page were made with:

# %% tags=["hide-input"]
pd.DataFrame(
    {"arm": name, "seed": run.settings.seed, **records.origin(run.provenance)}
    for name, runs in arms.items()
    for run in runs
).pipe(tables.show)
