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
# # The price: LICO counted and timed
#
# :::{admonition} In this chapter
# :class: tip
# - count the tokens that LICO's text branch runs in a step, as it was published and as
#   it needs to, and see that both compute the same features;
# - predict from operations alone what a training with LICO should cost beside its
#   baseline, and hold that against the published seconds;
# - measure how time and memory grow with classes, context, pictures and $\varepsilon$;
# - check that a network trained with LICO predicts at its baseline's price, and turn
#   seconds into energy and CO₂ with your own watts.
#
# *Reading: 20 minutes. Running: 1 minute once the runs of {doc}`03_training` exist,
# about 4 from nothing, on two cores.*
# :::
#
# LICO adds to each step of training a text tower, a comparison of all pairs of pictures
# and a transport problem for each picture. After training all of that is thrown away.
# So there are two questions of cost, and they have different kinds of answers: at
# prediction an identity can be checked, in training a price must be paid.
#
# :::{admonition} Claim — {cite:t}`lei2023lico`, as stated by {cite:t}`bartak2024lico`, abstract
# :class: claim
# > LICO [...] (ii) improves image classification performance without computational
# > overhead during inference.
# :::
#
# :::{admonition} Claim — {cite:t}`bartak2024lico`, section 3.5
# :class: claim
# > We generally observe that the LICO and CGC take significantly more time and memory
# > to train. We also notice that the time increase depends on the model size and batch
# > size.
# :::

# %% [markdown]
# ## Parameters
#
# Those of every chapter that trains LICO, and the sizes at which things are timed.
# `watts` and `intensity` are the factors of {cite:t}`bartak2024lico`, appendix D: put
# your own machine's in their place.

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
layers: int = 1  # blocks of the timed tower, of its 12
class_counts: list[int] = [6, 12, 24, 48]  # numbers of classes, 100 at most
contexts: list[int] = [6, 12, 24, 48]  # numbers of learnable tokens
batches: list[int] = [16, 32, 64]  # pictures of the steps that are timed
epsilons: list[float] = [1.0, 0.3, 0.1, 0.03, 0.01]  # entropic strengths
pairs: int = 3  # times that two ways take turns
watts: float = 400.0  # power of your whole machine
intensity: float = 421.0  # g of CO2 equivalent a kWh

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import pandas as pd
import torch

from helpers.chapters import (
    cost,
    cost_bench,
    cost_flops,
    cost_growth,
    cost_inference,
    cost_tokens,
    moved,
    text_tokens,
)
from helpers.report import (
    cost_figures,
    figures,
    moved_figures,
    price_figures,
    published_checks,
    published_tables,
    records,
    tables,
)

figures.theme()

# %% [markdown]
# Two arms are needed, the baseline and LICO: they are those of {doc}`03_training`.

# %% tags=["hide-input"]
chapter = cost.Cost.of(
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
    layers=layers,
    class_counts=class_counts,
    contexts=contexts,
    batches=batches,
    epsilons=epsilons,
    pairs=pairs,
    watts=watts,
    intensity=intensity,
)

# %%
arms = chapter.trained()
summary = chapter.summary(arms)
shown = {name: runs[0].folder.name for name, runs in arms.items()}
pd.DataFrame(shown.items(), columns=["arm", "first run"]).pipe(tables.show)

# %% [markdown]
# ## What was published
#
# {cite:t}`bartak2024lico`, Table 1, gives the seconds of an epoch on one graphics card
# at 16-bit precision. A ratio hangs on both of its sides: a slow reader of pictures
# makes the baseline slow and LICO look cheap. The *extra* time of a picture,
#
# $$ t_\mathrm{extra} =
# \frac{t_\mathrm{LICO} - t_\mathrm{baseline}}{\text{training pictures}} , $$ (eq-08-extra)
#
# is free of that division. Where pictures are waited for, part of LICO's work costs
# nothing, and it is hidden here too. A dash is a training that did not fit into memory:

# %%
tables.show(cost.printed_prices(), digits=2)

# %% [markdown]
# ## Where it goes: tokens
#
# The text tower of CLIP's ViT-B/32 takes prompts of $L = 77$ tokens. A prompt of LICO
# has a start, $n_\mathrm{ctx}$ learnable tokens, the few tokens of a name, an end; the
# rest is padding. The tower looks back only: the feature of a token depends on what
# stands before it, on nothing behind it. Two things follow.
#
# - Nothing behind the end token is needed: the prompt may be *cut* there.
# - Two prompts that begin alike have the same features as far as they do. All prompts
#   together are a {term}`trie`, and each of its nodes is run once.

# %% mystnb={"figure": {"name": "fig-08-trie", "caption": "**The same four prompts, run in three ways.** A square is a token that goes through the tower. Above: each prompt padded to 77, as published. Middle: ended at its end token. Below: the common beginning run once; an edge leads from a token to those that stand right behind it. All three give the same features."}, "image": {"alt": "Three panels of small squares on one scale. Four full rows of 77 squares, most of them grey padding; four short rows of about 15; one short row that branches into four names."}}
four = ("cat", "dog", "pickup truck", "sweet pepper")
some = cost_tokens.FORMS[0].prompts(four)
cost_figures.squares(cost_tokens.layouts(some), cost_tokens.LENGTH, four)
plt.show()

# %% [markdown]
# One more thing can be left out: the prompts of classes that a batch does not hold. Of
# $K$ equally frequent classes a batch of $B$ pictures holds, on average,
#
# $$ E[U] = K \left( 1 - \left( 1 - \tfrac1K \right)^B \right) $$ (eq-08-distinct)
#
# distinct ones. A node $v$ of the trie is needed if one of the $c_v$ classes whose
# prompt goes through it is there, so that the expected size of the trie is
#
# $$ E[\text{nodes}] = \sum_v
# \left( 1 - \left( 1 - \tfrac{c_v}{K} \right)^B \right) . $$ (eq-08-nodes)
#
# The published codes differ in what they run. konradszewczyk/lico-reproduction encodes
# a prompt *a picture*, in three forms: a shared context, own contexts of each class,
# the name in front. The code behind {cite:t}`lei2024response` has $n_\mathrm{ctx}$
# rolled copies of each class's prompt. Tokens of one step, batches of 64,
# $n_\mathrm{ctx} = 12$:

# %%
counts = cost_tokens.token_table(batch=64)
tables.show(counts, digits=0)

# %% mystnb={"figure": {"name": "fig-08-tokens", "caption": "**Tokens through the tower in one step** (log scale), $B = 64$, from what was published to what the losses read. Each way to the right leaves out tokens that change nothing. Own contexts have no common beginning, so they skip a step; where a line rises, a prompt a picture was fewer than one a class."}, "image": {"alt": "Four line plots, for CIFAR-10, Imagenette, ImageNet-S50 and CIFAR-100, with four falling lines each for the forms of the prompt; the shared context falls deepest."}}
cost_figures.staircase(counts, cost_tokens.WAYS)
plt.show()

# %% [markdown]
# Does it matter how many learnable tokens there are? Padded prompts do not know; the
# others do. Move $n_\mathrm{ctx}$:

# %% mystnb={"figure": {"name": "fig-08-moved", "caption": "**The number of learnable tokens, moved by hand**: tokens of a step, way by way, as in {numref}`fig-08-tokens`; all frames on one scale. The first frame is that of the published codes."}}
moved_figures.tokens_over_contexts(
    moved.token_tables([1, 2, 4, 8, 12, 16, 32]), cost_tokens.WAYS, setting=12
)

# %% [markdown]
# The form decides what can be saved. Where the context is shared and stands first,
# prompts have a long beginning in common; with the name in front they part at once.
#
# ### The same mathematics?
#
# The book's text branch ({doc}`01_text_features`) shares beginnings, or cuts where
# there is little to share: own contexts, and the name in front. Beside it the padded
# way: the same tower, one row of 77 tokens a class. Relative errors of the features and
# of the context's gradient, in float64, through two of the tower's blocks with random
# weights:

# %%
errors = cost_tokens.exactness(2, cost_tokens.DATA["Imagenette"][:6])
words = list(errors.columns.drop("prompts"))
text_tokens.exponents(errors, words).pipe(tables.show)

# %% [markdown]
# What remains should be rounding, and nothing else:

# %%
tables.show(cost_tokens.exact(errors))

# %% [markdown]
# ## From tokens to seconds
#
# What does a token cost beside a picture? Operations can be counted without running
# them. A {term}`FLOP` is one addition or one multiplication; a weight of a linear layer
# is two of them for each token, and the blocks of the tower hold

# %%
print(f"{cost_flops.block_weights() / 1e6:.2f} million weights")

# %% [markdown]
# The rest of a token is attention. In units of $10^9$ FLOPs, forward, and with the
# backward pass to inputs and weights:

# %%
tables.show(cost_flops.prices(), digits=2)

# %% [markdown]
# A padded prompt for each picture is a second network beside the first. If time were
# proportional to operations, the price of a step in units of the baseline's would be
#
# $$ r = 1 + \frac{\text{FLOPs of the text}}{\text{FLOPs of the picture}} .
# $$ (eq-08-predicted)
#
# That is the column *predicted*; it knows nothing of the losses themselves, of reading
# pictures or of memory, and *ratio* is what was measured. The last column is the same
# equation with the prompts of all classes as a trie, and gradients to the context
# alone.

# %%
tables.show(cost_flops.predicted(), digits=2)

# %% [markdown]
# ### What may not fit
#
# Of LICO with ResNet-50 and batches of 128, {cite:t}`bartak2024lico` say in footnote 3:
#
# > 24 GB of VRAM is not enough to run this experiment at fp16 precision. Same
# > experiment with the baseline takes 6.9 GB of VRAM.
#
# Both losses can be written with a tensor of *differences*, and need not be: distances
# of all pairs follow from the Gram matrix, costs $2 - 2 \cos$ from a product. One copy
# of each tensor, in MB, at 16 bits a number; the backward pass may keep several:

# %%
tables.show(cost_flops.difference_tensors(batch=128), digits=2)

# %% [markdown]
# ## How it grows
#
# Now the clock. Two ways of the same work take turns, so that both meet the same
# machine, as often as `pairs` says (steps three times as often, transport once);
# medians are shown. An *exponent* $p$ of 1 says that twice the size takes twice as
# long, 0 that size does not matter:
#
# $$ \log t = p \, \log(\text{size}) + \text{constant} . $$ (eq-08-exponent)
#
# Text branch: value and gradient of the context, in a tower of ViT-B/32's width with
# `layers` of its 12 blocks, which are all alike. Steps: of this page's network and
# pictures, with everything that LICO adds. Memory is what autograd keeps for the
# backward pass, weights apart; that is no matter of the machine.

# %%
tower = cost_tokens.text_tower_of(layers, seed=1)
by_class = cost_growth.over_classes(tower, class_counts, 12, pairs)
by_context = cost_growth.over_contexts(tower, contexts, 10, pairs)
by_batch = cost_growth.over_batches(arms, batches, 3 * pairs)
grown = [by_class, by_context, by_batch]
exponents = cost_growth.exponents(*grown)
tables.show(exponents)

# %% mystnb={"figure": {"name": "fig-08-growth", "caption": "**Growth of time (above) and of memory kept for the backward pass (below)**, both axes on log scales. Left and middle: the text branch, padded and shared, by the number of classes and of learnable tokens. Right: a whole step of the baseline and of LICO by its pictures."}, "image": {"alt": "Six line plots in two rows and three columns, each with two lines; legends give the exponent of time of each line."}}
cost_figures.growth(grown, exponents)
plt.show()

# %% [markdown]
# By counting, the padded branch is proportional to $K$ and does not care for
# $n_\mathrm{ctx}$: its rows have 77 tokens whatever stands in them. The shared one has
# $1 + n_\mathrm{ctx}$ tokens and then those of the names, so that both exponents should
# lie below 1. What else the clock shows is what a machine needs to begin at all.
#
# ### Transport
#
# The published codes find the plan with Sinkhorn's loop. Both reproductions let
# autograd go back through every turn of it; the authors' code has no gradient here. The
# book's plan is found by Newton steps to full convergence, and its gradient by the
# implicit function theorem ({doc}`02_ot_alignment`). On the costs of a trained LICO,
# one batch:

# %%
costs = cost_growth.costs_of(arms["lico"][0], batch)
times = cost_growth.transports(costs, epsilons)
memory = cost_growth.unrolled(costs, epsilon=0.1)
tables.show(text_tokens.exponents(times, ["error"]), digits=4)

# %% mystnb={"figure": {"name": "fig-08-transport", "caption": "**The price of a transport loss.** Left: time of value and gradient, by $\\varepsilon$; the numbers are the iterations of the loop, up to its stop or its limit. Right: what autograd keeps, by the iterations of the loop, all axes on log scales."}, "image": {"alt": "Two line plots with two lines each: time over epsilon with iteration counts at the points of the loop, and memory over iterations, where the line of the converged plan is level."}}
cost_figures.transport(times, memory)
plt.show()

# %% [markdown]
# *Error* is how far the sums of the plan's rows are from $1/C$ and those of its columns
# from $1/M$, in sum: the loop has a stop of its own, so the two need not buy the same.
# The memory of the loop is proportional to its iterations by construction; a gradient
# that needs the plan alone keeps the plan alone.
#
# ## The price of a training
#
# The runs of this page say how long they took. They were trained one after the other,
# perhaps on different days and beside other work, so that their ratio is a rough one,
# and may come out on either side of 1:

# %%
tables.show(cost.own_prices(arms), digits=2)

# %% [markdown]
# Steps that take turns are the fairer comparison. A step of LICO contains a whole step
# of its baseline: no implementation can come below 1.

# %% mystnb={"figure": {"name": "fig-08-price", "caption": "**LICO in units of its baseline**: the epochs of {cite:t}`bartak2024lico`, the trainings of this page, and single steps that took turns. The dashed line is the baseline's price. This page's network, pictures and text tower are small; the bench below has the tower's real size."}, "image": {"alt": "Dot plot of ratios, a row a setting, with a dashed line at one; circles for published epochs, squares for this page's trainings, diamonds for its steps."}}
price_figures.price(cost.price_rows(arms, by_batch))
plt.show()

# %% [markdown]
# ## The bench
#
# `python tasks.py bench` times each part at its published size, ours and the plain way
# in turn, against a bar that was set before. The record, as it came out:

# %%
record = cost_bench.recorded()
kept = cost_bench.rows_of(record)
print(cost_bench.counted(kept))
tables.show(cost_bench.table(kept))

# %% [markdown]
# Your own machine's, where you have made it:

# %%
own = cost_bench.own()
print(cost_bench.counted(own))
tables.show(cost_bench.table(own))

# %% mystnb={"figure": {"name": "fig-08-bench", "caption": "**Ratios of the bench against their bars** (log scale), for rows that are times or sizes. A triangle is a bar and points to the better side; the thick line spans the quartiles of the pairs."}, "image": {"alt": "Dot plot on a log scale, a row a bench, each with a triangle for its bar and a coloured marker for the measured ratio."}}
price_figures.bench({"record": kept, "your machine": own})
plt.show()

# %% [markdown]
# Where a bar was not reached, or a row needs a word (a dash: the record has none):

# %%
tables.show(cost_bench.remarks(kept))

# %% [markdown]
# And on your machine:

# %%
tables.show(cost_bench.remarks(own))

# %% [markdown]
# ## Prediction
#
# "[...] LICO therefore does not increase the computational cost at inference", say
# {cite:t}`bartak2024lico`, section 3.1, because everything but the network is thrown
# away. Here are the two networks that the trainings of this page left. Their graphs are
# traced and compared operation by operation, their weights by name and shape; nothing
# is timed, for two equal graphs can differ by noise alone.

# %%
networks = [arms[name][0].model().cpu() for name in ("ce", "lico")]
images = torch.zeros(2, 3, size, size)
checks = cost_inference.inference_checks(*networks, images)
tables.show(tables.of_checks(checks), digits=0)

# %% [markdown]
# The last row guards against comparing a network with itself. The verdict is that of an
# identity: it needs no seeds and no margin, and one difference would contradict it.

# %%
tables.show(cost_inference.verdict(checks))

# %% [markdown]
# It says nothing of the claim's other half, whether accuracy improves: that is judged
# in {doc}`03_training` and {doc}`09_verdicts`.
#
# ## Energy and CO₂
#
# {cite:t}`bartak2024lico`, appendix D, give a rule that needs a stopwatch and two
# numbers: $P$ watts, $N$ runs of $t$ seconds, and $g$ grams of CO₂ equivalent a kWh,
#
# $$ \begin{aligned}
# E &= P \, t \, N / (3.6 \cdot 10^6) \ \text{kWh}, \\
# m &= g \, E .
# \end{aligned} $$ (eq-08-energy)
#
# Their own figures, and what their factors give:

# %%
products = published_tables.products(published_checks.energy())
tables.show(products, digits=1)

# %% [markdown]
# The runs of this page, with `watts` and `intensity`. The default is a machine with a
# large graphics card; a laptop takes far less.

# %%
tables.show(cost.own_footprint(arms, watts, intensity))

# %% [markdown]
# The committed records of this book by the same rule, training and scoring together:

# %%
tables.show(cost.recorded_footprint(watts, intensity))

# %% mystnb={"figure": {"name": "fig-08-energy", "caption": "**Energy by the rule of appendix D** (log scale): 100 epochs of each training of Table 1 with the study's own watts, all runs of each record of this book and the runs of this page with yours."}, "image": {"alt": "Dot plot of kilowatt hours on a log scale, a row a training or record; circles for published trainings, squares for records, diamonds for this page."}}
price_figures.energy(cost.energy_rows(arms, watts, intensity))
plt.show()

# %% [markdown]
# ## What deviates, and why
#
# - Prompts are read as `paper` reads them: $n_\mathrm{ctx}$ context tokens and one
#   class token. The study's code also reads padding behind the end of shorter names;
#   its exact form is the preset `repro_shared`, whose tokens {doc}`01_text_features`
#   counts.
# - Leaving out the classes that a batch does not hold is counted, and not done: the
#   book runs the prompts of all classes, so that shapes stay the same at every step.
# - The tower that is timed here has random weights and few blocks: cost does not depend
#   on the weights, and the blocks are alike. The bench has all twelve.
# - Times are taken on the CPU whatever `device` says; with few pairs and small sizes
#   they say more of growth than of size.
# - *Predicted* counts a backward pass through the tower's weights for the published
#   code, which computes those gradients though it does not use them, as far as it can
#   be read (commit d63b896).
# - A step that is timed is one that does not probe its losses; one in several does.

# %% [markdown]
# ## Exercises
#
# ```{exercise} What stands still
# :label: ex-08-still
#
# The tower is frozen. Which nodes of the trie are the same at every step of a training,
# so that their keys and values could be kept? In which form of the prompt does that
# save most?
# ```

# %% [markdown]
# ```{solution-start} ex-08-still
# :label: sol-08-still
# :class: dropdown
# ```
#
# Those before the first learnable token: the start, and with the name in front all of
# the names. The context itself moves at each step. Own contexts have no trie; all but
# the start of each row hangs on them. CIFAR-100, nodes of one copy:

# %% tags=["solution"]
for form in [one for one in cost_tokens.FORMS if not one.own]:
    made = form.prompts(cost_tokens.DATA["CIFAR-100"])
    moving, nodes = cost_tokens.learnt_nodes(made)
    print(f"{form.name}: {moving} of {nodes} nodes hang on the context")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} A network that keeps its texts
# :label: ex-08-keeps
#
# Suppose that LICO kept something of its text side in the network. Would the check of
# the graphs see it? Give its network a second head, used or not, and judge.
# ```

# %% [markdown]
# ```{solution-start} ex-08-keeps
# :label: sol-08-keeps
# :class: dropdown
# ```
#
# A head that is used changes the graph; one that is only carried along adds weights.

# %% tags=["solution"]
for used in (True, False):
    kept_text = cost_inference.with_text_head(networks[1], used)
    judged = cost_inference.inference_checks(networks[0], kept_text, images)
    print(cost_inference.verdict(judged)["verdict"].iloc[0])

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} The study at its baseline's price
# :label: ex-08-study
#
# By appendix D the study took 100 runs of LICO. If a run of LICO had cost what the
# baseline's did, with the ratio of CIFAR-100 and ResNet-18: how many kg of CO₂ would
# have been left?
# ```

# %% [markdown]
# ```{solution-start} ex-08-study
# :label: sol-08-study
# :class: dropdown
# ```

# %% tags=["solution"]
printed = cost.printed_prices()
spent, kilograms = cost.study_footprint()
print(f"{spent:.0f} kWh and {kilograms:.1f} kg, as counted")
print(f"{kilograms / printed['ratio'].iloc[0]:.1f} kg at its baseline's price")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} The memory of a loop
# :label: ex-08-loop
#
# What autograd keeps of an unrolled loop is proportional to pictures, channels, tokens
# and iterations. From {numref}`fig-08-transport`: how many MB would 100 iterations keep
# for 64 pictures, 512 channels and 16 tokens?
# ```

# %% [markdown]
# ```{solution-start} ex-08-loop
# :label: sol-08-loop
# :class: dropdown
# ```

# %% tags=["solution"]
loop = memory[memory["way"] == cost_growth.LOOP].iloc[-1]
an_iteration = loop["megabytes"] / loop["iterations"] / costs.numel()
print(f"{an_iteration * 100 * 64 * 512 * 16:.0f} MB, in float64")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## Take away
#
# - The text branch was costly because of what it repeats: padding that no token looks
#   at, and beginnings that all classes share. Leaving them out changes no feature.
# - A price in units of the baseline depends on the baseline; say what it is a ratio of,
#   and take it from pairs that met the same machine.
# - Memory that grows with an iteration or with all pairs of differences is a choice of
#   how a loss is written, not a property of the loss.
# - At prediction there is nothing to measure: the graph is the same, or it is not.
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

# %% [markdown]
# The bench's machines, first the record's, then yours; the times of this page itself
# were taken where it was executed:

# %% tags=["hide-input"]
both = {"record": kept, "your machine": own}
tables.show(cost_bench.machines(both))

# %% tags=["hide-input"]
print(
    f"this page: torch {torch.__version__}, {torch.get_num_threads()} threads"
)
