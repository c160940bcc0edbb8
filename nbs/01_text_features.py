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
# # Text features: their shape decides the loss
#
# :::{admonition} In this chapter
# :class: tip
# - follow a class name from a prompt to the features that LICO's losses read;
# - read every published version of LICO off the shapes of its tensors;
# - see torch accept a text of the wrong shape in silence, and what the loss no longer
#   knows;
# - index by labels twice, and look at which text a picture then meets;
# - find out which text tokens know the class, and which cannot;
# - count the class names that sorting put at the wrong label.
#
# *Reading: 25 minutes. Running: half a minute once the runs exist, 2 to 4 minutes from
# nothing, on two cores.*
# :::
#
# LICO {cite:p}`lei2023lico` trains a classifier beside the text features of its class
# names. The equations say little on how a name becomes a feature, and the published
# codes answer in different ways. Most of the dispute about LICO starts here, with
# questions of shape: how many texts are there, of which class, and which picture meets
# which.
#
# :::{admonition} Claim — {cite:t}`lei2024response`, sections 2.1 and 2.2, on the code of {cite:t}`fletcher2024lico`
# :class: claim
# > We found that the shape of text features in models/wideresnet_prompt.py does not
# > match ours, as they should align in the channel dimension to guide the image
# > features effectively. For example, we found the shape of feature_maps and
# > text_features_w when calculating w_distance is [B, 128, 64] and [B, 64] for CIFAR.
# > [...] This misalignment in feature dimensions led to incorrect results for the loss
# > functions, negatively impacting the baseline model's performance.
#
# > Second, there are obvious messed-up issues with class names due to the use of
# > sorted() in lines 199 and 309 in train.py, which led to mismatched class names and
# > labels of images
# :::
#
# Both statements can be computed: what a tensor of this shape does to the loss, and
# which label gets which name. What that did to accuracy and to saliency maps is the
# subject of later chapters.

# %% [markdown]
# ## Parameters
#
# Those of every chapter that trains classifiers, and `n_ctx`, the number of learnable
# tokens in a prompt.

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
n_ctx: int = 12  # learnable tokens of a prompt

# %% tags=["hide-input"]
import functools

import matplotlib.pyplot as plt
import pandas as pd
import torch

from helpers.chapters import (
    class_names,
    text_features,
    text_presets,
    text_tokens,
)
from helpers.data import catalog
from helpers.language import prompts, sources, text_tower, tiny_clip
from helpers.report import (
    figures,
    preset_figures,
    records,
    tables,
    text_figures,
)

figures.theme()

# %% [markdown]
# Two runs are needed: the tiny CLIP whose text tower reads the prompts, and a network
# trained with LICO, preset `paper`, with the text side it was trained beside.

# %% tags=["hide-input"]
chapter = text_features.TextFeaturesChapter.of(
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
    n_ctx=n_ctx,
)

# %%
arms = chapter.trained()
run = arms[text_features.LICO][0]
clip = arms[text_features.CLIP][0].model()
trained = run.text_side()
seen = text_features.batch_of(run, 2 * batch)
pd.DataFrame(
    {"arm": name, "runs": len(runs), "first folder": runs[0].folder.name}
    for name, runs in arms.items()
).pipe(tables.show)

# %% [markdown]
# ## From a name to features
#
# The prompt of class $k$ is a sequence: a start token, $n_\mathrm{ctx}$ learnable
# vectors $X_1, \dots, X_{n_\mathrm{ctx}}$ in the place of words, the tokens of the
# name, an end token. The name may stand behind the vectors, between them or before
# them. The text tower $g_\varphi$ of CLIP {cite:p}`radford2021clip` is frozen; the
# vectors $X_j$ and the projection $h_\psi$ are trained with the classifier:
#
# $$ G_k = h_\psi(g_\varphi(t_k)) \in \mathbb{R}^{M \times d'}, \qquad
# M = n_\mathrm{ctx} + 1, $$ (eq-01-features)
#
# where the $M$ *text tokens* are the $n_\mathrm{ctx}$ learnable ones and one for the
# class: the mean over the tokens of the name and the end token. Here are prompts of a
# short, a middling and a long name.

# %% mystnb={"figure": {"name": "fig-01-prompts", "caption": "**Three prompts at three positions.** A box is a token that the tower reads. Dots mark the features that come out: one of each learnable token (blue), and the class token, a mean over the dots that the orange line joins."}, "image": {"alt": "Nine rows of coloured boxes in three groups: name at the end, in the middle and in front of twelve learnable tokens, for names of one, two and three tokens."}}
names = trained.prompts.names
spell = tiny_clip.tokenizer().encode
by_length = sorted(names, key=lambda name: len(spell(name)))
shown = [by_length[i] for i in (0, len(names) // 2, -1)]
text_figures.token_strips(text_features.prompt_rows(shown, n_ctx))
plt.show()

# %% [markdown]
# Two kinds of feature come out of the tower. *Per token*: all $M$ of them. *Pooled*:
# the end token's alone, which CLIP was trained to compare with pictures. The paper's
# equations speak of a matrix $G_i$ of $M$ rows. Of three published codes one uses
# tokens, konradszewczyk/lico-reproduction of {cite:t}`bartak2024lico`, and two the
# pooled feature, ymLeiFDU/LICO of the authors and robertdvdk/lico-fact of
# {cite:t}`fletcher2024lico`.
#
# ## Every preset by its prompt
#
# A preset is a version of LICO as a row of switches: `paper` with two variants
# (`paper_stable`, and this book's `active`), the authors' code of January and of
# October 2024, lico-fact, its correction by the response (`rebuttal`), and the three
# forms of lico-reproduction (`repro_...`). Here is the prompt that each makes of one
# class name. Contexts may belong to all classes or to each, or come in copies; a full
# stop may follow the name; and a loss may read tokens, their mean, or the end token
# alone.

# %% mystnb={"figure": {"name": "fig-01-presets", "caption": "**One name in every preset.** Blue dots: each is a text token. Orange dots: the mean over them is one. A number at the end is that of copies, each a prompt of its own."}, "image": {"alt": "Rows of coloured boxes, one row for each group of presets with the same prompt: the name stands at the end, in the middle or in front, and dots below mark the tokens that are read."}}
presets = chapter.presets(clip)
one = by_length[0]
preset_figures.preset_strips(text_presets.prompt_strips(presets, one))
plt.show()

# %% [markdown]
# lico-reproduction reads every position behind the start token, as far as the longest
# prompt goes. A shorter name is then followed by *padding* that is read like a word.
# The tower looks back only, so a padded position has seen the whole prompt: its
# feature knows the class, though nothing stands there.
#
# In OT every token weighs the same. How much of the plan's mass goes to tokens that
# know the class, and how much to padding? (The mean over classes.)

# %%
tables.show(text_presets.read_tokens(presets))

# %% [markdown]
# With a context of its own for each class all tokens differ between classes, also
# those that stand before the name: they were drawn apart.
#
# ## Every preset by its shapes
#
# Each preset is given one batch of a trained classifier's feature maps
# $F_i \in \mathbb{R}^{C \times d'}$. The table shows what its two losses, manifold
# matching (MM) and optimal transport (OT), then read. Nothing but that classifier has
# been trained.

# %%
print("feature maps F:", list(seen.first(batch).maps.shape))
tables.show(text_features.shape_table(presets, seen.first(batch)))

# %% [markdown]
# - `paper` flattens the projected tokens for MM and hands them to OT token by token.
#   `paper_stable` and `active` change how MM weighs distances, which no shape shows.
# - `repro_shared`, `repro_class_specific` and `repro_label_front` do the same with
#   every position, so their $M$ is that of the longest name.
# - The other four compare pooled features in MM, of pictures and of texts.
# - `authors_oct` and `rebuttal` have $n_\mathrm{ctx}$ copies of the prompt in OT, each
#   with a context, so they encode $n_\mathrm{ctx}$ times as many prompts.
# - `authors_jan` gives every picture the texts of all $K$ classes, `lico_fact` those
#   of the whole batch: the last column says so.
#
# ## The silent broadcast
#
# Why that is so takes three lines of torch. Maps are `[B, C, d']`, the text of each
# picture's label is `[B, d']`, and the code robertdvdk/lico-fact (commit 76ed093)
# inserts axes to get all differences of rows.

# %%
B, C, cells = 32, 128, 64
maps, texts = torch.randn(B, C, cells), torch.randn(B, cells)
differences = maps.unsqueeze(-2) - texts.unsqueeze(-3)
silent = differences.square().sum(-1).shape
print("differences", list(differences.shape), "cost", list(silent))

# %% [markdown]
# No error. With a text `[B, M, d']` the new axis would have been $M$; with `[B, d']`
# the axis of pictures takes that place, and broadcasting fills in the rest:
#
# $$ \begin{aligned}
# c_{i k m} &= \lVert F_{i k} - G_m \rVert^2, \\
# \text{not} \quad c_{i k m} &= \lVert F_{i k} - G_{i m} \rVert^2 .
# \end{aligned} $$ (eq-01-broadcast)
#
# Every picture $i$ meets the texts of the whole batch. The package of this book checks
# the shape and says:

# %%
text_features.refusal(maps, texts)

# %% [markdown]
# The same on real features. Below, a row is a picture and a column a text that its
# channels may be sent to, in four presets that ask four different questions.

# %% mystnb={"figure": {"name": "fig-01-met", "caption": "**Which texts a picture meets.** Mean cost over channels: of the tokens of its own prompt (preset `paper`, trained), of copies of its own prompt (`rebuttal`), of all classes (`authors_jan`), of the batch (`lico_fact`). A ring marks the text of the picture's own label, which the loss treats as any other."}, "image": {"alt": "Four heat maps with one row a picture. The columns are tokens, copies of a prompt, all classes, and the classes of the other pictures; in the last two, rings mark the picture's own class."}}
few = seen.first(12)
called = functools.partial(chapter.called, n_ctx=n_ctx)
asked = [called(one) for one in ("rebuttal", "authors_jan", "lico_fact")]
mine = f"{called('paper')}, trained"
sides = {mine: trained} | {name: presets[name] for name in asked}
panels = {
    name: text_presets.met(side, few, names) for name, side in sides.items()
}
titles = [names[k] for k in few.labels.tolist()]
preset_figures.texts_met(panels, titles)
plt.show()

# %% [markdown]
# ### Labels no longer matter
#
# In the first form of equation {eq}`eq-01-broadcast`, the one that torch computes, the
# texts carry no index of the picture. Shuffle the labels of the batch: the same texts
# stand in another order, the transport sends the same mass to each, and the loss cannot
# change but for rounding. The code ymLeiFDU/LICO of January 2024 gets there by another
# way: the texts of *all* classes are given to each picture, and its label is not asked
# for at all.
#
# So exchange the labels at random, several times, and compare: by how much does the
# loss of a picture change that got another class's label, relative to what it was?

# %% mystnb={"figure": {"name": "fig-01-blind", "caption": "**What other labels change** of a picture's OT loss: the mean over pictures that got another class's label, and the largest of them. At the left end: exactly nothing."}, "image": {"alt": "Horizontal dot plot on a logarithmic scale, one row a text side: the mean change over pictures and the largest."}}
several = {**presets, mine: trained}
shuffled = text_features.shuffled_labels(several, seen.first(batch))
preset_figures.label_dots(shuffled)
plt.show()

# %% [markdown]
# In numbers; *the batch* is the median change of the mean over all pictures, where
# rises and falls cancel:

# %%
changes = ["a picture", "largest", "the batch"]
tables.show(text_tokens.exponents(shuffled, changes))

# %% [markdown]
# A loss that does not change with the labels can pull the features towards texts, but
# within a batch it pulls all pictures alike. In `lico_fact` a picture's own text is
# always one of the $B$ texts of its batch, which over many batches is a weak pull of a
# class towards its text; in `authors_jan` not even that. For a loss
# that does know the labels, the columns say how much of it hangs on them; why that may
# be little, a later section shows.
#
# ### The size of the batch matters instead
#
# If the targets are the batch, the loss of a picture depends on its company. Here the
# first eight pictures stay and others join them. Memory follows: a code that forms all
# differences holds $B \cdot C \cdot M \cdot d'$ numbers, and with $M = B$ it needs
# $B / n_\mathrm{ctx}$ times as much as with $n_\mathrm{ctx}$ tokens.

# %% mystnb={"figure": {"name": "fig-01-batch", "caption": "**The same pictures in larger batches.** Left: their OT loss. Right: memory of all differences in one step, in float32; presets of equal $M$ lie on one line."}, "image": {"alt": "Two line plots over batch size. One preset's loss moves with the batch while the others are flat, and its memory grows twice as steeply."}}
counts = [size for size in (8, 16, 32, 64) if size <= len(seen.labels)]
sizes = text_features.batch_sizes(several, seen, counts)
text_figures.batch_curves(sizes)
plt.show()

# %% [markdown]
# How far the loss moves over these batches, relative to the smallest:

# %%
moved = text_features.moved_by_batch(sizes)
moves = moved.rename("relative move").reset_index()
tables.show(text_tokens.exponents(moves, ["relative move"]))

# %% [markdown]
# ## Labels as an index, twice
#
# In the code of October 2024 MM takes the texts of the batch, one a picture, and then
# indexes these by the labels again: picture $i$ gets the text of $y_{y_i}$, the label
# of whichever picture stands at place $y_i$ of the batch. Which class that is changes
# from batch to batch. And where a label is no smaller than the batch there is no such
# picture.

# %%
authors = presets[called("authors_oct")]
raw = chapter.untrained(clip, "authors_oct", repairs="none")
tables.show(text_presets.labels_twice(authors, raw, seen, counts))

# %% [markdown]
# For one batch, and for the same pictures in another order:

# %% mystnb={"figure": {"name": "fig-01-twice", "caption": "**Texts by labels indexed twice.** From each class of the batch, left, a line leads to the class whose text its pictures are given, right. The second batch has the same pictures in reverse order."}, "image": {"alt": "Two panels; in each, lines lead from the classes of pictures on the left to classes of texts on the right, most of them to another class, and to different ones in the two panels."}}
first = seen.labels[:batch]
two = {"a batch": first, "its reverse": first.flip(0)}
text_figures.connections(
    {
        title: text_presets.texts_given(authors, labels, names)
        for title, labels in two.items()
    }
)
plt.show()

# %% [markdown]
# ### What that code needs to run
#
# As published, October's code stops before its first step. The book runs it with
# repairs, and each is written down with what it mends. Two of them are about tensors,
# and can be tried here: the view of the text rows with other numbers than the prompts
# have, and the index above, in a batch as large as its largest label.

# %%
tables.show(text_presets.unrepaired(chapter, clip, seen.first(batch)))

# %% [markdown]
# Refused with the shapes in words, before a training starts, unless the repairs are
# made.

# %% [markdown]
# ## What a causal mask hides
#
# The tower's attention looks back only: the feature of a token depends on the tokens
# before it, and on itself,
#
# $$ g_\varphi(t)_l = \text{a function of } t_1, \dots, t_l . $$ (eq-01-causal)
#
# If the name stands behind the learnable tokens, their features cannot know it: they
# are the same for every class, as {cite:t}`bartak2024lico` noticed (section 4.2.2).
# With the name in the middle the tokens behind it know it, with the name in front all
# do. The trained context vectors at each of the three positions, and the largest
# difference of any two classes in any feature:

# %% mystnb={"figure": {"name": "fig-01-spread", "caption": "**Which tokens know the class.** Largest difference between classes of each text token's features; a bare 0 is exact equality."}, "image": {"alt": "Heat map with three rows, name at the end, in the middle and in front, and one column a token. Tokens that stand before the name are marked zero."}}
positions = chapter.positions(clip, trained)
spread = text_tokens.token_spread(positions)
text_figures.spread_map(spread)
plt.show()

# %% [markdown]
# This bears on both losses. OT gives each token the mass $\nu = 1 / M$, whether it
# knows the class or not. MM flattens all $M$ tokens into one row and scales it to
# length 1; what all classes have in common adds to the length and hardly to the
# difference of two rows, and so it shrinks their distance.

# %%
carried = text_tokens.carriers(positions)
tables.show(carried)

# %% [markdown]
# *Transport mass* is the part that goes to tokens that differ between classes,
# *length in common* the share of $\lVert G_k \rVert^2$ in tokens that do not. How much
# of the OT loss hangs on the label then depends on where the name stands. The same
# shuffle as above, with the same weights at each position:

# %%
placed = text_features.shuffled_labels(positions, seen.first(batch))
tables.show(text_tokens.exponents(placed, changes))

# %% [markdown]
# ### What the features know of the classes
#
# The scenes have four planted families, and a text knows them if the distances of its
# features rank as the planted ones do (chapter {doc}`00_laboratory`). The test runs
# on the prompts with the name at the end: for a tower with random weights, for the
# trained tower with the learnable tokens as they start, and after training with LICO.

# %%
stages = {
    "random tower": chapter.untrained(clip, "paper", language="random-tower"),
    "at the start": presets[called("paper")],
    "after training": trained,
}
tables.show(text_tokens.family_table(stages))

# %% [markdown]
# A context token has no rank correlation: all its distances are 0, and a dash stands
# for that (and for every row on data without planted families). Pooled feature and
# class token differ by the name's own tokens, which only the latter averages in.
# Nothing in LICO's losses asks the learnable tokens to keep what the tower knows;
# whether they do is what the last rows show.
#
# ## Different tokens that are copies
#
# The authors' response describes $n_\mathrm{ctx}$ contexts: "we use torch.roll to
# implement different tokens, then for each sample, the ctx_vectors is with [n_ctx,
# n_ctx, 512]" ({cite:t}`lei2024response`, section 2.1). The code that it prints rolls
# the same context by the same single step for every copy, as the authors' code of
# October does: presets `rebuttal` and `authors_oct`. What rolling by $i$ steps for copy
# $i$ would give, `rolled apart`, stands beside it.

# %% mystnb={"figure": {"name": "fig-01-rolled", "caption": "**Which learnable vector stands in which slot.** A row is a copy of the context. Left: every copy rolled by one, as printed in the response. Right: copy number $i$ rolled by $i$."}, "image": {"alt": "Two square grids of numbered, coloured cells. On the left all rows are the same, on the right each row is shifted by one more cell."}}
slots = torch.arange(n_ctx).view(1, n_ctx, 1)
ways = {"rolled": prompts.rolled, "rolled apart": prompts.rolled_apart}
orders = {name: way(slots)[:, :, 0].numpy() for name, way in ways.items()}
text_figures.slot_orders(orders)
plt.show()

# %% [markdown]
# Equal contexts give equal texts, and a transport between $C$ channels and
# $n_\mathrm{ctx}$ equal tokens has nothing to choose: every plan costs the same, so the
# entropic one is uniform. Its entropy, in units of the largest possible, is then 1, and
# its gain over the uniform plan 0. The trained context, rolled in both ways, in preset
# `rebuttal`:

# %%
rolled = chapter.copies(clip, trained)
copies = text_tokens.copies_table(rolled, seen.first(batch))
tables.show(copies, digits=5)

# %% [markdown]
# The last row is the first as a training step sees it: dropout inside $h_\psi$ draws a
# mask for each copy, so the texts differ by chance where the contexts do not. What
# such a plan chooses between is noise, drawn anew at each step.
#
# Could training part the copies? A step moves a context by the gradients of the losses.
# MM reads the first copy alone. OT reads all, but what is equal gets equal gradients;
# and in the authors' code OT has no gradient at all ({doc}`02_ot_alignment`). Norms of
# the gradients in the contexts at the start, without dropout:

# %%
parted = text_presets.copy_gradients(chapter, clip, seen.first(batch))
sizes_of = [name for name in parted if ":" in name or "part" in name]
tables.show(text_tokens.exponents(parted, sizes_of))

# %% [markdown]
# Where the others part by nothing, they stay the same text for as long as dropout does
# not tell them apart: a transport to $n_\mathrm{ctx}$ tokens of which all but one
# are the same.
#
# ## A caption in the place of a name
#
# A name is all that a text says of a picture. Is that why it helps, or does not? Two
# arms of {doc}`03_training` put the caption of each training picture where its class's
# name would stand, its own or another picture's. Some captions say less than the class,
# some more:

# %% mystnb={"figure": {"name": "fig-01-captions", "caption": "**Captions as texts.** The first training pictures with their class, and below it what their text says."}, "image": {"alt": "Six training pictures in a row, above each the class name and its caption."}}
told = text_presets.captioned(chapter, clip)
six = catalog.load(run.settings.data, "train").first(6)
words = [names[k] for k in six.labels.tolist()]
if told is not None:
    words = [f"{a}\n“{b}”" for a, b in zip(words, told.captions, strict=False)]
figures.picture_grid(six.images, words, columns=3)
plt.show()

# %% [markdown]
# Now two pictures of a class may have different texts, and two pictures of different
# classes the same one. The tower runs more tokens, though only those of the captions
# of a batch. For the pictures that are told here, with the shares of pairs of pictures
# that share a text, and of pairs of one class whose texts differ:

# %%
tables.show(text_presets.told_table(told, presets[called("paper")]))

# %% [markdown]
# ## Names at the wrong label
#
# Text $k$ must name class $k$. The list in ymLeiFDU/LICO, which serves every data set
# there, is that of CIFAR-10, but for one name:

# %%
cases = class_names.namings()
tables.show(cases["CIFAR-10, authors' list"].table(range(4)))

# %% [markdown]
# If the list of names is sorted, and the data set's labels follow another order or
# other spellings, texts move. CIFAR-10's label order is alphabetical, but in lico-fact
# `airplane` is called `plane`: sorted, it moves from the first place to the eighth.
# Imagenette's order is that of its folders, and capitals sort before small letters.

# %% mystnb={"figure": {"name": "fig-01-names", "caption": "**Labels and their texts after sorting the names.** From each label, left, a line leads to the class that its text names, right: grey where it fits, orange where it does not."}, "image": {"alt": "Two connection charts of ten class names each, for CIFAR-10 and Imagenette; most lines are orange and slanted, three in each chart are grey and horizontal."}}
chosen = ["CIFAR-10, names", "Imagenette, names"]
text_figures.connections({c: (cases[c].own, cases[c].texts) for c in chosen})
plt.show()

# %% [markdown]
# Pair by pair, CIFAR-10:

# %%
tables.show(cases["CIFAR-10, names"].table())

# %% [markdown]
# Imagenette:

# %%
tables.show(cases["Imagenette, names"].table())

# %% [markdown]
# Of the names of CIFAR-100 the response says nothing. There the list uses some
# spellings of its own, of which `computer keyboard` changes its place, and all names on
# its way move by one:

# %%
cifar100 = cases["CIFAR-100, names"]
tables.show(cifar100.table(cifar100.wrong()))

# %% [markdown]
# Sorting can also scramble the other side. In konradszewczyk/lico-reproduction (commit
# d63b896) the names are in label order, but the pictures of CIFAR-100 lie in folders
# "0", "1", ... "99", and folders are labelled in the order of strings: "0", "1", "10",
# "11", ... Its first labels:

# %%
tables.show(cases["CIFAR-100, folders"].table(range(12)))

# %% [markdown]
# All cases together. The last row is what the preset `lico_fact` does to the classes
# of the scenes, whose label order is that of the families:

# %%
tables.show(class_names.counts(cases))

# %% [markdown]
# ### A check in one line
#
# Nothing in a training fails when a name is wrong. So this book takes the names from
# the data set itself, and a file of features must say its own: they are compared, label
# by label, before a run starts.

# %%
ours = cases["CIFAR-10, names"]
try:
    sources.check_alignment(ours.texts, ours.own)
except ValueError as refusal:
    print(refusal)

# %% [markdown]
# ## How many tokens a step
#
# The shape of the prompts also decides what they cost. *Plain*: each prompt padded to
# the $L$ tokens that the tower takes. *Cut*: ended at its end token, which the causal
# mask allows without any change. *Trie*: what prompts have in common at the beginning
# is computed once; contexts that belong to a class each leave nothing to share. All
# three give the same features. Here each class is read once; lico-reproduction itself
# runs a padded prompt a *picture* ({doc}`08_cost`).

# %% mystnb={"figure": {"name": "fig-01-tokens", "caption": "**Tokens through the tower in one step**, for each preset and three sets of class names (log scale)."}, "image": {"alt": "Three panels of horizontal bars, three bars a preset for plain, cut and trie, two where a context belongs to each class."}}
tokens = text_tokens.tokens_table(clip, presets, names)
text_figures.token_bars(tokens)
plt.show()

# %% [markdown]
# ## The verdict on shapes
#
# Both statements of the response, and what was added to them here, as checks on what
# this page computed. All rows but *paper, trained: labels shuffled* follow from shapes
# and masks, so one run is enough for them. That row is a result: where training made
# the texts alike it says NO. Whether any of this matters for accuracy or for maps is a
# question of seeds, and left to chapters that have them.

# %%
text_tokens.verdicts(
    silent, shuffled, moved, carried, spread, copies, parted, cases
).pipe(tables.show)

# %% [markdown]
# ## What deviates, and why
#
# - The tower is tiny: one layer, 64 features, $L = 24$ tokens; CLIP's ViT-B/32 has
#   twelve layers, 512 features and $L = 77$. The mask, the tokenizer and the places of
#   all tokens are the same. The maps of the default network have the very shape that
#   the response quotes.
# - Presets are shown as training would start them, with dropout and shuffling off; a
#   row or section that says *trained* has the trained weights. All read the same frozen
#   tower; in the authors' code it is trained too.
# - The name is moved to the middle and to the front of prompts that were trained with
#   the name at the end: this shows what a mask lets through, not what training there
#   would give.
# - In `paper` the class token is a mean, so that $M = n_\mathrm{ctx} + 1$ for names of
#   any length. Only the presets `repro_...` read every position, as their code does.
# - The unrepaired code of October is tried at the two places where tensors meet; the
#   names that it does not define, and the files that it lacks, cannot be.
# - Names and folder orders are those of robertdvdk/lico-fact at 76ed093 and of
#   konradszewczyk/lico-reproduction at d63b896. Whether the runs that a paper reports
#   were made with these very states cannot be read off a repository.

# %% [markdown]
# ## Exercises
#
# ```{exercise} One axis
# :label: ex-01-axis
#
# Repair the broadcast of equation {eq}`eq-01-broadcast` by one index: each picture
# shall meet the one text of its own label. Which shape does the cost have, and what is
# left for the transport plan to decide?
# ```

# %% [markdown]
# ```{solution-start} ex-01-axis
# :label: sol-01-axis
# :class: dropdown
# ```
#
# `texts[:, None]` is `[B, 1, d']`. With one token the plan sends each channel's mass
# there, whatever it costs: the loss is the mean distance of channels to one text.

# %% tags=["solution"]
repaired = maps.unsqueeze(-2) - texts[:, None].unsqueeze(-3)
print(list(repaired.square().sum(-1).shape))

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} One spelling
# :label: ex-01-spelling
#
# How many texts of CIFAR-10 would stand at the wrong label if lico-fact had used the
# data set's own names, and sorted them? And if only `automobile` were spelled `car`?
# ```

# %% [markdown]
# ```{solution-start} ex-01-spelling
# :label: sol-01-spelling
# :class: dropdown
# ```

# %% tags=["solution"]
given = class_names.CIFAR10
renamed = ["car" if name == "automobile" else name for name in given]
for spelled in (given, renamed):
    print(len(class_names.sorted_texts(given, spelled).wrong()))

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} Tokens of a larger data set
# :label: ex-01-tokens
#
# By how much does the trie shorten a step if the name of 100 classes stands in front
# of a shared context instead of behind it? Why?
# ```

# %% [markdown]
# ```{solution-start} ex-01-tokens
# :label: sol-01-tokens
# :class: dropdown
# ```
#
# Prompts share what they have in common at the *beginning*: the whole context if it
# comes first, hardly more than the start token if the name does.

# %% tags=["solution"]
for place in text_features.POSITIONS:
    made = prompts.build_prompts(class_names.CIFAR100, n_ctx, place, False, 77)
    print(place, text_tower.tokens_per_step(made))

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## Take away
#
# - A loss is decided by shapes before it is decided by weights: how many texts, whose,
#   and which picture meets which.
# - A text of shape `[B, d']` against maps of shape `[B, C, d']` is accepted in silence
#   and gives a transport loss that does not know the labels. A check of shapes costs
#   one line.
# - Under a causal mask only what stands behind the name knows it.
# - Copies of a prompt that are equal leave a transport plan nothing to choose.
# - Class names belong in the data set's label order; comparing them costs one line
#   more.
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
