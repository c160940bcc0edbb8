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
# # Training with language
#
# :::{admonition} In this chapter
# :class: tip
# - read LICO's two losses, and every choice that the paper leaves open;
# - train a baseline, each loss alone, both, two published versions, and controls in
#   which the text says nothing;
# - see whether the losses acted at all, and which side gave way;
# - compare accuracy and maps, beside what was published.
#
# *Reading: 25 minutes. Running: 1 minute once the runs exist, about 12 from nothing,
# on two cores.*
# :::
#
# A classifier learns from labels. LICO adds a teacher: the text features of the class
# names. Two losses pull the image features towards them. Whether that helps is the
# question of this book; this chapter first asks whether it *happens*.
#
# :::{admonition} Claim — {cite:t}`lei2023lico`, as stated by {cite:t}`bartak2024lico`, section 2
# :class: claim
# > LICO does not bring a deterioration to the classification performance and, in some
# > cases, may even result in increased accuracy, when compared with baseline models
# > trained without LICO.
# :::

# %% [markdown]
# ## Parameters
#
# `seeds` are those of the baseline and of LICO, `few_seeds` those of all other arms.
# `language` may be a file of text features, or a full CLIP where there is a network.

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

from helpers.chapters import training
from helpers.data import catalog
from helpers.explain.cam import grad_cam
from helpers.report import arms as tables_of
from helpers.report import (
    figures,
    ledger,
    lico_figures,
    published,
    records,
    tables,
)

figures.theme()

# %% [markdown]
# The parameters are checked before anything is loaded.

# %% tags=["hide-input"]
chapter = training.Training.of(
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

# %% [markdown]
# ## The losses
#
# Of picture $i$ the network gives feature maps $F_i \in \mathbb R^{C \times d'}$, its
# prompt gives text features $G_i \in \mathbb R^{M \times d'}$: learnable tokens and
# the class name through a frozen text tower, then through a small network $h_\psi$
# that is trained. How near pictures are to each other is written as a softmax over
# the batch, once by maps and once by text,
#
# $$ A^F_{ij} = \operatorname{softmax}_j \bigl( -\lVert F_i - F_j \rVert / \tau \bigr),
# \qquad L_\mathrm{MM} = \frac1B \sum_i
# \mathrm{KL} \bigl( A^G_i \,\Vert\, A^F_i \bigr), $$ (eq-03-mm)
#
# and {term}`manifold matching` asks the two to agree. The second loss transports the
# channels of $F_i$ to the tokens of $G_i$, with plan $T_i$ and cost $c_i$
# ({doc}`02_ot_alignment`):
#
# $$ L = L_\mathrm{CE} + \alpha L_\mathrm{MM} + \beta L_\mathrm{OT}, \qquad
# L_\mathrm{OT} = \frac1B \sum_i \langle T_i, c_i \rangle . $$ (eq-03-lico)
#
# After training, everything but the classifier is discarded.

# %% [markdown]
# ### What the paper leaves open
#
# The equations do not fix a program. Every choice below had to be made; the preset
# `paper` takes the value in the third column, for the reason in the last. Here
# *code* is the repository ymLeiFDU/LICO, *fact* is robertdvdk/lico-fact, *study* is
# {cite:t}`bartak2024lico`, *response* {cite:t}`lei2024response`.

# %%
tables.show(training.open_choices())

# %% [markdown]
# The other presets are rows of the same switches. What each changes, from `paper`:

# %%
tables.show(training.preset_table())

# %% [markdown]
# ### The arms
#
# `ce` is the baseline: $\alpha = \beta = 0$. `lico` is the preset `paper`; `mm` and
# `ot` are its losses alone. `stable` bounds the temperature as {cite:t}`bartak2024lico`
# do. In `active` no picture is its own neighbour and the temperature is fixed: there
# manifold matching certainly acts. `lico_fact` and `rebuttal` are the published code
# that the dispute is about, and its correction.
#
# Four {term}`controls <control>` replace the words: each class gets another's name
# (`permuted`), the tower has random weights (`random-tower`), the class is a random
# vector (`random-vectors`) or an axis of its own (`one-hot`).

# %%
arms = chapter.trained()
summary = chapter.summary(arms)
shown = {name: len(runs) for name, runs in arms.items()}
pd.DataFrame(shown.items(), columns=["arm", "runs"]).pipe(tables.show)

# %% [markdown]
# What this language may say of the claims is stated with it: *planted* for scenes and
# their tiny CLIP, *real-fixed* or *real* for CLIP's features of real names, and
# *mechanism check* where the tower never saw such words.

# %%
print(f"{chapter.dataset}, language {chapter.language}: {summary['language']}")

# %% [markdown]
# ### Pictures drawn before training
#
# The gallery further down shows the first test pictures, drawn by a seed. They are
# the same for every arm, and nobody chose them.

# %% mystnb={"figure": {"name": "fig-03-gallery", "caption": "**The gallery**, before any network is trained: the first six test pictures."}, "image": {"alt": "Six small test pictures in a row, each with its class name above it."}}
test = catalog.load(chapter.data(), "test").first(6)
names = [test.class_names[k] for k in test.labels]
figures.picture_grid(test.images, names)
plt.show()

# %% [markdown]
# ## Did the arms learn?
#
# Language losses can slow a network down. A comparison of networks of which one is
# still learning measures patience, so only runs that are *trained out* count.

# %% mystnb={"figure": {"name": "fig-03-curves", "caption": "**Training.** Cross-entropy and training accuracy by epoch, the first seed of each arm."}, "image": {"alt": "Two line plots over epochs, one line an arm: cross-entropy falls and accuracy rises towards one."}}
histories = training.histories(arms)
lico_figures.learning(training.in_one(histories))
plt.show()

# %%
tables.show(tables_of.accuracy(summary))

# %% [markdown]
# `SD` is over training seeds; `inert` names a loss that did not act, which is the
# next question.

# %% [markdown]
# ## Did the losses act?
#
# A loss that falls has not shown that it did anything. Each run therefore logs the
# gradient of each weighted loss on the feature maps in units of cross-entropy's.
# Under the dashed line for more than half of training, a loss is
# {term}`inert <inert arm>`, and its arm gets no verdict.

# %% mystnb={"figure": {"name": "fig-03-shares", "caption": "**Gradient shares.** Norm of the weighted MM and OT gradient on the feature maps relative to cross-entropy's, by epoch; dashed: the bar of the inert guard."}, "image": {"alt": "Two log-scale line plots of gradient shares over epochs, one line an arm, with a dashed horizontal line at one thousandth."}}
lico_figures.gradient_shares(histories)
plt.show()

# %% [markdown]
# Manifold matching has two trivial optima. With a large temperature $\tau$ every
# picture is as near as any other and both affinities are uniform; with a small one
# every picture is nearest to itself, and both are the identity. In either case the
# loss is zero and says nothing of the pictures. Where did each arm go?

# %% mystnb={"figure": {"name": "fig-03-temperature", "caption": "**Temperature and affinity.** Left: the temperature by epoch. Right: how far the text affinity is from uniform, one minus its entropy in units of the largest; 1 would be the identity."}, "image": {"alt": "Two line plots over epochs for each arm with manifold matching: temperature, and distance of the affinity from uniform, both on log scales."}}
lico_figures.temperatures(training.in_one(histories))
plt.show()

# %% [markdown]
# The same in numbers. `fall of MM` is by how much the loss fell; `by the image` is the
# part of the fall that remains if the texts are put back to those of the start. What
# is missing there was gained by moving the text, or the temperature.

# %%
tables.show(tables_of.interventions(summary), digits=4)

# %% [markdown]
# `class token mass` is the share of the transport plan on the token that carries the
# class. It is fixed by the marginals: one token of $M$, whatever is learned.

# %% [markdown]
# ## Accuracy
#
# First what was published, as fractions, with its standard deviation where one is
# printed:

# %%
published.table(["accuracy"], ["ce", "mm", "ot", "lico"]).pipe(tables.show)

# %% [markdown]
# Then here: each arm minus the baseline of the same seed. The grey band is the effect
# of changing nothing but the seed.

# %% mystnb={"figure": {"name": "fig-03-accuracy", "caption": "**Accuracy against the baseline.** A dot is one training seed of an arm minus the baseline with that seed; the band is one standard deviation of the baseline over seeds."}, "image": {"alt": "Dot plot of differences in test accuracy for each arm around a zero line with a grey band."}}
few = tables_of.differences(summary, [])
noise = tables_of.seed_to_seed(summary, [])
lico_figures.against_baseline(few, noise)
plt.show()

# %% [markdown]
# ## Maps
#
# The gallery again, now with Grad-CAM of the true class for the baseline, for LICO
# and for the two losses alone.

# %% mystnb={"figure": {"name": "fig-03-maps", "caption": "**Grad-CAM of the true class** on the pictures of {numref}`fig-03-gallery`, the first seed of each arm."}, "image": {"alt": "Six test pictures above rows of heat maps, one row for each arm."}}
images, labels = test.normalised(), test.labels
maps = {
    arm: grad_cam(arms[arm][0].model().cpu(), images, labels)
    for arm in ("ce", "mm", "ot", "lico", "active")
    if arm in arms
}
figures.overlays(test.images, maps, names)
plt.show()

# %% [markdown]
# Scores of the maps on all test pictures ({doc}`05_metrics` explains them). Below the
# arms stand maps that know nothing of the picture, and maps that know the mask.

# %%
metrics = ["ses", "ses less chance", "sch", "sch less area", "mosu", "gini"]
tables.show(tables_of.scores(summary, metrics))

# %% [markdown]
# Published, for Grad-CAM:

# %%
published.table(["ses", "sch", "mosu"], ["ce", "mm", "ot", "lico"]).pipe(
    tables.show
)

# %% [markdown]
# ## The committed study
#
# The runs of this page have few seeds. The same cells, with five seeds of baseline,
# both losses, each alone, and the active arm, were run once and their numbers kept.

# %%
study = records.load("03_training-study")
tables.show(tables_of.accuracy(study))

# %%
tables.show(tables_of.interventions(study), digits=4)

# %% [markdown]
# And its maps:

# %%
tables.show(tables_of.scores(study, metrics))

# %% mystnb={"figure": {"name": "fig-03-study", "caption": "**Accuracy against the baseline in the study.** As {numref}`fig-03-accuracy`, five seeds an arm."}, "image": {"alt": "Dot plot of differences in test accuracy for each arm of the study around a zero line with a grey band."}}
many = tables_of.differences(study, [])
lico_figures.against_baseline(many, tables_of.seed_to_seed(study, []))
plt.show()

# %% [markdown]
# ### Published versions and controls
#
# One seed of every other arm, from a record: the published code and its correction,
# the bounded temperature, and the controls in which the text knows no words. One seed
# gives no verdict; it shows what each arm is like. The arms of a record share their
# schedule, which need not be that of another record:

# %%
others = records.load("03_training-arms")
pd.Series(
    {
        "epochs of this record": others["parameters"]["epochs"],
        "epochs of the study": study["parameters"]["epochs"],
    }
)

# %% [markdown]
# Their accuracies:

# %%
tables.show(tables_of.accuracy(others))

# %%
tables.show(tables_of.scores(others, metrics))

# %% [markdown]
# And whether their losses acted:

# %%
tables.show(tables_of.interventions(others), digits=4)

# %% [markdown]
# ## Verdict
#
# Claim 2, that LICO costs no accuracy, by the runs of this page and by the study. All
# claims together are judged in {doc}`09_verdicts`.

# %%
ledger.table(
    [row for row in ledger.claim_verdicts(summary) if row[0].name[0] == "2"]
).pipe(tables.show, digits=4)

# %%
ledger.table(
    [row for row in ledger.claim_verdicts(study) if row[0].name[0] == "2"]
).pipe(tables.show, digits=4)

# %% [markdown]
# ## What deviates, and why
#
# - The paper trains 200 epochs on CIFAR and more on ImageNet; here networks are small
#   and pictures few, so that all arms are trained out in a minute or two each. That
#   shows a mechanism; it does not measure LICO on photographs. Text features of real
#   names can be given as a file: see the exercise below.
# - The learning rate, its schedule, momentum, weight decay, $\alpha$, $\beta$ and the
#   width of $h_\psi$ are the paper's. Epochs are as many as baseline and LICO need to
#   be trained out, which the table of accuracies says of every arm.
# - `lico_fact` and `rebuttal` take the losses of their codes; backbone, pictures,
#   augmentation and schedule are those of all arms, so that only the losses differ.
#   Mixed precision and gradient scaling of the published runs are not used.
# - In the published codes a channel that is silent in a picture costs 1 to every
#   token, here 2: the plan and the gradient are the same.

# %% [markdown]
# ## Exercises
#
# ```{exercise} Nothing but seeds
# :label: ex-03-noise
#
# How large is the difference between two trainings of the same baseline? Which of the
# differences in {numref}`fig-03-accuracy` are larger than that?
# ```

# %% [markdown]
# ```{solution-start} ex-03-noise
# :label: sol-03-noise
# :class: dropdown
# ```

# %% tags=["solution"]
tables.show(tables_of.seed_to_seed(study, ["sch", "ses", "mosu"]), digits=4)

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} The two trivial optima
# :label: ex-03-optima
#
# A network multiplies all its feature maps by a small number. What happens to $A^F$
# without normalisation, and what if rows are scaled to length 1 first? Which of the
# two optima can the network then still reach by itself, without the temperature?
# ```
#
# ````{solution} ex-03-optima
# :label: sol-03-optima
# :class: dropdown
#
# All distances shrink, so $A^F$ becomes uniform: without normalisation the network can
# reach that optimum alone. With rows of length 1 distances lie between 0 and 2, and a
# common factor changes nothing; then only the temperature leads there, or maps that
# are the same for all pictures, which cross-entropy forbids.
# ````

# %% [markdown]
# ```{exercise} Real names
# :label: ex-03-real
#
# Write text features of your class names to a file with
# `numpy.savez("text.npz", features=..., names=...)`, a row a class in label order, and
# train baseline and LICO on your pictures. What happens if two names are swapped?
# ```
#
# ````{solution} ex-03-real
# :label: sol-03-real
# :class: dropdown
#
# ```shell
# python -m helpers.run 03_training -p dataset=folder:PATH \
#     -p language=file:text.npz -p 'variants=["ce", "lico", "permuted"]' \
#     -p size=32 -p backbone=resnet20 -p pictures=10000 -p epochs=8 -p batch=64
# ```
#
# Names that are not those of the folders, or stand in another order, are refused in
# one line before training. With one feature a class there is a single token, so that
# the transport has no choice ({doc}`02_ot_alignment`).
# ````

# %% [markdown]
# ## Take away
#
# - The equations of LICO leave more than a dozen choices open, and the published
#   programs made them differently.
# - Whether a loss acts is measured on the feature maps, not read off its own value: a
#   temperature that may move can bring a loss to zero without any picture.
# - Controls that know no words, the effect of changing nothing, and trained-out runs
#   come before any statement that language helped.
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
