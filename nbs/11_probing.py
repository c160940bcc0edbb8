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
# # How to probe: what the head does to the map
#
# :::{admonition} In this chapter
# :class: tip
# - train heads on one frozen network, with softmax and with sigmoids, and see how far
#   their maps differ while their predictions do not;
# - cross the loss with the optimiser, the bias and the depth, which were published
#   together, and find out which of them does it;
# - move a number that softmax cannot see, and watch the map follow;
# - put every confound of the comparison on a switch;
# - ask the question that leads back to the start: what changes LICO's maps more, LICO or
#   the loss of the head behind it?
#
# *Reading: 30 minutes. Running: 1 minute once the runs of {doc}`03_training` exist,
# about 5 from nothing, on two cores.*
# :::
#
# Words need not enter the network at all. {cite:t}`gairola2025probe` leave a trained
# network as it is, train only the last layers anew, and find that this decides how
# well its maps point:
#
# :::{admonition} Claim — {cite:t}`gairola2025probe`, abstract
# :class: claim
# > [...] we find that the quality of attributions for pre-trained models can be highly
# > dependent on how the classification head (i.e. the probe) is trained, even if the
# > model backbone remains frozen.
# :::
#
# Two pieces of advice follow there: train the head with sigmoids (*BCE*) and not with
# softmax (*CE*), and make it deeper, best of {term}`B-cos` layers.

# %% [markdown]
# ## Parameters
#
# The networks are those of {doc}`03_training`. Heads are trained on features that are
# computed once, so each takes a second. Deeper heads, and networks that were trained in
# other ways, take minutes: the profile `study` has them.

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
heads: list[str] = [
    "linear",
    "linear, no bias",
]  # heads on the baseline, linear among them
head_epochs: int = 16  # passes over features, a head
head_batch: int = 64  # pictures a step of a head
sgd_rates: list[float] = [3.0, 0.3]  # learning rates that SGD tries, falling
adam_rates: list[float] = [0.01, 0.001]  # those that Adam tries, falling
networks: list[str] = [
    "untrained"
]  # further networks: untrained, simclr, tiny-clip, b-cos
grids: int = 200  # grids of 2 x 2
methods: list[str] = [
    "gradcam",
    "gradcampp",
    "ixg",
    "guided",
    "lrp",
]  # saliency methods by name
method_grids: int = 8  # grids of the methods' table
lime_grids: int = 0  # grids of LIME's switch, 0 for none
labelled: int = 360  # scenes of several classes
pretrain_pictures: int = 2000  # pictures without labels
pretrain_epochs: int = 20  # passes over them
tokens_epochs: int = 0  # passes of the small transformer
bcos_epochs: int = 40  # passes of the B-cos network

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import pandas as pd

from helpers.chapters import probing_chapter as probing
from helpers.chapters import probing_claims as claims
from helpers.chapters import probing_confounds as confounds
from helpers.chapters import probing_labels as labels
from helpers.chapters import probing_lico as lico
from helpers.chapters import probing_methods as saliency
from helpers.chapters import probing_networks as between
from helpers.chapters import probing_published as published
from helpers.chapters import probing_real as real
from helpers.chapters import probing_shift as mechanism
from helpers.chapters.probing import Arm
from helpers.report import figures, frames, probing_figures, records, tables

figures.theme()

# %% [markdown]
# Names and ranges are checked, then the runs are loaded; one that is missing is
# trained.

# %% tags=["hide-input"]
chapter = probing.Probing.of(
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
    heads=heads,
    head_epochs=head_epochs,
    head_batch=head_batch,
    sgd_rates=sgd_rates,
    adam_rates=adam_rates,
    networks=networks,
    grids=grids,
    methods=methods,
    method_grids=method_grids,
    lime_grids=lime_grids,
    labelled=labelled,
    pretrain_pictures=pretrain_pictures,
    pretrain_epochs=pretrain_epochs,
    tokens_epochs=tokens_epochs,
    bcos_epochs=bcos_epochs,
)

# %%
arms = chapter.trained()
study = records.recorded(probing.STUDY)
pd.DataFrame(
    {"arm": name, "runs": len(runs), "first folder": runs[0].folder.name}
    for name, runs in arms.items()
).pipe(tables.show)

# %% [markdown]
# ## A head before pooling
#
# A frozen network gives a picture $x$ its maps $F$, a vector $f_p$ of $C$ numbers in
# each of $d'$ cells. A head $g$ reads every cell by itself, as a layer of $1 \times 1$,
# and the logits are the mean over the cells:
#
# $$
# \begin{aligned}
# z_c(x) &= \frac{1}{d'} \sum_{p=1}^{d'} g_c(f_p), \\
# g_c(f) &= w_c \cdot f + b_c \quad \text{(linear)}.
# \end{aligned}
# $$ (eq-11-head)
#
# So each cell has evidence for each class, and Grad-CAM of a linear head is that
# evidence without its negative part, $\max(0, w_c \cdot f_p)/d'$. The two losses, for a
# picture of class $y$:
#
# $$
# L_\mathrm{CE} = -\log \frac{e^{z_y}}{\sum_c e^{z_c}}
# $$ (eq-11-ce)
#
# $$
# \begin{aligned}
# L_\mathrm{BCE} = -\frac1K \sum_c \bigl[\, & t_c \log \sigma(z_c) \\
# & + (1 - t_c) \log(1 - \sigma(z_c)) \,\bigr]
# \end{aligned}
# $$ (eq-11-bce)
#
# with $t_y = 1$ and all other $t_c = 0$. Softmax compares classes. Sigmoids ask each by
# itself: the logit of an absent class must be negative, so there must be evidence
# *against* it.
#
# ### The grids
#
# {term}`GridPG` puts four pictures of different classes into one and asks for each: how
# much of the map's positive part lies in its cell? Chance is 1/4. Here one seeded list
# of grids is drawn from the pictures that *every* compared head names correctly, and
# the grid is the unit. A map without a positive part scores 0. A network without
# training is beside them, as a control with grids of its own; where it has too few such
# pictures its grids are drawn from all, and are not *fair*.

# %%
data = chapter.material()
frozen = chapter.frozen(arms, 0, data)
found = chapter.benches(frozen, seeds[0])
own = chapter.page(arms, 0, found)
tables.show(between.networks(own))

# %% [markdown]
# The first columns need no head: how often the nearest training pictures have the
# label, how far the features spread over the sphere (a network whose features
# collapsed has under .1) and how many dimensions they use. A network is *fit* if its
# softmax head scores above chance and below a perfect map; one that is not is left out
# of what follows.

# %% [markdown]
# ## The rules, before the results
#
# Margins are those of {doc}`00_laboratory`, with its rule for baselines that vary more.
# The unit is the training seed; one seed alone is *undecided*.

# %%
tables.show(claims.rules())

# %% [markdown]
# Learning rates are chosen for each head by validation accuracy alone; no map is
# looked at. That is no formality: the gradient of {eq}`eq-11-bce` is about $K$ times
# smaller than that of {eq}`eq-11-ce`, so one rate for both favours one of them.
#
# ## The effect

# %% mystnb={"figure": {"name": "fig-11-effect", "caption": "**Same network, like accuracy, other maps.** GridPG of Grad-CAM (left) and accuracy (right) of heads on one frozen network. Circles: trained with softmax; squares: with sigmoids; arrows from one to the other. Each head at the rate of its best validation accuracy."}, "image": {"alt": "Dot plot with a row for each head and optimiser. Left, GridPG of heads trained with CE and BCE joined by arrows, with a dotted line at chance; right, their accuracies, which lie close together."}}
probing_figures.losses_apart(claims.points(own), claims.FLOOR)
plt.show()

# %% [markdown]
# Read the arrows one optimiser at a time. In numbers, with the length of the mean
# weight (explained below) and the verdict of this page's seeds:

# %%
tables.show(claims.effects(own))

# %% [markdown]
# And from the recorded study, where every head has five networks under it:

# %%
records.of(study, claims.effects).pipe(tables.show)

# %% [markdown]
# The published claim names no optimiser, so it has to hold under both. The `pictures`
# of these lines are grids:

# %%
judged = own if study is None else study
whole = claims.whole(judged)
for part in claims.effect_verdicts(judged):
    print(part.sentence)
whole

# %% [markdown]
# ## The mechanism: what softmax cannot see
#
# Add one vector $v$ to the weights of *all* classes. Every logit moves by the same
# number, and softmax does not notice:
#
# $$
# w_c \to w_c + \delta v
# \;\Rightarrow\;
# \begin{aligned}
# \mathrm{softmax}(z) &\to \mathrm{softmax}(z), \\
# w_c \cdot f_p &\to w_c \cdot f_p + \delta\, v \cdot f_p .
# \end{aligned}
# $$ (eq-11-shift)
#
# Predictions, probabilities and the loss stay. In each cell the evidence for all classes
# moves by one amount, and by another in the next cell. So under softmax the map has a
# freedom that no data ever fix. Where it ends up is left to the start and the optimiser:
# the gradient of {eq}`eq-11-ce` sums to zero over the classes, so plain gradient descent
# keeps the mean weight $\bar w = \frac1K \sum_c w_c$ where it began, near zero. Adam
# scales each weight's gradient by itself, and the sum is zero no more. Sigmoids see
# $\bar w$ and set it. In double precision, on the softmax head:

# %%
bench = found["ce"]
head = bench.head(Arm("linear", "ce", "SGD"))
exact = mechanism.exactness(bench, head)
tables.show(mechanism.in_powers(exact))

# %% [markdown]
# The probabilities differ by rounding alone; logits and maps do not. Now take $v$ along
# the mean feature of all pictures, as long as a weight is on average, and move
# $\delta$:

# %%
vector = mechanism.direction(bench, head)
swept = mechanism.sweep(bench, head, vector)
rival = bench.head(Arm("linear", "bce", "SGD"))
reference = float(bench.gridpg(rival).mean())
shown = mechanism.one_grid(bench, head, vector)
tables.show(swept)

# %% mystnb={"figure": {"name": "fig-11-shift", "caption": "**One classifier, many maps.** Above: a grid and Grad-CAM of the framed picture's class, by the same head with a vector added to all classes' weights. Below: GridPG over all grids, and accuracy, which stays. Dotted: GridPG of the head that was trained with sigmoids."}, "image": {"alt": "A grid of four scenes and five heat maps that spread from the framed picture to the whole grid as delta rises; below, a curve of GridPG that rises to a peak at a negative delta and falls, beside a flat line of accuracy."}}
probing_figures.strip(
    shown.picture,
    shown.maps,
    mechanism.DELTAS,
    swept,
    shown.place,
    reference,
    chosen=[1, 3, 5, 7, 9],
)
plt.show()

# %% [markdown]
# Move it yourself. The classifier is the same at each place:

# %% mystnb={"figure": {"name": "fig-11-slider", "caption": "**One classifier, moved.** Left: Grad-CAM of the framed picture's class. Right: where that head lies on the curve of {numref}`fig-11-shift`."}}
frames.over(
    range(len(mechanism.DELTAS)),
    lambda i: probing_figures.frame(
        shown.picture, shown.maps[i], mechanism.DELTAS[i], swept, 0, reference
    ),
    moved="delta",
    label=lambda i: f"{mechanism.DELTAS[i]:+g}",
    alt=lambda i: f"Map of {shown.name} at delta {mechanism.DELTAS[i]:+g}",
)

# %% [markdown]
# ### Centred weights
#
# The control takes the mean weight away from every head. All of them still name the
# class that they named, and a softmax has its probabilities too. If the mean weight is
# what differs between the losses, centred heads must not differ:

# %% mystnb={"figure": {"name": "fig-11-centred", "caption": "**The mean weight.** Left: GridPG against the length of the mean weight, in mean lengths of a weight. Right: the same heads as trained and with centred weights, which name the same class. Filled: SGD; open: Adam."}, "image": {"alt": "Left, points of GridPG against the length of the mean weight, for CE and BCE under SGD and Adam. Right, lines from the value as trained to the value with centred weights."}}
probing_figures.centring(claims.points(own), claims.FLOOR)
plt.show()

# %%
centred = [claims.lines(claims.effect_verdicts(judged, "centred"))]
pd.concat(centred).pipe(tables.show)

# %% [markdown]
# ## Controls: other methods, no training, no head
#
# Every method that a network of this kind is valid for, on the first grids of the list,
# for a head of either loss and for one that was never trained. A method whose map does
# not depend on the class asked for has exactly 1/4.

# %% mystnb={"figure": {"name": "fig-11-methods", "caption": "**Method by method.** GridPG of linear heads trained by SGD with softmax and with sigmoids, and of a head with random weights. Dotted: chance."}, "image": {"alt": "Dot plot with a row for each saliency method and marks for CE, BCE and a random head, with a dotted line at chance."}}
by_method = chapter.methods_of(bench, seeds[0])
compared = saliency.table(by_method)
probing_figures.methods(compared, list(by_method), claims.FLOOR)
plt.show()

# %%
tables.show(compared)

# %% [markdown]
# {term}`Rollout` follows the attention of a small Vision Transformer, which only the
# profile `study` trains, and never reads the head. Whatever head is trained, its effect
# must be zero to the last bit, and its score chance. CGW1 weighs the attention by
# relevance and gradient {cite:p}`chefer2021cgw`, CGW2 by the gradient alone:

# %%
tokens = chapter.tokens_of(data, seeds[0])
tables.show(published.tokens_table(tokens), digits=6)

# %%
records.of(study, published.methods_of).pipe(tables.show)

# %% [markdown]
# ## Confounds, a switch at a time
#
# Where two losses are compared, more than the loss can differ. In
# `sidgairo18/how-to-probe` (e703756) sigmoids are trained with off-targets $1/K$ in
# place of 0; the logit bias of some pairs of files differs; grids are drawn for each
# model by itself, from pictures it is sure of; some methods are blurred with a width of
# 129 pixels and others with 5; LIME explains softmax for one loss and a sigmoid for the
# other. Each switch below changes one thing, for both heads or for the one it concerns,
# on the first of the grids:

# %% mystnb={"figure": {"name": "fig-11-confounds", "caption": "**What moves the difference.** GridPG of the BCE head less that of the CE head, linear, SGD, as in this chapter (dashed) and with one thing changed."}, "image": {"alt": "Horizontal dot plot with a row a switch; dots lie at the difference of GridPG between BCE and CE, joined to the dashed line of this chapter's own difference."}}
switches = [
    confounds.Switch(**row) for row in chapter.switches_of(bench, seeds[0])
]
probing_figures.switches(confounds.table(switches))
plt.show()

# %% [markdown]
# The off-targets deserve a second look. A sigmoid that starts at $-\log(K-1)$ says
# $1/K$ everywhere, which is then exactly what is asked of an absent class: nothing
# pushes evidence below zero, and nothing moves the mean weight.

# %%
tables.show(confounds.table(switches))

# %% [markdown]
# A wide blur also lowers what is reachable. The ceilings of GridPG for a perfect map
# under the published widths:

# %%
tables.show(published.ceilings())

# %% [markdown]
# ## Deeper heads, and B-cos
#
# A B-cos layer multiplies each output by its cosine with the input {cite}`boehle2022bcos`:
# evidence counts where it is aligned. It has no bias and no ReLU, and no mean weight to
# be free: its weights are unit vectors. These heads are trained by the profile `study`.

# %%
records.of(study, published.heads_table).pipe(tables.show)

# %%
records.of(study, lambda one: claims.lines(claims.depth_verdicts(one))).pipe(
    tables.show
)

# %% [markdown]
# {term}`Gini` (high: gathered) and entropy (low: gathered) say how compact maps are, not
# whether they are right; both are computed on maps divided by their maximum, since an
# absolute constant in the published Gini makes it depend on the maps' scale.
#
# ## The head or the pre-training?

# %% mystnb={"figure": {"name": "fig-11-networks", "caption": "**Heads on several networks.** GridPG of linear heads by network. The untrained network has grids of its own. Filled: SGD; open: Adam; circles: softmax; squares: sigmoids."}, "image": {"alt": "Dot plot with a column for each network and marks for heads of both losses and optimisers, with a dotted line at chance."}}
by_name = {
    name: claims.points(own, name).query("head == 'linear'") for name in found
}
probing_figures.by_network(by_name, claims.FLOOR)
plt.show()

# %% [markdown]
# How much of the variance of GridPG lies between heads, and how much between networks?
# A balanced table of heads, networks and seeds divides exactly into these sources; the
# control without training is left out.

# %%
against = between.probe_or_network(judged)
tables.show(between.sources(against))

# %% [markdown]
# In the study the networks are also one trained without labels ({term}`SimCLR`), the
# tiny CLIP and a B-cos network; what they know without a head:

# %%
records.of(study, between.networks).pipe(tables.show)

# %% [markdown]
# ## Several labels: energy in boxes
#
# Scenes of one to four classes, a box an object. A softmax has no place here; the
# published heads differ in their off-targets instead, B-cos with $1/K$ and standard
# ones with 0. {term}`EPG` is the share of a map in the boxes of the class asked for.

# %%
several = labels.several(bench.frozen.network, labelled, size)
pair = [Arm("linear", name, "SGD") for name in ("bce", "bce-uniform")]
trained = [
    labels.trained_head(arm, several, chapter.training(), seeds[0])
    for arm in pair
]
tables.show(published.labels_table(trained, several))

# %% mystnb={"figure": {"name": "fig-11-boxes", "caption": "**Several objects, one asked for.** Scenes with the boxes of one of their classes (cyan) and Grad-CAM of that class, for off-targets 0 and 1/K."}, "image": {"alt": "Four scenes with several objects and cyan boxes around the objects of one class; below, two rows of heat maps of that class with the same boxes."}}
probing_figures.boxed(
    *labels.examples(trained, several, ["target 0", "target 1/K"])
)
plt.show()

# %% [markdown]
# ## Back to LICO
#
# {doc}`03_training` asked whether language makes maps better. Here is a cheaper change:
# keep LICO's network, and train its head once more, with sigmoids. Which of the two
# moves the maps more? And how much do they move if *nothing* changes but the random seed
# of the network?

# %%
moved = chapter.lico_of(arms, 0, found)
own["arms"]["heads"][str(seeds[0])]["lico"] = moved
tables.show(
    pd.concat(
        lico.table([rows]).assign(optimiser=name)
        for name, rows in moved.items()
    )
)

# %% mystnb={"figure": {"name": "fig-11-lico", "caption": "**Three ways to change a map.** 1 - cosine of Grad-CAM of the true class before and after: the loss of LICO's head (SGD), LICO in place of the baseline under heads of one loss, and another seed of the baseline. Boxes: quartiles over pictures; whiskers: to 1.5 boxes; diamonds: means."}, "image": {"alt": "Three horizontal box plots of one minus the cosine between maps, for the loss of the head, for LICO and for another random seed."}}
probing_figures.unlikeness(lico.unlikenesses(moved["SGD"]))
plt.show()

# %% [markdown]
# A network that is trained anew differs from its twin wherever it happens to end; only
# what goes beyond *changing nothing* is LICO's. The verdict on the place of the maps,
# by how far SCH moves, picture by picture:

# %%
for name in claims.OPTIMISERS:
    verdict = claims.head_moves_more(judged, name)
    print("no masks: no SCH" if verdict is None else verdict.sentence)

# %%
records.of(study, published.lico_rows).pipe(tables.show)

# %% [markdown]
# ## On photographs
#
# The same heads on the ResNet-56 for CIFAR-10 of `akamaster/pytorch_resnet_cifar10`
# (d5489e8), under the published recipes, over five seeds. Grids of 2 x 2 and 3 x 3; the
# floors are 1/4 and 1/9.

# %%
photographs = records.recorded(real.PHOTOGRAPHS, real.COMMAND)
records.of(photographs, real.table).pipe(tables.show)

# %%
records.of(photographs, real.differences).pipe(tables.show)

# %% [markdown]
# ## Published direction, and ours
#
# The text at hand, the paper without its tables, states directions; so directions are
# what can be compared.

# %%
tables.show(published.directions(judged))

# %% [markdown]
# ## What deviates, and why
#
# - *Size.* A network of four blocks and 24 classes stands for a ResNet-50 and 1,000; a
#   feature cell is 8 pixels, a picture 8 x 8 cells. Grids have 2 x 2 pictures on this
#   page and no smoothing: the width of 5 pixels of 224 is one pixel here.
# - *Recipes.* The paper has Adam with warm-up and a cosine; most files of
#   `sidgairo18/how-to-probe` (e703756) have SGD at rate 30 and steps. Both are crossed
#   with both losses here, with fewer epochs, a batch for a small data set, and rates
#   chosen on validation accuracy.
# - *BCE* is {eq}`eq-11-bce` with off-targets 0. The published files have $1/K$; it is a
#   switch above.
# - *Grids* are one seeded list for all heads, of pictures that all get right, without
#   a bar of confidence; published are lists for each model of pictures with .95.
# - *Grad-CAM* reads the last feature map. The published call reads the last
#   convolution of the last block, before its norm, sum and ReLU.
# - *Transformer heads* read the class token, so that methods on attention are valid.
# - *SimCLR* stands for the published MoCo v2, BYOL and DINO; batches hold pictures that
#   look alike, since among scenes of all places the place alone would do.

# %% [markdown]
# ## Exercises
#
# ```{exercise} A map that softmax allows
# :label: ex-11-allowed
#
# Features here end in a ReLU. Can you choose $v$ in {eq}`eq-11-shift` such that Grad-CAM
# of *every* class is zero everywhere, and the classifier still predicts what it did?
# ```
#
# ````{solution} ex-11-allowed
# :label: sol-11-allowed
# :class: dropdown
#
# Yes, where every cell has a feature above zero: take $v$ with negative
# entries and $\delta$ large, so that $w_c \cdot f_p + \delta\, v \cdot f_p < 0$ for all
# classes and cells. The map is then empty, the probabilities are the same. A map of a
# softmax logit is a statement about the logit, not about the probability.
# ````

# %% [markdown]
# ```{exercise} Softmax, explained as such
# :label: ex-11-difference
#
# Explain $z_c - \frac1K\sum_k z_k$ in place of $z_c$. Which of this chapter's heads is
# that, and what is its GridPG for both losses? `probing.with_centred(bench, head)` gives
# a head's GridPG on every grid, as trained and with centred weights.
# ```

# %% [markdown]
# ```{solution-start} ex-11-difference
# :label: sol-11-difference
# :class: dropdown
# ```
#
# It is the head with centred weights: the difference does not see $v$ either.

# %% tags=["solution"]
for loss in ("ce", "bce"):
    one = bench.head(Arm("linear", loss, "SGD"))
    before, after = probing.with_centred(bench, one)
    print(f"{loss}: {before.mean():.3f}, centred {after.mean():.3f}")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} Where does the gradient go?
# :label: ex-11-gradient
#
# Show that $\sum_c \partial L_\mathrm{CE} / \partial w_c = 0$, and that it is not so
# for {eq}`eq-11-bce`. Why then does the mean weight move under Adam, and would weight
# decay, which no head here has, keep it at zero?
# ```
#
# ````{solution} ex-11-gradient
# :label: sol-11-gradient
# :class: dropdown
#
# $\partial L_\mathrm{CE} / \partial w_c = (p_c - [c = y])\,\bar f$ with
# $\bar f$ the mean cell, and both $p$ and the indicator sum to 1 over the classes.
# With sigmoids the sum is $\frac1K \sum_c (\sigma(z_c) - t_c)\,\bar f$, which is zero
# only if the sigmoids sum to 1. Adam divides each entry of the gradient by the root of
# its own running square: rows of small gradients count as much as others, and the sum
# of the steps is not zero. Decay would shrink all weights alike and balance against
# those steps; it does not remove them.
# ````

# %% [markdown]
# ## Take away
#
# - A head can be exchanged without a change of prediction, and the map changes with it:
#   what is scored is the pair of network and head.
# - Softmax leaves the mean weight free. Start and optimiser fill the gap, so a
#   comparison of losses must cross them, and show heads with centred weights.
# - Off-targets, logit bias, rate, blur and the list of grids are part of the result.
#
# ## Provenance

# %% tags=["hide-input"]
pd.DataFrame(
    {"arm": name, "seed": run.settings.seed, **records.origin(run.provenance)}
    for name, runs in arms.items()
    for run in runs
).pipe(tables.show)
