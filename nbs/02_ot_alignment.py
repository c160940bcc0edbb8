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
# # Optimal transport: channels and words
#
# :::{admonition} In this chapter
# :class: tip
# - see what LICO's transport loss moves: the channels of one picture to the tokens of
#   its class prompt, and at what cost;
# - compute a transport plan by Sinkhorn's algorithm, and check it against a library;
# - hold the plan of a trained network against plans of features in which there is
#   nothing to find;
# - tell apart four gradients of the same loss, one of which is zero;
# - see the plan of every published version at the same features.
#
# *Reading: 30 minutes. Running: 1 minute once the runs exist, 4 to 8 from nothing, on
# two cores.*
# :::
#
# LICO has two language losses. One compares pictures with each other. The other, the
# subject here, looks at one picture at a time: its feature maps on one side, the words
# of its class prompt on the other. It asks how cheaply the first can be turned into
# the second. The answer is a *transport plan*, a table of who goes to whom.
#
# :::{admonition} Claim — {cite:t}`lei2023lico`, as stated by {cite:t}`bartak2024lico`, section 3.1
# :class: claim
# > The goal of MM loss is to provide coarse alignments between the two manifolds based
# > on the similarities between pairs of samples within each mini-batch, while OT loss is
# > responsible for establishing a correlation between text tokens and feature maps for
# > individual data points.
# :::
#
# Whether such a correlation is there can be read off the plan. But a plan exists for
# any two sets of features, also for noise. So each number below stands beside the same
# number from controls.

# %% [markdown]
# ## Parameters
#
# All that can be changed from outside. Only `epsilons` is this chapter's own.

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
epsilons: list[float] = [
    1.0,
    0.3,
    0.1,
    0.03,
    0.01,
    0.003,
]  # strengths of the entropic term, from large to small

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import ot
import pandas as pd
import torch

from helpers.chapters import (
    moved,
    ot_alignment,
    ot_gradients,
    ot_plans,
    ot_presets,
)
from helpers.report import arms as tables_of
from helpers.report import (
    figures,
    moved_figures,
    records,
    solver_figures,
    tables,
    transport_figures,
)

figures.theme()

# %% [markdown]
# Two networks a seed are loaded, or trained if they are missing: one by LICO as the
# paper describes it, one without any text, as a control.

# %% tags=["hide-input"]
chapter = ot_alignment.OtAlignment.of(
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
    epsilons=epsilons,
)

# %%
arms = chapter.trained()
lico, plain = arms[ot_alignment.LICO], arms[ot_alignment.BASELINE]
made = {name: [run.record for run in runs] for name, runs in arms.items()}
tables.show(tables_of.accuracy_of(made))

# %% [markdown]
# The strength $\varepsilon$ of the entropic term is a setting of the run. The plans
# below are those of the first seed, on test pictures, with the networks in evaluation
# mode; but for the untrained one, whose batch norms take the statistics of these
# pictures.

# %%
run, shown = lico[0], chapter.shown()
epsilon = ot_alignment.method(run).epsilon
words = ot_alignment.token_names(run)
every_seed = [
    ot_alignment.features(one, other, shown)
    for one, other in zip(lico, plain, strict=True)
]
found = every_seed[0]
print(f"epsilon {epsilon}, {len(shown)} pictures, {len(words)} tokens")

# %% [markdown]
# ## A transport small enough to do by hand
#
# Three channels each own a third of a heap of sand. Two tokens each must receive half
# of it. To move a unit from channel $i$ to token $j$ costs $c_{ij}$. A plan $T$ says
# how much goes where: its rows sum to $1/3$, its columns to $1/2$, and
# $\langle T, c \rangle = \sum_{ij} T_{ij} c_{ij}$ is the bill.
#
# The cheapest plan is on the right. Channel 1 is near token 1, channel 3 near token 2.
# Channel 2 would rather go to token 2 as well, but there is no room for all of it: it
# is split. The other plans are made to spread, the more the larger $\varepsilon$.

# %% mystnb={"figure": {"name": "fig-02-toy", "caption": "**Three channels, two tokens.** A cost, and the plans that answer it: with much entropy, with less, with none. In each plan a row sums to 1/3 and a column to 1/2."}, "image": {"alt": "Four small tables of three rows and two columns: the cost, then three plans that go from nearly equal entries to a plan in which two channels go wholly to one token and the middle one is split."}}
transport_figures.toy(*ot_plans.toy())
plt.show()

# %% [markdown]
# ## What LICO transports
#
# A picture has $C$ channels, each a map of $d'$ cells: the rows of $F_i$. Its prompt
# has $M$ tokens, $n_\mathrm{ctx}$ learnable ones and the class name; a frozen text
# model and the projection $h_\psi$ turn each into $d'$ numbers: the rows of $G_i$. So a
# token can be drawn as a map too, and compared with a channel cell by cell. Each
# channel weighs $\mu = 1/C$, each token $\nu = 1/M$.

# %% mystnb={"figure": {"name": "fig-02-features", "caption": "**Channels and tokens.** Top: a test picture and its six strongest channels. Below: the projected tokens of its prompt, learnable ones X and the class name; orange is negative, purple positive."}, "image": {"alt": "A small picture with six channel maps in a row, and below it thirteen coarse maps, one for each token of the prompt."}}
given = found[ot_alignment.TRAINED]
side = round(given.maps.shape[2] ** 0.5)
maps = given.maps[0].unflatten(1, (side, side))
strongest = maps.mean((1, 2)).topk(6).indices.tolist()
transport_figures.maps_and_tokens(
    shown.images[0],
    maps,
    strongest,
    given.tokens[0].unflatten(1, (side, side)),
    words,
)
plt.show()

# %% [markdown]
# How far a channel is from a token is not in the paper: {cite:t}`bartak2024lico` note
# (section 5.1) "the cost function c in eq. (4) not being defined". The published codes
# agree on one: scale each row to length 1 and take the squared distance,
#
# $$ c_{ij} = \Bigl\lVert \frac{F_i}{\lVert F_i \rVert} -
# \frac{G_j}{\lVert G_j \rVert} \Bigr\rVert^2 = 2 - 2 \cos(F_i, G_j) \in [0, 4]. $$ (eq-02-cost)
#
# Here $F_i$ and $G_j$ are row $i$ and row $j$ of one picture's features. The length of
# a row has no part in it: a channel that fires weakly costs as much as a strong one of
# the same shape. A silent channel has no direction; its cosine is set to 0, its cost
# to 2.

# %% mystnb={"figure": {"name": "fig-02-cost", "caption": "**The cost matrix** of the same picture: what each channel would pay to go to each token."}, "image": {"alt": "Heat map with thirteen rows, the tokens, and one column a channel; the shade is the cost."}}
cost = given.cost()
transport_figures.cost_matrix(cost[0], words)
plt.show()

# %% [markdown]
# ## Sinkhorn's algorithm
#
# LICO does not use the cheapest plan but an *entropic* one {cite:p}`cuturi2013sinkhorn`,
#
# $$ T = \operatorname*{arg\,min}_{T \mathbf{1} = \mu,\; T^\top \mathbf{1} = \nu}
# \langle T, c \rangle - \varepsilon H(T), \qquad
# H(T) = -\sum_{ij} T_{ij} \log T_{ij}. $$ (eq-02-plan)
#
# It is smooth in the cost, and easy to find. Its entries must have the form
# $T_{ij} = \exp(f_i + g_j - c_{ij} / \varepsilon)$. Set $f$ so that the rows are
# right; this spoils the columns. Set $g$ so that the columns are right; this spoils
# the rows, but less than before. Go on.

# %%
mu, nu = ot_plans.marginals(cost[0])  # 1/C each, 1/M each
scores = -cost[0] / epsilon
g = torch.zeros(1, len(nu), dtype=torch.float64)
for _ in range(300):
    f = mu.log()[:, None] - (scores + g).logsumexp(1, keepdim=True)
    g = nu.log() - (scores + f).logsumexp(0, keepdim=True)
plan = (scores + f + g).exp()
print(f"rows wrong by {(plan.sum(1) - mu).abs().sum():.1e}")
print(f"columns wrong by {(plan.sum(0) - nu).abs().sum():.1e}")

# %% [markdown]
# POT, a library of optimal transport {cite:p}`flamary2021pot`, should give the same
# plan. So should the solver that the book trains with, which takes Newton steps
# instead. Differences are in units of an entry of the uniform plan, $1/(CM)$.

# %%
library = ot.sinkhorn(
    mu, nu, cost[0], epsilon, method="sinkhorn_log", stopThr=1e-12
)
newton = ot_plans.example_plans(found, epsilon)[ot_alignment.TRAINED]
pd.DataFrame(
    {
        "plan": name,
        "largest difference": float((other - plan).abs().max() * plan.numel()),
        "⟨T, c⟩": float((other * cost[0]).sum()),
    }
    for name, other in {"POT": library, "the book's": newton}.items()
).pipe(lambda frame: tables.show(frame, 12))

# %% [markdown]
# ### How many iterations?
#
# That depends on $\varepsilon$. The error is the sum over channels of
# $\lvert \sum_j T_{ij} - \mu \rvert$: at 0 the plan is a plan, at 1 half of the mass is
# at the wrong channel. The smaller $\varepsilon$, the flatter the line: a loop with a
# fixed number of iterations returns something else where $\varepsilon$ is small.

# %% mystnb={"figure": {"name": "fig-02-convergence", "caption": "**Sinkhorn's convergence** on trained features: error of the rows after each iteration, a line for each epsilon, mean over eight pictures."}, "image": {"alt": "Log-log line plot: the error falls steeply for large epsilon and slowly for small epsilon."}}
errors = ot_plans.convergence(cost[:8], epsilons, most=1000)
transport_figures.convergence(errors)
plt.show()

# %% [markdown]
# ## The plan, and plans of nothing
#
# Two numbers describe a plan. Its *entropy* $H(T) / \log(CM)$ is 1 for the uniform
# plan, in which every channel sends the same to every token. Its *gain*,
#
# $$ 1 - \frac{\langle T, c \rangle}{\text{mean}_{ij} \, c_{ij}}, $$ (eq-02-gain)
#
# is what it saves over the uniform plan.
#
# Six kinds of features are compared; five are controls. *Trained without text*: the
# maps of the network that saw no words, against the tokens that LICO learned.
# *Untrained network*: maps, prompts and projection as LICO's training began. *Another
# class's text*: trained maps, but the prompt of a wrong class. *Shuffled cells*: each
# trained map with its cells in a random order. *Gaussian features*: noise of the same
# shape on both sides.

# %% mystnb={"figure": {"name": "fig-02-plans", "caption": "**Plans of one picture**, in multiples of the uniform plan. Channels are sorted by the token to which they send most, in each panel anew. The first is the trained network; the others are controls."}, "image": {"alt": "Four heat maps one below the other with a row a token and a column a channel: trained, trained without text, untrained network and Gaussian features."}}
kinds = (
    ot_alignment.TRAINED,
    ot_alignment.WITHOUT,
    ot_alignment.UNTRAINED,
    ot_alignment.GAUSSIAN,
)
few = {name: found[name] for name in kinds}
transport_figures.plans(ot_plans.example_plans(few, epsilon), words)
plt.show()

# %% [markdown]
# The same in numbers, means over pictures. *Saved* is the mean cost minus
# $\langle T, c \rangle$; *by another's plan* is the gain where each picture is given
# the plan of the picture before it.

# %%
tables.show(ot_plans.compare(found, epsilon))

# %% [markdown]
# Noise has a plan too, and it saves something: among $C$ random channels some are
# nearer to a token than others. So a gain above 0 says nothing; it must be above that
# of the controls. And it must be read beside the mean cost: the gain is relative, and
# what it is relative to differs from row to row.
#
# The row of *another class's text* asks for the class: if the plan has found what goes
# with this class, a wrong one must cost more. Whether *words* matter is another
# question, since a random vector a class could pass as well ({doc}`03_training`).
#
# ### What the class token gets
#
# A plan cannot favour the class name: each token receives $1/M$ by construction,
# whatever the cost. The other tokens are learnable ones. With the name at the end of
# the prompt, and a text model that looks only backwards, they cannot know the class.

# %% mystnb={"figure": {"name": "fig-02-tokens", "caption": "**Mass and meaning of the tokens.** Left: the share of the plan's mass that each token gets; the dashed line is 1/M. Right: how far the token of one class is from that of another, mean over pairs of classes."}, "image": {"alt": "Two bar charts over the tokens: on the left all bars reach the same dashed line; on the right the bars show the distance between classes for each token."}}
masses = ot_plans.token_masses(given, epsilon)
transport_figures.token_bars(masses, ot_alignment.class_distances(run), words)
plt.show()

# %% [markdown]
# ### What there is to choose from
#
# Write $c_{ij} = \bar c + a_i + b_j + r_{ij}$: a mean, a part of the channel, a part of
# the token, and a rest. The marginals are fixed, so that no plan can change what $a$
# and $b$ contribute. Only the rest $r$ is a choice. *Choice* is its share of the cost's
# variance. It is small where all tokens look alike, or all channels do; so the table
# also holds the mean cosine of two channels of a picture, of one channel in two
# pictures, and of two tokens of a prompt. *Border* is the share of a channel that lies
# in the outermost cells: of 8 x 8 cells these are 28 of 64, so that .44 means nothing,
# as the row of shuffled cells shows. *Silent* is the share of channels that are 0 in a
# picture.

# %%
tables.show(ot_plans.likeness(found))

# %% [markdown]
# The loss is small if every channel looks like a token. As the learnable tokens are
# the same for all pictures, one way there is that every channel of every picture gets
# the same shape. A shape that any picture can have is the edge of the picture itself,
# which a convolution knows by its padding. {cite:t}`bartak2024lico` (section 5) saw
# "artifacts appearing around the borders of the saliency maps". Whether this network
# went that way is seen in its mean channel, and in the last columns of the table.

# %% mystnb={"figure": {"name": "fig-02-template", "caption": "**The mean channel** of six test pictures, each channel scaled to length 1 before the mean: trained with LICO, and trained without text."}, "image": {"alt": "Six pictures in a row, and below each two coarse overlays that show the mean channel of the LICO network and of the network trained without text."}}
six = shown.first(6)
mean_maps = {
    name: ot_alignment.mean_map(found[kind].maps[:6], six.images.shape[-1])
    for name, kind in (
        ("LICO", ot_alignment.TRAINED),
        ("without text", ot_alignment.WITHOUT),
    )
}
titles = [shown.class_names[label] for label in six.labels]
figures.overlays(six.images, mean_maps, titles)
plt.show()

# %% [markdown]
# ## From much entropy to none
#
# With $\varepsilon \to 0$ the plan becomes the cheapest one, which POT computes
# exactly; with $\varepsilon \to \infty$ it becomes uniform. The setting of the runs
# lies between.

# %% mystnb={"figure": {"name": "fig-02-sweep", "caption": "**The plan over epsilon**: entropy, gain and cost, means over pictures. Left of the grey line: the exact plan. The first kind is the trained network; the others are controls."}, "image": {"alt": "Three line plots over epsilon on a logarithmic axis with an exact end point at the left: entropy rises with epsilon, gain falls and the cost rises, for four kinds of features."}}
swept = ot_plans.sweep(few, epsilons)
transport_figures.sweep(swept)
plt.show()

# %% [markdown]
# The same for the trained features alone:

# %%
of_trained = swept[swept["features"] == ot_alignment.TRAINED]
tables.show(of_trained, 4)

# %% [markdown]
# And the plan itself, for one picture. Move $\varepsilon$ by mouse or by the arrow
# keys. At which value do channels begin to belong to a token?

# %% mystnb={"figure": {"name": "fig-02-moved", "caption": "**Epsilon, moved by hand.** Left: the plan of one picture in the trained network, in multiples of the uniform plan, channels in one order. Right: entropy and gain, means over pictures, with a line at the epsilon of the plan. The first frame is that of the runs."}}
moved_figures.plans_over_epsilon(
    moved.plans(given, epsilons), of_trained, words, epsilon
)

# %% [markdown]
# ## Four gradients of one loss
#
# The loss is $L_\mathrm{OT} = \langle T, c \rangle$, and $T$ itself depends on $c$. So
# the gradient has two parts: the cost changes under a fixed plan, and the plan changes,
#
# $$ \frac{\partial \langle T, c \rangle}{\partial c_{ij}} = T_{ij} +
# \frac{T_{ij}}{\varepsilon} \left( \alpha_i + \beta_j - c_{ij} \right). $$ (eq-02-gradient)
#
# The second part is known without going back through the iterations: $\alpha$ and
# $\beta$ are the numbers for which it sums to 0 over each row and each column, since a
# change of the cost leaves the marginals as they are (the implicit function theorem).
# Four gradients are in use:
#
# - *through the plan*: both parts, equation {eq}`eq-02-gradient`;
# - *plan detached*: the first part alone;
# - *envelope*: the first part alone, of another value, $\langle T, c \rangle -
#   \varepsilon H(T)$. $T$ minimises just this, so that its own change does not matter,
#   and the first part is the whole gradient;
# - *none*: plan and cost are both computed without a gradient.
#
# Is each the slope of the value that it is said to be? The cost is moved by a little in
# a random direction, and the change of the value is measured.

# %%
tables.show(ot_gradients.slopes(given.first(8), epsilon), 9)

# %% [markdown]
# What reaches the classifier is the gradient on the feature maps $F$. There each is
# held against the exact one: how long is the difference, relative to the exact one,
# and do they point the same way? A further line is that of the *uniform plan*, that
# is of the mean cost: there nothing is chosen, all channels are drawn to all tokens.

# %% mystnb={"figure": {"name": "fig-02-gradients", "caption": "**Gradients on the feature maps against the exact one**: relative norm of the difference and cosine, over epsilon. Envelope and detached gradients coincide: they differ in the value that they belong to."}, "image": {"alt": "Four line plots over epsilon: relative difference and cosine of the envelope, detached and uniform gradients, for trained features and for Gaussian features."}}
pair = {
    name: found[name].first(16)
    for name in (ot_alignment.TRAINED, ot_alignment.GAUSSIAN)
}
slopes = ot_gradients.gradients(pair, epsilons)
transport_figures.gradients(slopes[slopes["gradient"] != ot_gradients.NONE])
plt.show()

# %% [markdown]
# In numbers, at the epsilon of the runs:

# %%
tables.show(ot_gradients.gradients(pair, [epsilon]))

# %% [markdown]
# ## The plan of every preset
#
# Three published codes share one loop of Sinkhorn, with settings of their own; the
# presets of this book take theirs, or run until the plan converges. Their texts differ
# too ({doc}`01_text_features`), but that is another question. So here all are given
# *the same* features, and only $\varepsilon$, the number of iterations and the
# gradient are those of a preset:

# %%
pd.DataFrame(
    {
        "presets": names,
        "epsilon": how.epsilon,
        "iterations at most": how.most or "until it converges",
        "gradient": how.gradient,
    }
    for names, how in ot_presets.solvers().items()
).pipe(tables.show, 4)

# %% [markdown]
# `authors_jan` and `authors_oct` are ymLeiFDU/LICO. It computes plan and cost without a
# gradient: the loss is added to the total, and whatever its weight $\beta$, nothing of
# it reaches the classifier. robertdvdk/lico-fact (`lico_fact`, `rebuttal`) and
# konradszewczyk/lico-reproduction (`repro_...`) go back through every iteration.
#
# The loop of the codes ends where $\varepsilon f$ hardly moves from one iteration to
# the next (by $10^{-3}$ in all, whatever $\varepsilon$ is), or at its limit. It sets
# the columns last: they are right in any case, and what is wrong is wrong in the rows.
# Where the end comes too early, the plan lies between the converged one and a
# *half-relaxed* one, in which every token gets its share, but takes it from the
# channels that are cheap. How far along it is, is the panel *value* of
# {numref}`fig-02-solvers`.

# %% mystnb={"figure": {"name": "fig-02-presets", "caption": "**Each preset's plan of one picture**, at the features with which training starts. Left: the plan, in multiples of the uniform one, channels in the same order in all. Right: what each channel sends, which a plan fixes at 1/C (dashed). The last panel is where the loop of the presets above it would end."}, "image": {"alt": "Five heat maps of plans one below the other, each beside a curve of the mass that its channels send, with a dashed line at one."}}
start = found[ot_alignment.UNTRAINED].first(8)
solver_figures.plans_and_rows(ot_presets.plans_of_one(start))
plt.show()

# %% [markdown]
# In numbers, for trained features and three controls. *Row error* is the error of
# {numref}`fig-02-convergence` at the end. The value $\langle T, c \rangle$ is placed
# between that of a plan that keeps the columns alone, 0, and that of the converged
# plan, 1. The gradient on $F$ is held against that of the converged plan's value, in
# length and direction. Presets without a gradient have length 0 and no direction.

# %% mystnb={"figure": {"name": "fig-02-solvers", "caption": "**What each preset's transport is worth**, a row the presets that share a solver, a mark a kind of features: error of the rows, iterations until the loop stopped, where the value lies, and the gradient's length and cosine against the exact one."}, "image": {"alt": "Five panels of dots with a row for each group of presets: row error, iterations, place of the value, length of the gradient relative to the exact one, and cosine."}}
compared = ot_presets.of_presets(
    {name: one.first(8) for name, one in few.items()}
)
compared["times"] = compared["gradient"] / compared["exact"]
solver_figures.preset_dots(compared)
plt.show()

# %% [markdown]
# The same as a table:

# %%
kept = [name for name in compared if name not in ("solver", "exact")]
tables.show(compared[kept], 4)

# %% [markdown]
# A row error means that some channels send more than their share and others less. A
# bill below the converged one is then no bargain: cheap channels send mass that they do
# not have. And the gradient is that of the loop, iteration by iteration, not that of
# the plan that it was on its way to.
#
# The network of {cite:t}`bartak2024lico`, a ResNet-18, has more channels than the one
# of this page, and fewer cells. The row error of its loop on noise of that shape, cut
# at 0 as maps are:

# %%
large = ot_presets.noise(channels=512, tokens=16, cells=49)
tables.show(
    ot_presets.of_presets({"noise, 512 channels of 49 cells": large})[
        ["presets", "iterations", "row error", "converged", ot_presets.PAID]
    ],
    4,
)

# %% [markdown]
# What holds of all presets, as checks:

# %%
tables.show(tables.of_checks(ot_presets.preset_verdicts(compared)), 6)

# %% [markdown]
# ## When there is nothing to choose
#
# If all text rows of a picture are equal, every plan costs the same. The entropic plan
# is then uniform, and the loss is the mean distance of the channels to one text. If
# $M = 1$ there is only one plan at all. Both occur.
#
# {cite:t}`lei2024response` describe context vectors that are rolled, one copy a token
# (section 2.1). In the code each copy is rolled by the *same* step, so that the copies
# are equal. Dropout in $h_\psi$ makes them differ, by chance; *apart* is what rolling
# copy $i$ by $i$ steps would give. The contexts of the copies are those of the start,
# $h_\psi$ is the trained one. *One pooled feature* is a fixed text feature a class. All
# are held against the maps of the trained network.

# %%
cases = ot_alignment.text_sides(run, shown)
tables.show(ot_plans.degenerate(cases, epsilon), 4)

# %% [markdown]
# ## What training did
#
# Each run of LICO keeps, epoch by epoch, the transport loss, entropy and gain of the
# plan, and the length of the loss's gradient on $F$ relative to that of the
# cross-entropy. If the loss falls by the choice of the plan, the gain rises; if it
# falls because all rows become alike, the mean cost falls with it. LICO trains two
# language losses at once; each alone is the matter of the next chapter.

# %% mystnb={"figure": {"name": "fig-02-history", "caption": "**Transport during training**, on training batches: the loss, the plan's entropy and gain, and the length of the transport gradient relative to that of the cross-entropy (logarithmic). A line is a seed."}, "image": {"alt": "Four line plots over epochs: transport loss, plan entropy, plan gain and the ratio of gradient lengths."}}
transport_figures.history(
    pd.concat(one.history.assign(seed=one.settings.seed) for one in lico)
)
plt.show()

# %% [markdown]
# The first and the last epoch, with about the mean cost that loss and gain imply (the
# loss is a mean over all steps of an epoch, the gain over one in several):

# %%
ends = pd.concat(
    one.history.iloc[[0, -1]].assign(seed=one.settings.seed) for one in lico
)
ends["mean cost"] = ends["ot"] / (1 - ends["plan gain"])
ends["OT / CE gradient"] = ends["ot gradient"] / ends["ce gradient"]
columns = ["seed", "epoch", "ot", "mean cost", "plan gain", "plan entropy"]
tables.show(ends[[*columns, "OT / CE gradient"]])

# %% [markdown]
# ## The verdict
#
# First the arithmetic. Between the entropic and the exact plan, $\langle T, c \rangle$
# may differ by $\varepsilon \log M$ at most (see {ref}`ex-02-bound`). All of this
# must hold, whatever was trained.

# %%
checked = ot_gradients.verdicts(given, epsilon, min(epsilons))
tables.show(tables.of_checks(checked), 9)

# %% [markdown]
# Is a plan that is held fixed another gradient? That depends on the features: where
# text rows are alike, the second part of {eq}`eq-02-gradient` vanishes, and holding the
# plan is as good as exact.

# %%
held = ot_gradients.held_fixed(given, epsilon)
tables.show(tables.of_checks(held), 9)

# %% [markdown]
# Then what the plan found: gain and saving of the trained features, divided by those of
# each control; what another class's text costs, divided by the own; and the gain of a
# picture's own plan less that of another picture's. These rows are questions: the
# training answers them. Each holds the least over the seeds of this page; with fewer
# than five seeds it is an observation.

# %%
answers = ot_gradients.plan_verdicts(every_seed, epsilon)
tables.show(tables.of_checks(answers))

# %% [markdown]
# ## What deviates, and why
#
# - The paper does not define the cost ({cite:t}`bartak2024lico`, section 5.1), and no
#   source used here quotes an $\varepsilon$ or a number of iterations of it. Here the
#   cost is that of the published codes, $\varepsilon$ that of two of them, and the plan
#   is run until it converges, by Newton steps in float64.
# - The gradient goes through the plan, as in the codes of both reproductions, but by
#   equation {eq}`eq-02-gradient` instead of the unrolled iterations.
# - The published loops add $10^{-8}$ to the marginals and stop by a threshold on the
#   whole batch. The presets keep both; on 8 pictures instead of 64 or 128 the loop may
#   stop at another iteration. lico-reproduction has its text side in half
#   precision, which is not done here.
# - All presets are given the tokens of `paper`; with their own texts, which have
#   another number of tokens, the same loop may take more or fewer iterations.
# - The text model is the tiny CLIP of [](00_laboratory), and the network has
#   8 x 8 cells: plans of other networks need not look like these.

# %% [markdown]
# ## Exercises
#
# ```{exercise} A tax on a channel
# :label: ex-02-tax
#
# Add a number of its own to every row of the cost, and one to every column. What
# happens to the plan, to $\langle T, c \rangle$, and to the gain?
# ```

# %% [markdown]
# ```{solution-start} ex-02-tax
# :label: sol-02-tax
# :class: dropdown
# ```

# %% tags=["solution"]
rows = torch.linspace(0, 1, len(mu)).double()[:, None]
columns = torch.linspace(0, 1, len(nu)).double().square()
taxed = cost[0] + rows + columns
again = ot.sinkhorn(mu, nu, taxed, epsilon, method="sinkhorn_log")
print(f"plans differ by {(again - plan).abs().max() * plan.numel():.1e}")
extra = (again * taxed).sum() - (plan * cost[0]).sum()
print(
    f"cost rises by {extra:.4f}, the mean of the tax is "
    f"{rows.mean() + columns.mean():.4f}"
)

# %% [markdown]
# The plan stays: everybody pays the tax, whoever goes where. The saving stays as well,
# but the gain falls, as it is relative to a larger mean.
#
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} How much can entropy cost?
# :label: ex-02-bound
#
# Show that $\langle T, c \rangle$ of the entropic plan exceeds that of the exact plan
# by at most $\varepsilon \log M$.
# ```
#
# ````{solution} ex-02-bound
# :label: sol-02-bound
# :class: dropdown
#
# Let $T_0$ be the exact plan. $T$ minimises $\langle T, c \rangle - \varepsilon H(T)$,
# so $\langle T, c \rangle - \varepsilon H(T) \le \langle T_0, c \rangle - \varepsilon
# H(T_0)$, and the excess is at most $\varepsilon (H(T) - H(T_0))$. No plan has more
# entropy than the uniform one, $\log(CM)$. None has less than its rows alone,
# $\log C$. The difference of the two is $\log M$.
# ````

# %% [markdown]
# ```{exercise} Let the channels choose
# :label: ex-02-free
#
# Drop the condition on the columns: each channel goes where it is cheap, and a token
# may get nothing. Which share does each token get now? Compare trained features and a
# control.
# ```

# %% [markdown]
# ```{solution-start} ex-02-free
# :label: sol-02-free
# :class: dropdown
# ```

# %% tags=["solution"]
pd.DataFrame(
    {
        name: ot_plans.free_masses(one, epsilon).numpy()
        for name, one in pair.items()
    },
    index=words,
).T.reset_index(names="features").pipe(tables.show)

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## Take away
#
# - A plan can be drawn for any two sets of features. Only against controls does its
#   gain say that something was found, and only another class's text tells whether it
#   was the class.
# - The class name gets $1/M$ of the mass by construction.
# - $\varepsilon$ decides how much the plan chooses and how many iterations it takes. A
#   loop that stops early returns no plan.
# - The gradient of $\langle T, c \rangle$ has two parts. Holding the plan fixed is
#   exact only for the value with the entropy in it; without a gradient the loss is a
#   number in the log.
# - Equal text rows, or a single one, leave nothing to choose.
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
