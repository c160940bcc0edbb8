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
# # The red dot: metrics on trial
#
# :::{admonition} In this chapter
# :class: tip
# - plant a shortcut: a dot that always says one class;
# - check by a gate that a network learnt it, before anything else is asked;
# - see where its maps point;
# - put every metric of this book on trial: which notices, and which is fooled?
# - see what a crop leaves of the published dot, and what short training does to
#   deletion.
#
# *Reading: 30 minutes. Running: half a minute once the runs exist, 3 to 6 minutes
# from nothing, on two cores.*
# :::
#
# A metric of explanations is an instrument. Before it judges LICO it should be shown
# a fault that is known to be there. {cite:t}`bartak2024lico` had the idea: mark all
# pictures of one class with a small red dot, train on them, and score the network
# that looks at the dot.
#
# :::{admonition} Claim — {cite:t}`bartak2024lico`, appendix A
# :class: claim
# > For the deletion metric smaller is claimed to be better, so this experiment shows
# > that the deletion metric favors non-robust models that focus on relatively small,
# > but perhaps irrelevant, details. It thus should not be used to assess the
# > explainability potential of an image classification model.
# :::

# %% [markdown]
# ## Parameters
#
# Class, size, colour and places of the dot are parameters. A *strength* is the share
# of the class's training pictures that carry it; no other class does. The pictures of
# this page have the dot at the first place.

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
dot_class: int = 0  # the class the dot stands for
dot_radius: float = 7.0  # radius in pixels
dot_colour: list[int] = [255, 0, 255]  # red, green, blue
places: list[str] = ["top-left"]  # corners such as top-left, centre
strengths: list[float] = [0.0, 1.0]  # share of the class that carries the dot
shorter: list[int] = []  # divisors of epochs, for runs that stop early

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import pandas as pd
import torch

from helpers.chapters import (
    moved,
    red_dot,
    red_dot_expected,
    red_dot_published,
    red_dot_tables,
    red_dot_trial,
    red_dot_views,
)
from helpers.data import catalog
from helpers.report import (
    figures,
    margins,
    moved_figures,
    records,
    red_dot_figures,
    tables,
)

figures.theme()

# %% [markdown]
# The parameters are checked before anything is loaded.

# %% tags=["hide-input"]
chapter = red_dot.RedDot.of(
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
    dot_class=dot_class,
    dot_radius=dot_radius,
    dot_colour=dot_colour,
    places=places,
    strengths=strengths,
    shorter=shorter,
)

# %% [markdown]
# ## What is expected, and why
#
# The argument stands in section 3.4.1 of {cite:t}`bartak2024lico`:
#
# > a model that is not robust and focuses on small regions, will achieve great results
# > on these metrics: removing a tiny part completely confuses the model, and adding
# > that part immediately makes the model predict the correct class.
#
# So the expectation can be written down before any network is trained. Insertion and
# {term}`deletion` follow the probability of a class as pixels come and go in the order
# of the map. If the whole class hangs on a dot and the map points there, the first
# step takes the dot away: deletion falls at once, insertion rises at once, and the
# network with the shortcut gets the better score. The metric is *fooled*. One that
# asks whether the map lies on the *object*, such as {term}`SCH`, should *notice*.
# Sentence by sentence:

# %%
tables.show(red_dot_expected.expected())

# %% [markdown]
# Of {term}`SES` and {term}`MOSU` the paper expects nothing here, nor of the metrics
# that it does not use. What came out stands
# {ref}`at the end <what-came-out>`.
#
# The paper reports (appendix A):
#
# > The overall deletion score is 0.129, which is comparable to models trained on
# > ImageNet-S₅₀. Meanwhile, deletion specifically for the class with the red dot is
# > 0.026.
#
# These two numbers come from one network, and from different classes. What is missing
# is the same class in a network *without* the shortcut. This chapter trains it.

# %% [markdown]
# ## The dot
#
# It is drawn on tensors, after resizing: every picture has it at the same place and
# of the same size, no crop loses it, and all other pixels stay as they were, since no
# file is written anew. The upper row shows test pictures of the dot's class and of
# two others, the lower row the same pictures with the dot.

# %% mystnb={"figure": {"name": "fig-04-dot", "caption": "**The planted dot.** Three pictures of the dot's class and three of others, without and with it."}, "image": {"alt": "Two rows of the same six small pictures; in the lower row each has a magenta disc in its upper left corner."}}
own = red_dot.own_pictures(chapter)
test = catalog.load(chapter.data(), "test")
others = test.rows((test.labels != chapter.dot_class).nonzero()[:3, 0])
rows = [own.first(3), others]
plain = torch.cat([some.images for some in rows])
dotted = torch.cat([red_dot.with_dot(some, chapter).images for some in rows])
labels = torch.cat([some.labels for some in rows])
titles = [test.class_names[k] for k in labels]
figures.picture_grid(torch.cat([plain, dotted]), titles * 2)
plt.show()

# %% [markdown]
# The published dot is red. In the scenes red is the colour of objects, so a red dot
# would not be news. How far is the pixel that comes nearest to a colour, in the 0 to
# 255 of red, green and blue? The colour of the dot should be one that no picture
# bears.

# %%
colours = {"the dot's colour": dot_colour, "pure red": [255, 0, 0]}
pd.DataFrame(
    {"colour": name, "nearest": float(far.min()), "mean": float(far.mean())}
    for name, colour in colours.items()
    for far in [red_dot.colour_distance(test, colour)]
).pipe(tables.show, digits=0)

# %% [markdown]
# `nearest` is over all test pictures, `mean` the mean of each picture's nearest pixel.
#
# The dot is also larger, relative to the picture, than the published one, which has a
# box of 1/40 of the sides. At the size of these pictures that would be

# %%
place = red_dot.dot_pixels(chapter)
covered = red_dot.object_under(own, chapter)
pd.DataFrame(
    {
        "published radius here, pixels": [chapter.size / 80],
        "radius here, pixels": [chapter.dot_radius],
        "dot's share of the picture": [float(place.float().mean())],
        "object pixels under the dot": [covered],
    }
).pipe(tables.show)

# %% [markdown]
# A network whose last map has a few cells a side, trained on pictures of 64 pixels,
# has to see the dot at all before it can be said to rely on it. Whether it does is
# not a matter of opinion: it is measured by the gate below, and a radius that fails
# the gate gives no trial. The last column says how much of the objects the dot hides:
# it lies in a corner, yet objects stand anywhere.

# %% [markdown]
# ## The networks
#
# All have the same pictures, but for the dot, and the same schedule:
#
# - *dot on 0%*: the sound network. It never saw a dot.
# - *dot on 100%*: each training picture of the class carries the dot, no other
#   does. With a strength in between, the dot still never lies, but the network must
#   know the object too.
# - *dot on all classes*: the {term}`control`. Half of the pictures of *every* class
#   carry the dot. This network knows the dot, and knows that it says nothing.
#
# The second sound network matters. If only the first were used, a difference could
# come from a strange thing in the corner rather than from a shortcut.
#
# There may be more than one place: at the border, where the padding of convolutions
# acts, or away from it. The only place away from it that has a name is the *centre*;
# as objects stand anywhere, a dot there hides some of them too.

# %%
arms = chapter.trained()
summary = chapter.summary(arms)
pd.DataFrame(
    {"arm": name, "runs": len(runs), "first folder": runs[0].folder.name}
    for name, runs in arms.items()
).pipe(tables.show)

# %% [markdown]
# ## The gate: was the shortcut learnt?
#
# Put the dot of class $c$ on test pictures of *other* classes. The flip rate is the
# share that is then called $c$, among those that were not called so before:
#
# $$ \text{flips} = P \bigl( \hat y(x + \text{dot}) = c \mid y \ne c,\;
# \hat y(x) \ne c \bigr) . $$ (eq-04-flips)
#
# The bars were committed with the margins:

# %%
bars = margins.load().red_dot
print(f"at full strength at least {bars.flips_at_full:.2f},")
print(f"at none at most {bars.flips_at_none:.2f}")

# %%
view = red_dot_views.at(summary)
tables.show(red_dot_trial.gate(view))

# %% [markdown]
# `class, with the dot` and `class, without` are accuracies on the class's own test
# pictures. A network that lives by the dot is right with it and lost without. Read the
# first network's two columns as well: where its accuracy falls with the dot, the dot
# is a disturbance to it, and its scores with the dot are those of a disturbed network.
# Then the control is the fairer opponent.
#
# If the gate is shut, every outcome below reads "no shortcut learnt", whatever the
# scores.

# %%
opened = red_dot_trial.shortcut_learnt(view)
print("the gate is", "open" if opened else "shut")

# %% [markdown]
# The same pictures of the class, with the dot and without, in each network: the share
# named right, the mean probability of the class, and the share of Grad-CAM's mass at
# the dot's place.

# %%
absent = red_dot_views.at(summary, condition=red_dot_views.ABSENT)
tables.show(red_dot_tables.with_and_without(view, absent))

# %% [markdown]
# ## Where the maps point
#
# Grad-CAM of the class, on the same test pictures with the dot, for three networks.

# %% mystnb={"figure": {"name": "fig-04-maps", "caption": "**Grad-CAM of the dot's class** on its test pictures with the dot: the network that never saw a dot, the one with the shortcut, and the control."}, "image": {"alt": "Six pictures with a magenta dot above three rows of heat maps, one row for each network."}}
carrying = red_dot.with_dot(own, chapter)
shown = carrying.first(6)
lines = {
    "sound": red_dot.named(red_dot.SOUND, places[0]),
    "shortcut": red_dot.named(red_dot.FULL, places[0]),
    "control": red_dot.named(red_dot.EVERYWHERE, places[0]),
}
maps = {
    word: red_dot.maps_of(arms[arm][0], shown) for word, arm in lines.items()
}
figures.overlays(shown.images, maps, [own.class_names[dot_class]] * 6)
plt.show()

# %% [markdown]
# How much of a map's mass lies on the dot? Two lines bound the answer: the dot's
# *area*, which is what a uniform map has there, and the *best map*: one that
# follows the dot alone, but has only the cells of the network's last layer, and is
# then interpolated.

# %% mystnb={"figure": {"name": "fig-04-mass", "caption": "**Mass on the dot.** A point is a test picture of the class with the dot, a diamond the mean of an arm; dotted: the dot's area, dashed: the best map of so many cells."}, "image": {"alt": "Strip plot with one row a network: the share of Grad-CAM's mass on the dot for each picture, with a dotted and a dashed vertical line."}}
area, best = red_dot.bounds_on_dot(arms[lines["sound"]][0], own, chapter)
shares = red_dot_tables.on_dot(view)
red_dot_figures.mass_on_dot(shares, area, best)
plt.show()

# %% [markdown]
# In numbers:

# %%
means = shares.groupby("arm", sort=False)["on the dot"].mean().to_dict()
known = {"area of the dot": area, "best map": best}
pd.DataFrame(
    (means | known).items(), columns=["map of", "share on the dot"]
).pipe(tables.show)

# %% [markdown]
# ## What deletion sees
#
# The curves behind the scores. One step is 1/28 of the pixels; compare it with the
# area of the dot above. All lines are on the same test pictures, with the dot. Where
# a line of insertion falls again towards the right, the network is disturbed by what
# comes last in its own order.

# %% mystnb={"figure": {"name": "fig-04-curves", "caption": "**Insertion and deletion with the dot**, the mean over test pictures of the class, pixels in the order of each network's own Grad-CAM."}, "image": {"alt": "Two plots of mean probability against the share of pixels inserted and deleted, one line a network."}}
curves = {
    word: red_dot.curves_of(arms[arm][0], carrying)
    for word, arm in lines.items()
}
figures.perturbation_curves(curves)
plt.show()

# %% [markdown]
# ## All metrics on trial
#
# Every score of this book, on the test pictures of the class with the dot. Below the
# arms stand maps that know nothing of the picture, and maps that know the mask, both
# scored on the first network. `relative` scores are means over the pictures that the
# network names right.

# %%
perturbed = ["deletion", "relative deletion", "insertion"]
perturbed += ["relative insertion", "tied"]
tables.show(red_dot_tables.scores_table(view, perturbed))

# %% [markdown]
# Next what compares a map with its object, its instances, or itself under a crop.

# %%
consistent = ["ses", "ses less chance", "sch", "sch less area", "mosu"]
consistent += ["mosu reversed", "gini"]
tables.show(red_dot_tables.scores_table(view, consistent))

# %% [markdown]
# And the scores of other papers. EPG here is that of the boxes, as published:
# with the mask it would be SCH, since Grad-CAM is nowhere negative. For
# GridPG each picture stands in a grid of 2 x 2 with three of other classes;
# the ceilings know its cell. The threshold of IoU is chosen on validation pictures, and
# `iou by chance` is what as many pixels have, drawn blindly.

# %%
placed = ["epg", "epg less area", "gridpg", "pointing game"]
placed += ["score contrast", "iou", "iou by chance", "border share", "entropy"]
tables.show(red_dot_tables.scores_table(view, placed))

# %% [markdown]
# For each metric the question is the same. Let $d_s$ be the score of the sound network
# minus that of the shortcut network, both trained from seed $s$, on the same pictures.
# To make the metrics comparable it is turned so that positive means *the sound network
# looks better*, and is divided by the metric's committed margin $m$:
#
# $$ e_s = \pm \frac{d_s}{m}, \qquad d_s = \frac1N \sum_{i=1}^{N} \bigl(
# \text{score}^\text{sound}_{s, i} - \text{score}^\text{shortcut}_{s, i} \bigr) .
# $$ (eq-04-effect)
#
# Entropy, Gini and border share say nothing of the object; better is the direction in
# which papers report them: gathered, and away from the border.

# %% mystnb={"figure": {"name": "fig-04-trial", "caption": "**The trial, on the runs of this page.** Sound minus shortcut network in margins, a point a training seed; the grey band is a margin either way, the axis logarithmic outside it."}, "image": {"alt": "Dot plot with one row a metric and two colours for the two sound networks; points to the left mean that the shortcut network looks better."}}
red_dot_figures.effects(red_dot_trial.differences(view))
plt.show()

# %% [markdown]
# A metric can do four things. If the verdict that the shortcut network is worse is
# *supported*, the metric has **noticed**; if it is *contradicted*, the metric was
# **fooled**; *no relevant difference* means that it is **blind**; the rest is
# **undecided**, with the reason. Deletion and insertion compare two networks here, so
# three versions must agree: raw, in units of the full picture's probability on the
# pictures that both networks name right, and raw on these. All go through Holm's
# correction over the metrics. A word counts as an `answer` only if it is the same
# against both sound networks. By the runs of this page:

# %%
tables.show(red_dot_expected.one_table(view))

# %% [markdown]
# Effects are in the metric's own unit, with their interval over seeds; one seed has
# none. `interval alone` is exploratory: the word of the interval without Holm, and
# without the rule that the smallest detectable effect must not exceed the margin.
# Three words are those of the three versions; what the control says stands apart where
# it differs.
#
# A full verdict is a row of its own. For the metric under accusation, against the
# control:

# %%
red_dot_trial.verdict_on(view, red_dot.EVERYWHERE, "deletion")

# %% [markdown]
# ## The published comparison
#
# The published numbers set one class, with its dot, against all classes, in one
# network. The same contrast can be taken in *each* network here, also in those that
# have no shortcut: what they show is not owed to one.

# %%
tables.show(red_dot_tables.published_contrast(view))

# %% [markdown]
# ## The dot as published, and the crop
#
# The code of the published trial draws the dot on the file: a red ellipse in the box
# from (0, 0) to (W/40, H/40), in pixels of the original
# (`datasets/construct_adversarial.py`, commit b3697a2). Training squashes the picture
# to 224 x 224. The script that holds the published numbers
# (`evaluate_auc_metrics.py`, branch `adversarial-dataset`, commit 9af66c0) reads the
# pictures by `Resize(224)` and `CenterCrop(224)`: the shorter side becomes 224, and
# the middle is kept. Of a picture of $W \times H$ pixels, $W > H$, the crop removes
#
# $$ \tfrac12 \Bigl( 224\, \frac{W}{H} - 224 \Bigr) \text{ columns on the left; the dot
# ends at column } 224\, \frac{W / 40 + 1}{H} . $$ (eq-04-crop)

# %% mystnb={"figure": {"name": "fig-04-crop", "caption": "**The published dot on a picture of 500 x 375 pixels**: the file, with a ring around the dot and a dashed frame around what evaluation keeps; as trained; as evaluated."}, "image": {"alt": "Three pictures: a wide one with a small red dot in its corner and a dashed square that leaves the corner out, a squashed square one with the dot, and a cropped square one."}}
file = red_dot_published.draw(red_dot_published.photograph(500, 375))
views = {
    "file": file,
    "as trained": red_dot_published.as_trained(file),
    "as evaluated": red_dot_published.as_evaluated(file),
}
red_dot_figures.crop_panels(
    views, kept=(62.5, 0, 375, 375), ringed=["file", "as trained"]
)
plt.show()

# %% [markdown]
# How many pictures keep their dot? The sizes of one picture of each class of
# ImageNet-S50 are known (repository EliSchwartz/imagenet-sample-images, commit
# bc69043). Of the published dot the crop leaves:

# %%
sizes = red_dot_published.SIZES
tables.show(red_dot_published.survival(sizes), digits=2)

# %% [markdown]
# It depends on the shape alone.

# %% mystnb={"figure": {"name": "fig-04-shapes", "caption": "**What the crop leaves of the dot**, by the shape of the picture. A point is a size, its area the number of pictures that have it."}, "image": {"alt": "Scatter plot of the part of the dot that is left against the ratio of width to height; points above zero lie near the ratio one."}}
red_dot_figures.left_by_shape(red_dot_published.of_sizes(sizes))
plt.show()

# %% [markdown]
# The arithmetic for several shapes, and beside it the number of pixels in which the
# dot can be seen, counted by running the same steps on a scene of that shape:

# %%
shapes = [(500, 375), (375, 500), (500, 480), (400, 400)]
tables.show(red_dot_published.geometry(shapes), digits=1)

# %% [markdown]
# Where the dot ends before the crop begins, there is none in the picture that is
# scored. What does deletion say of a network with the shortcut when the dot is *not*
# there? Its probability of the class is low from the start, and an area under a low
# curve is small. Same networks, same pictures, with and without:

# %%
for word in ("shortcut", "sound"):
    run = arms[lines[word]][0]
    curves[f"{word}, no dot"] = red_dot.curves_of(run, own)
tables.show(red_dot.of_curves(curves))

# %% [markdown]
# `full` is the mean probability of the class in the whole picture. A low deletion can
# mean that the map found what the network relies on. It can also mean that the network
# did not recognise the class in the first place; the ratio to `full` tells these
# apart.
#
# Two more things stand in that script. The checkpoint it loads is named by `epoch=1`
# and `val_acc1=0.36`. And beside the deletion scores of appendix A it notes insertion,
# of which higher is better:

# %%
tables.show(red_dot_published.recorded())

# %% [markdown]
# The file is also written anew: a JPEG of quality 100, for the pictures of one class
# alone. The share of pixels *away* from the dot that this changes, for a picture
# that was a JPEG of quality 90 before:

# %%
photograph = red_dot_published.photograph(500, 375)
print(f"{red_dot_published.encoded_again(photograph):.0%} of the pixels")

# %% [markdown]
# ## The committed study
#
# The runs of this page have few seeds. The same cells with more of them, and with more
# strengths and places, are run once and their numbers kept. What differs, and the gate:

# %%
study = records.load("04_red_dot-study")
print(records.other_parameters(summary, study))
first = red_dot_views.at(study)
tables.show(red_dot_trial.gate(first))

# %% [markdown]
# Does the record hold all that is on trial?

# %%
print(red_dot_views.lacking(first, list(red_dot_trial.MARGIN_OF)))
views = red_dot_views.every(study)
print("The dot is:", "; ".join(views))

# %% [markdown]
# The networks on the class with the dot, and without where that is recorded:

# %%
without = red_dot_views.at(study, condition=red_dot_views.ABSENT)
tables.show(red_dot_tables.with_and_without(first, without))

# %% [markdown]
# Then the trial, at the first place and with the dot:

# %% mystnb={"figure": {"name": "fig-04-study", "caption": "**The trial in the study.** As {numref}`fig-04-trial`, with the study's seeds; a line joins the seeds."}, "image": {"alt": "Dot plot with one row a metric and two colours for the two sound networks, several points each; points to the left mean that the shortcut network looks better."}}
red_dot_figures.effects(red_dot_trial.differences(first))
plt.show()

# %%
tables.show(red_dot_expected.one_table(first))

# %% [markdown]
# The rule gives no answer where the smallest detectable effect exceeds the margin,
# however far from zero the interval lies: read interval and seeds first. The reasons,
# row by row:

# %%
reasons = ["sound network", "metric", "margin", "sound better", "because"]
tables.show(red_dot_trial.trial(first)[reasons])

# %% [markdown]
# The margin is the committed one, or half the sound network's seed-to-seed standard
# deviation if that is larger. `sound better` counts seeds. SCH and EPG less the share
# of the area have no row, as they differ between networks by exactly as much as with
# it.
#
# ### Stronger shortcut, stronger signal?
#
# A metric that sees the shortcut should follow its strength. The slope in the table
# is per unit of strength, from none of the class to all of it.

# %% mystnb={"figure": {"name": "fig-04-trend", "caption": "**Scores by strength.** A point is a training seed of the study, the line joins the means."}, "image": {"alt": "Small line plots, one a score, of its value against the share of the class that carries the dot."}}
red_dot_figures.trends(red_dot_tables.by_strength(first))
plt.show()

# %% [markdown]
# What each score sees of the shortcut, strength by strength. Which
# bars grow to the right, as those of a metric that notices should?

# %% mystnb={"figure": {"name": "fig-04-moved", "caption": "**The strength of the shortcut, moved by hand.** The network that never saw a dot minus the one with the shortcut, in margins: a bar is the mean, a point a training seed of the study, the grey band a margin either way; the axis is logarithmic outside it."}}
moved_figures.scores_over_strength(moved.seen_by_strength(first))

# %% [markdown]
# ### At the border or not, present or not
#
# Does a word depend on where the dot lies, and on whether it is in the pictures that
# are scored? Whether the shortcut network knows the class without it stands in the
# table above.

# %% mystnb={"figure": {"name": "fig-04-conditions", "caption": "**Places and conditions**, control minus shortcut network in margins; the study's seeds, as in {numref}`fig-04-study`."}, "image": {"alt": "Dot plot with one row a metric and a colour for each place of the dot, with and without it; points to the left mean that the shortcut network looks better."}}
red_dot_figures.effects(red_dot_expected.by_condition(views))
plt.show()

# %% [markdown]
# In words, the rule's; in brackets that of the interval alone, where it differs.
# `mixed`: versions of a score, or the two sound networks, give different words.

# %%
tables.show(red_dot_expected.words_by_condition(views))

# %% [markdown]
# ### Deletion and the length of training
#
# The published checkpoint is an early one. Here networks with and without the
# shortcut are trained for fewer epochs, each with its own whole schedule.

# %% mystnb={"figure": {"name": "fig-04-epochs", "caption": "**Deletion over the epochs of training**, of Grad-CAM. Points are seeds of the study, lines join their means; dashed: the class's pictures without the dot."}, "image": {"alt": "Three plots against the epochs of training: validation accuracy, deletion of all classes, deletion of the class with the dot, one line for each network."}}
lengths = red_dot_tables.over_epochs(study)
red_dot_figures.deletion_over_epochs(lengths)
plt.show()

# %%
grouped = lengths.drop(columns="seed").groupby(["trained", "epochs"])
tables.show(grouped.mean().reset_index())

# %% [markdown]
# `all classes` is deletion on test pictures of all classes, without dots; the columns
# behind it are deletion of the class. A network that gives little probability to
# anything has a low deletion too.
#
# (what-came-out)=
# ### What came out
#
# The expectations of the beginning, beside what the study gives:

# %%
tables.show(red_dot_expected.came_out(first))

# %% [markdown]
# ## What deviates, and why
#
# - The published trial has one network; here there are two without the shortcut beside
#   it, and all are compared on the same pictures of the same class.
# - The dot is drawn after resizing and stands on every picture that is scored. The
#   published dot is drawn on the file, where a centre crop can lose it.
# - Colour and size differ from the published ones, since the scenes have red objects
#   and few pixels. The gate decides whether the shortcut was learnt.
# - Short trainings stand for the early checkpoint: each has a whole schedule of its
#   own, where the published network was stopped within a longer one.
# - In GridPG the grids are the same for every network, and a picture counts where the
#   network gives its class half of the probability; published are grids of pictures
#   that are named with .95.
# - Maps are made in evaluation mode. In the published script Grad-CAM runs in training
#   mode, where batch normalisation takes the statistics of the batch.
# - Networks are trained out, on scenes. What is shown is how a metric reacts to a known
#   fault; how strong the effect is on photographs needs `dataset=folder:PATH`.

# %% [markdown]
# ## Exercises
#
# ```{exercise} One step of deletion
# :label: ex-04-step
#
# A map orders the dot's pixels first. After how many steps of 1/28 of the pixels is
# the dot gone? And if the map can only mark whole cells of 8 x 8 pixels?
# ```

# %% [markdown]
# ```{solution-start} ex-04-step
# :label: sol-04-step
# :class: dropdown
# ```

# %% tags=["solution"]
step = place.numel() / 28
cells = torch.nn.functional.max_pool2d(place[None].float(), 8).sum() * 64
print(f"dot alone: {float(place.sum()) / step:.1f} steps")
print(f"every cell that it touches: {float(cells) / step:.1f} steps")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} A picture that keeps its dot
# :label: ex-04-keeps
#
# By equation {eq}`eq-04-crop`, which pictures of 500 columns keep some of the
# published dot after `Resize(224)` and `CenterCrop(224)`? Check it by counting.
# ```

# %% [markdown]
# ```{solution-start} ex-04-keeps
# :label: sol-04-keeps
# :class: dropdown
# ```

# %% tags=["solution"]
heights = [(500, height) for height in (440, 460, 470, 480, 490)]
kept = red_dot_published.geometry(heights)
kept["left"] = [red_dot_published.left_of_dot(*one) for one in heights]
tables.show(kept, digits=1)

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} A map wholly on the dot
# :label: ex-04-mosu
#
# What are SCH and MOSU of a map whose whole mass lies on the dot, outside every box of
# the object? Why must MOSU never be read without SCH?
# ```
#
# ````{solution} ex-04-mosu
# :label: sol-04-mosu
# :class: dropdown
#
# SCH is 0: nothing lies on the object. MOSU compares the shares of the instances with
# *each other*, and where none has any saliency they are taken as equal. Instances of
# about equal area then give a divergence near 0, which is the best value there is. So
# a map may look perfectly fair to objects that it ignores; SCH says that it does.
# ````

# %% [markdown]
# ## Take away
#
# - A metric can be tested: plant a fault, check by a gate that it was learnt, and ask
#   whether the score falls.
# - The test needs networks without the fault, on the same pictures of the same class;
#   a score of one network alone says nothing.
# - Deletion and insertion follow the network's probability. They ask whether the map
#   shows what the network uses, not whether the network uses the right thing.
# - Look at the pictures that are scored: a crop can take the planted cue away.
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
