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
# # What the metrics measure
#
# :::{admonition} In this chapter
# :class: tip
# - put eight saliency methods side by side on the same picture and network;
# - see on one picture what each score of a map looks at;
# - try every metric with every method on networks whose order is known, before any
#   judges LICO;
# - see the scores of every version of LICO and of every control, between floors and
#   ceilings, beside the published tables;
# - see how far conventions that no text fixes move a score.
#
# *Reading: 40 minutes. Running: 2 minutes once the runs exist, about 9 from
# nothing, on two cores.*
# :::
#
# Whether LICO makes networks more explainable is decided by numbers that are
# computed from {term}`saliency maps <saliency map>`. Two of them, insertion and
# deletion, were met in chapter 00. The reproducibility study says that they cannot
# carry that decision:
#
# :::{admonition} Claim — {cite:t}`bartak2024lico`, section 3.4.1
# :class: claim
# > The LICO method aims to change the model itself in order to make it more
# > interpretable. Therefore, the comparison between the `insertion` and `deletion`
# > scores of a baseline model and a model trained with LICO is not sufficient to claim
# > that one model is more interpretable than the other.
# :::
#
# The study offers three other scores in their place: SES, SCH and MOSU. All five are
# put on trial here, and with them the scores of other fields: the energy-based pointing
# game, the grid pointing game, overlap and contrast. A judge is heard only if it gets
# the cases right whose answer is known.

# %% [markdown]
# ## Parameters
#
# As in chapter 00, and the number of pictures and masks of RISE, the slow method.
# Pictures without masks or boxes leave out the scores that need them.

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
cue: float = 0.9  # class-background correlation of the cued network
rise_pictures: int = 10  # test pictures with RISE maps
rise_masks: int = 1000  # masks of RISE

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import pandas as pd

from helpers.chapters import (
    metric_arms,
    metric_assay,
    metric_conventions,
    metric_methods,
    metric_places,
    metric_published,
    metric_table,
    metric_trials,
    metrics,
)
from helpers.data import catalog
from helpers.measure import consistency
from helpers.measure.perturbation import insertion_deletion
from helpers.report import arms as tables_of
from helpers.report import (
    assay_figures,
    figures,
    intervention,
    metric_figures,
    place_figures,
    records,
    score_figures,
    tables,
)

figures.theme()

# %% [markdown]
# The parameters are checked, then the runs are loaded: a network trained by
# cross-entropy (`ce`), one trained so on scenes whose background gives the class away
# (`ce with the cue`), one trained with LICO, preset `paper`, and one with each of its
# losses alone (`mm`, `ot`).

# %% tags=["hide-input"]
chapter = metrics.Metrics.of(
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
    cue=cue,
    rise_pictures=rise_pictures,
    rise_masks=rise_masks,
)

# %%
arms = chapter.trained()
made = {name: [run.record for run in runs] for name, runs in arms.items()}
tables.show(tables_of.accuracy_of(made))

# %% [markdown]
# ## Eight saliency methods
#
# The dispute is about three. **Grad-CAM** {cite:p}`selvaraju2017gradcam` weighs each
# channel by the mean slope of the class's logit $f_c$. **Grad-CAM++**
# {cite:p}`chattopadhay2018gradcampp` keeps the positive slopes alone and weighs a
# channel the less, the more it already adds. At a pooled linear head both weights have
# a closed form, with $\bar F_k$ the mean of channel $k$:
#
# $$ \begin{aligned}
# w_k^{\mathrm{CAM}} &= \frac{W_{ck}}{h w}, \\
# w_k^{++} &= \frac{\max(W_{ck}, 0)}{2 + W_{ck}\, \bar F_k} .
# \end{aligned} $$ (eq-05-weights)
#
# **RISE** {cite:p}`petsiuk2018rise` looks at no layer. It hides random parts of the
# picture and averages the masks $m_n$, each weighted by the probability that is left:
#
# $$
# H = \frac{1}{N p} \sum_{n=1}^{N} p(y \mid x \odot m_n)\, m_n . $$ (eq-05-rise)

# %%
run = arms[metrics.BASELINE][0]
model, test = run.model(), catalog.load(run.settings.data, "test")
shown = test.first(rise_pictures)
drawn = metrics.rise_draw(model, shown, rise_masks, 0, device)
maps = metrics.cams(model, shown, device) | {metrics.RISE: drawn.maps()}

# %% [markdown]
# A RISE map is positive everywhere: even a picture with half of its pixels hidden keeps
# some probability. The figure shows what stands above that pedestal.

# %% mystnb={"figure": {"name": "fig-05-gallery", "caption": "**Three methods, one network.** The first test pictures; maps of the true class, of RISE less its least value."}, "image": {"alt": "Six pictures in a row; below each a Grad-CAM, a Grad-CAM++ and a RISE map as heat over the grey picture."}}
titles = [test.class_names[k] for k in shown.labels[:6]]
lowered = metric_conventions.lowered(maps[metrics.RISE])
figures.overlays(shown.images[:6], maps | {metrics.RISE: lowered}, titles)
plt.show()

# %% [markdown]
# ### How many masks does RISE need?
#
# Two sets of masks give two maps of the same picture. If they disagree, a score of
# either is partly chance. This book wants a rank correlation of .9 or more between
# them; below that the noise of the masks enters whatever is said with the maps.
#
# One source of the noise can be taken out for nothing: some pixels are drawn more
# often than others. Dividing by the mean of the masks that were drawn, in the place of
# $p$, makes the map the mean probability of the masks that show a pixel.

# %%
fewer = test.first(max(2, rise_pictures // 2))
again = metrics.rise_draw(model, fewer, rise_masks, 1, device)
agreement = metrics.stabilities(drawn.first(len(fewer)), again)
tables.show(agreement)

# %% mystnb={"figure": {"name": "fig-05-stability", "caption": "**Agreement of two mask seeds**, the mean over pictures, by the number of masks; the dashed line is what this book wants."}, "image": {"alt": "Two rising lines of rank correlation against the number of masks on a doubling scale, with a dashed line at 0.9."}}
metric_figures.stability_lines(agreement, wanted=0.9)
plt.show()

# %% [markdown]
# So with the masks of this page:

# %%
last = agreement[agreement["masks"] == rise_masks]
for kind, r in zip(last["divided by"], last["rank correlation"], strict=True):
    says = "enough" if r >= 0.9 else "its noise enters what follows"
    print(f"divided by {kind}: {r:.3f} of two mask seeds, {says}")

# %% [markdown]
# ### Five more
#
# What a map says depends on the method as much as on the network, so five others are
# tried beside the three. They read the picture's pixels, not a layer's cells:
#
# - **Input x Gradient** {cite:p}`shrikumar2017`: each pixel times the slope of the
#   logit there;
# - **Integrated Gradients** {cite:p}`sundararajan2017ig`: the same, with the slope
#   averaged on the way from a grey picture to this one;
# - **Guided Backprop** {cite:p}`springenberg2015`: the slope, but each ReLU lets only
#   positive slopes pass on the way back;
# - **LRP** {cite:p}`bach2015lrp,montavon2019lrp`: the logit handed back layer by layer,
#   to each input in proportion to what it put in;
# - **LIME** {cite:p}`ribeiro2016lime`: a linear model of what the network says when
#   squares of the picture are hidden.
#
# They are *signed*: they also show what speaks against the class.

# %%
names = metric_methods.valid_for(model, test, device)
one = metrics.example(model, test, device=device)
close = metric_methods.closer(chapter)
every = metric_methods.eight(model, one, close, names, device=device)
signed = metric_methods.signed()

# %% [markdown]
# The picture is the first that the network names right.

# %% mystnb={"figure": {"name": "fig-05-eight", "caption": "**Eight maps of one picture**, from one network, for its true class. Heat: saliency over the grey picture. Red and blue: evidence for the class and against it."}, "image": {"alt": "Nine large tiles: a picture of a drawn object, three maps as heat over it, four maps of red and blue pixels along its parts, and one of coarse coloured squares."}}
largest = {name: found[0] for name, found in every.items()}
assay_figures.eight_maps(one.images[0], largest, signed)
plt.show()

# %% [markdown]
# ## One score, one picture
#
# ### Insertion and deletion
#
# Chapter 00 introduced them. The pixels are ranked by the map. Deletion removes the
# first ones, insertion restores them to a blurred picture, and each score is the area
# under the probability of the class. A map enters only by the order it gives the
# pixels.

# %% mystnb={"figure": {"name": "fig-05-curves", "caption": "**Deletion and insertion by Grad-CAM** of one picture: what the network was shown, the share of pixels changed with its probability of the class, and both curves."}, "image": {"alt": "Two rows of one picture with growing parts removed and restored, beside them a falling and a rising curve of probability."}}
seen, target = one.normalised().to(device), one.labels.to(device)
saliency = metrics.cams(model, one, device)[metrics.GRAD_CAM]
curves = insertion_deletion(model, seen, target, saliency.to(device))
soft, fill = metrics.without_pixels(one)
metric_figures.perturbed_pictures(
    one.images[0], soft[0], saliency[0], curves, fill
)
plt.show()

# %% [markdown]
# ### SES: does the map move with the picture?
#
# With a saliency method $s$ and a transform $t$ (a crop, enlarged and, in the
# code of the study, perhaps mirrored), SES is a cosine {cite:p}`bartak2024lico`:
#
# $$ \mathrm{SES}(I) = \cos\big(t(s(I)),\; s(t(I))\big) . $$ (eq-05-ses)
#
# Non-negative maps that share the middle of the picture have a high cosine whatever
# they show. So beside it stands its value by chance: the cosine with the map of
# *another* picture under the same transform.

# %% mystnb={"figure": {"name": "fig-05-ses", "caption": "**What SES compares**, for Grad-CAM on the first three test pictures: the map that was moved and the map of the moved picture. Left: their cosine, and the cosine by chance."}, "image": {"alt": "Three rows; each a picture, its crop, the cropped map and the map of the crop, with two cosines written at the left."}}
moved = metrics.moved_maps(model, test.first(explained), device)
compared = {"moved map, t(s(I))": moved.moved, "new map, s(t(I))": moved.anew}
scores = {"SES": moved.ses, "chance": moved.by_chance}
metric_figures.equivariance(test.images[:3], moved.seen, compared, scores)
plt.show()

# %% [markdown]
# Nor can SES be 1 for a map of few cells, unless it is uniform: what a crop enlarges
# has edges between the cells of a new map. The ceiling is the greatest cosine that
# *any* map of as many cells has with the map that was moved. Means over the explained
# pictures:

# %%
tables.show(metric_places.ses_levels(model, moved, device))

# %% [markdown]
# ### SCH: does the map lie on the object?
#
# SCH is the share of saliency on the mask $S$ of the object:
#
# $$ \mathrm{SCH}(H, S) = \frac{\sum_{ij} H_{ij} S_{ij}}{\sum_{ij} H_{ij}} . $$ (eq-05-sch)
#
# A map that knows nothing has the share of the area. Large objects are easy, so this
# book also shows SCH less that share.

# %% mystnb={"figure": {"name": "fig-05-sch", "caption": "**SCH of one picture**: the mask's outline over picture and map, the part of the map on the mask, and its share of the map beside its share of the area."}, "image": {"alt": "A picture and its map with the object's outline, the map cut to the object, and two bars: share of area and share of map."}}
mask = None if one.masks is None else one.masks[0]
metric_figures.content(one.images[0], saliency[0], mask)
plt.show()

# %% [markdown]
# ### MOSU: does each instance get its part?
#
# Where several instances of the class are in the picture, MOSU compares the shares of
# the boxes in area and in saliency, of which each sums to 1:
#
# $$ \begin{aligned}
# \mathrm{MOSU} &= \mathrm{KL}(v_{\mathrm{area}} \,\|\, v_{\mathrm{sal}}) \\
# &= \sum_i v_{\mathrm{area}, i} \log
# \frac{v_{\mathrm{area}, i}}{v_{\mathrm{sal}, i}} .
# \end{aligned} $$ (eq-05-mosu)
#
# It is 0 if saliency follows area, and does not see what lies outside the boxes.

# %% mystnb={"figure": {"name": "fig-05-mosu", "caption": "**MOSU of one picture**, the first with two boxes or more that the network names right: boxes over picture and map, and each box's share of area and of saliency."}, "image": {"alt": "A picture and its map with coloured boxes, and pairs of bars that compare each box's share of area with its share of saliency."}}
several = metrics.example(model, test, boxes=2, device=device)
shared = metrics.cams(model, several, device)[metrics.GRAD_CAM]
boxes = None if several.boxes is None else several.boxes[0]
metric_figures.uniformity(several.images[0], shared[0], boxes)
plt.show()

# %% [markdown]
# The scores of these two pictures:

# %%
row = {
    "insertion": curves.insertion_auc.item(),
    "deletion": curves.deletion_auc.item(),
    "SES": moved.ses[0].item(),
}
if boxes is not None:
    row["SCH"] = consistency.sch(saliency, one.masks, one.ignored).item()
    found = consistency.mosu(shared, several.boxes)
    row["MOSU"] = found.area_to_saliency.item()
    row["MOSU reversed"] = found.saliency_to_area.item()
tables.show(pd.DataFrame([row]))

# %% [markdown]
# ### Where a map lies, and how far it gathers
#
# Five scores of other fields ask the same question as SCH in other ways, and three say
# what a gain elsewhere may have cost:
#
# - **EPG**, the energy-based pointing game {cite:p}`wang2020scorecam`: the share of the
#   map in the *boxes* of the class;
# - **GridPG** {cite:p}`boehle2021grid`: four pictures of four classes in one; the share
#   of the map of one class in its own cell, a quarter for a map that ignores the class;
# - the **pointing game** {cite:p}`zhang2018pointing`: does the maximum hit the object?
#   Of several equal maxima it is the share that does;
# - **mIoU**: the pixels above a share of the maximum against the object; the share is a
#   half here and in the trial below, and in the tables of maps the one that is best on
#   validation pictures;
# - **contrast**: the mean of the map, scaled to [0, 1], on the object less that beside
#   it;
# - **entropy**, 1 for a uniform map, and **Gini**, 0 for one;
# - the **border share**: what lies in the outer ring of feature cells, over what a
#   uniform map has there. {cite:t}`bartak2024lico` saw saliency of LICO at the borders
#   of pictures.

# %% mystnb={"figure": {"name": "fig-05-where", "caption": "**What five scores look at**, Grad-CAM of one picture, each score below its tile: boxes; the maximum and the object's outline; pixels found and of the object (green), found alone (orange), missed (blue); the inner cells; the cell that is asked for in a grid."}, "image": {"alt": "Five tiles in a row: a map with boxes, the picture with a star at the map's maximum, a patch of green, orange and blue, a map with an inner frame, and a grid of four pictures with one cell framed."}}
looked, values = metric_places.on_one(model, one, test, device)
place_figures.where(looked, values)
plt.show()

# %% [markdown]
# ## The table, with floors and ceilings
#
# All test pictures, Grad-CAM of the baseline. Read the row *uniform* first: by its
# definition it has SES 1, MOSU 0 and SCH equal to the share of the area. A method that
# blurs its maps therefore moves towards a perfect SES and MOSU. That is why SES comes
# with its chance level, and why Gini (0 for a uniform map, near 1 for a point) stands
# beside them. The study asks to read SES with other metrics too, and MOSU in tandem
# with SCH, since MOSU does not see what lies outside of the objects.

# %%
consistent = ["ses", "ses less chance", "gini", "sch", "sch less area"]
consistent += ["mosu", "mosu reversed"]
rows = [{"maps": r.record["consistency"]} for r in arms[metrics.BASELINE]]
known = [s for s in consistent if s in rows[0]["maps"][metrics.GRAD_CAM]]
tables.show(tables.of_maps(rows, known))

# %% [markdown]
# The *pooled mask* is the object in cells as large as those of the maps: a reference,
# and no limit. One cell within the object has a higher SCH. Insertion and deletion on
# the explained pictures, where a network need not use the whole object either:

# %%
ones = [r.record for r in arms[metrics.BASELINE]]
areas = tables.of_maps(ones, ["insertion", "deletion", "tied"])
tables.show(areas)

# %% [markdown]
# The scores of place and spread. GridPG's ceilings know the cell that is asked for;
# mIoU is at the threshold that is best on validation pictures, beside what as many
# pixels drawn blindly have:

# %%
placed = metric_places.table(ones)
tables.show(placed)

# %% [markdown]
# A floor knows nothing of the picture. For each score, which floors come out ahead of
# Grad-CAM on this page? (A score of which a floor is ahead rewards something besides
# knowledge.)

# %%
whole = tables.of_maps(rows, known).merge(areas, on="map")
if len(placed):
    whole = whole.merge(placed, on="map")
tables.show(metric_trials.floors_above(whole, list(whole)))

# %% [markdown]
# And how many pictures had no score, or one by convention. MOSU exists only with two
# boxes or more; a picture with fewer is left out of its mean.

# %%
everywhere = metrics.cams(model, test, device)
tables.show(metric_conventions.degenerate_table(everywhere, test))

# %% [markdown]
# ## Does a metric see what is known?
#
# Before a metric judges LICO it must order networks whose order is known
# ({term}`assay sensitivity`). Such pairs are at hand:
#
# - **trained against untrained**: the same network before its first step of training
#   knows nothing of the classes, so its maps explain nothing;
# - **with a mask penalty against without it**: the trained network, taught for a few
#   more epochs to keep Grad-CAM on the object, against the same network after as many
#   epochs without that lesson;
# - **without the cue against with it**: the second was taught to look at the
#   background. It is tried twice: on the test scenes, whose place is random, and on
#   the same scenes with every class at its home.
#
# Why twice? Where the place is another class's home, the background speaks *against*
# the true class, and Grad-CAM's relu takes away what speaks against it. What is left of
# the map may lie on the object whatever the network relies on. At home the background
# speaks for the true class, and a map can show it.
#
# Every metric is asked with every saliency method: a metric that cannot order these
# networks with the maps of a method has nothing to say about LICO with them.

# %%
pairs = metric_trials.known_pairs(arms, test)
budget = metric_methods.budget_of(chapter)
trial = metric_assay.assay(pairs, names, budget, device=device)

# %% [markdown]
# With the two networks given, asked is whether their pictures tell them apart: the
# interval of the mean difference is over pictures. A pair is *ordered* if the better
# network is ahead by more than the metric's committed margin and the interval lies
# above 0; *not*, if the whole interval lies under the margin, so that the order is
# wrong or too small to matter; else *undecided*. Gini and entropy say nothing of where
# a map lies: they and the border share are read in the direction in which they are
# reported as better.

# %% mystnb={"figure": {"name": "fig-05-trial", "caption": "**Metrics and saliency methods on trial**: a panel for each pair of networks, the better one named first, a row a metric, a column a method. Empty: not tried. LIME has few pictures."}, "image": {"alt": "Four panels of coloured cells, a row for each of nineteen metrics and a column for each of eight methods: blue with a tick where the pair is ordered, orange with a cross where it is not, pale where it is undecided."}}
assay_figures.outcomes(trial)
plt.show()

# %% [markdown]
# How many metrics order each pair, method by method:

# %%
tables.show(metric_assay.counted(trial))

# %% [markdown]
# Scores that add saliency up see little of a RISE map, whose least value stays in it.
# The claims of the dispute rest on Grad-CAM. The *gain* is the difference in the
# direction that the metric calls better, in units of its committed margin.

# %% mystnb={"figure": {"name": "fig-05-assay", "caption": "**How far, with Grad-CAM.** How far each metric puts the better network of a pair ahead, in margins, with the interval over pictures, coloured as in {numref}`fig-05-trial`; the grey band is one margin to either side. Bars to the left rank the worse network higher; bars that leave the panel carry their length."}, "image": {"alt": "Horizontal bars, a panel for each pair of networks and a bar for each metric, to the right where the order is right and to the left where it is wrong."}}
own = trial[trial["method"] == metrics.GRAD_CAM]
metric_figures.gains(own)
plt.show()

# %% [markdown]
# The differences themselves, better network less worse. `/ full` is in units of the
# mean probability of the full pictures:

# %%
tables.show(metric_assay.by_pair(own, "difference", metrics.GRAD_CAM))

# %% [markdown]
# A metric may judge LICO if every pair is ordered. With Grad-CAM, on this page:

# %%
tables.show(metric_assay.admitted(trial, metrics.GRAD_CAM))

# %% [markdown]
# Why deletion is at risk in the first pair can be read off its definition. A network
# that never gives the class any probability has an area near zero, the best value
# there is, whatever its map shows. Areas in units of the full pictures' probability
# ask about the map again. (Why not by the mean of each picture's own ratio, is shown
# among the conventions below.)
#
# Insertion is at risk in the last pair for a like reason: at home the cue itself gives
# the class a high probability. And the mask penalty moves the map, not what the network
# says of a picture: insertion and deletion see the network with a map, SCH the map
# alone.
#
# A metric that fails a pair on a page with few seeds is not refuted by it. It is still
# shown below; by this book's rule it carries no claim until a page admits it. That
# holds for SCH too, on which the verdict of this page rests.
#
# ### Do the methods look at the weights?
#
# The first pair tests the saliency methods as well {cite:p}`adebayo2018sanity`. A
# method whose map stays the same when all weights are random explains the picture, not
# the network. The picture from above, with the trained weights and with those before
# the first step:

# %% mystnb={"figure": {"name": "fig-05-weights", "caption": "**Trained and untrained weights**, the eight maps of the picture of {numref}`fig-05-eight`. Each map is drawn to its own scale."}, "image": {"alt": "Four rows of four maps: for each of eight methods the map of the trained network above that of the untrained one, which is scattered or follows the picture's edges."}}
blank = pairs[0].worse[0]
noise = metric_methods.eight(blank, one, close, names, 1, device)
both = {"trained": largest, "untrained": {k: m[0] for k, m in noise.items()}}
assay_figures.two_networks(one.images[0], both, signed)
plt.show()

# %% [markdown]
# Rank correlation of the two maps, signed as they are, over pictures:

# %%
trained = metric_methods.eight(model, fewer, budget, names, 0, device)
random = metric_methods.eight(blank, fewer, budget, names, 1, device)
likeness = metric_trials.correlations(trained, random)
tables.show(metric_trials.of_methods(likeness))

# %% mystnb={"figure": {"name": "fig-05-random", "caption": "**Trained against untrained weights.** Rank correlation of the two maps, a dot a picture, the mean as a bar."}, "image": {"alt": "Dots of rank correlation between minus one and one for each of eight saliency methods, with a bar at each mean."}}
metric_figures.strips(likeness, x="method", y="rank correlation")
plt.show()

# %% [markdown]
# The maps of RISE are of different masks, those of LIME of different samples, so that
# what was drawn is not counted as likeness; their noise lowers it instead. What is left
# of a correlation is what the layout of a picture does to a map, whatever the weights.

# %% [markdown]
# ## Baseline and LICO
#
# Now the networks that the dispute is about, on the same pictures with the same masks:
# the baseline, LICO, and each of its losses alone.

# %%
compared_arms = (metrics.MM, metrics.OT, metrics.LICO)
networks = {name: arms[name][0].model() for name in compared_arms}
networks = {metrics.BASELINE: model, **networks}
three = {metrics.BASELINE: maps}
for name in compared_arms:
    three[name] = metric_table.three_methods(
        networks[name], shown, rise_masks, device
    )

# %% mystnb={"figure": {"name": "fig-05-lico", "caption": "**Baseline and LICO**, Grad-CAM and RISE (less its least value) of the true class, on the first test pictures."}, "image": {"alt": "Six pictures; below each the Grad-CAM and RISE maps of the baseline and of the LICO network."}}
two = {}
for method in (metrics.GRAD_CAM, metrics.RISE):
    for name in (metrics.BASELINE, metrics.LICO):
        lowest = metric_conventions.lowered(three[name][method])
        two[f"{name}\n{method}"] = lowest
figures.overlays(shown.images[:6], two, titles)
plt.show()

# %% [markdown]
# ### Three methods, as in Table 3 of the response
#
# {cite:t}`lei2024response` give insertion, deletion and their difference, "overall",
# for the three methods. Here on the pictures that RISE has seen, with floors and
# ceilings; SES of RISE would need its masks a second time and is left out.

# %%
three[metrics.BASELINE] = maps | metrics.references(model, shown, device)
table3 = metric_table.of_arms(networks, three, shown, device)
tables.show(table3)

# %% [markdown]
# What LICO adds to the baseline, published and here. The networks and pictures are
# others and so are the conventions; what can be compared is whether the sign is the
# same from method to method and from source to source.

# %% mystnb={"figure": {"name": "fig-05-table3", "caption": "**LICO less baseline**, the author response, the study it answers and this page: insertion, deletion and their difference by saliency method and data set. The arrow points to what the score calls better."}, "image": {"alt": "Three panels that share a row for each saliency method and data set; dots with stems to the left and right of zero, in a colour for each source."}}
score_figures.table_three(metric_table.differences(table3))
plt.show()

# %% [markdown]
# The same for Grad-CAM on all test pictures, from the records of the runs:

# %%
compared = {name: [r.record for r in arms[name]] for name in networks}
tables.show(metric_trials.of_arms(compared, "consistency", consistent))

# %%
tables.show(metric_trials.of_arms(compared, "maps", metrics.AREAS))

# %% [markdown]
# ### Every version, every control
#
# The committed study of {doc}`03_training` has more than two arms: the losses alone,
# published versions of LICO, controls without words, captions, and CGC
# {cite:p}`pillai2022cgc`, each with several training seeds. Which of them it holds:

# %%
study = records.recorded(metric_arms.STUDY)
print(metric_arms.what_is_missing(study))
print(records.other_parameters(chapter.summary(arms), study))

# %% [markdown]
# All that are there, with Grad-CAM, beside the arms of this page. The lines are
# what the same scores give to maps without a picture, and to maps that know the object;
# insertion and deletion of these were tried on the baseline's networks. Where a dotted
# line lies on the good side of all dots, the score asks for something else than
# knowledge.

# %% mystnb={"figure": {"name": "fig-05-arms", "caption": "**Five scores of every arm**, a row an arm, a dot a training seed, a bar their mean; diamonds are the runs of this page. Grey lines: maps that know nothing of the picture; green lines: the object's mask. The arrow points to what the score calls better."}, "image": {"alt": "Five panels, SES, SCH, MOSU, insertion and deletion, that share a row for each training arm in groups; dots for seeds among vertical lines for floors and ceilings."}}
page = metric_arms.own_arms({name: arms[name] for name in networks})
sources = {"the study": study, "this page": page}
dots = metric_arms.scores_of_arms(sources)
limits = metric_arms.levels(study or page)
score_figures.arm_scores(dots, limits)
plt.show()

# %% [markdown]
# How many arms are ahead of the best floor, by their mean over seeds:

# %%
tables.show(metric_arms.ahead_of_floors(dots, limits))

# %% [markdown]
# The numbers behind these dots: means over training seeds, and how far apart the seeds
# of one arm lie. A difference of that size needs no other reason.

# %% tags=["hide-output"]
tables.show(metric_table.of_study(study or page))

# %% [markdown]
# Photographs ({doc}`03_training`) have no masks: the scores that need none remain.
# Where the language reads *mechanism only*, they show what the scores do, and answer no
# claim:

# %%
photographs = records.recorded("03_training-cifar10")
tables.show(records.of(photographs, tables_of.setting))

# %%
tables.show(records.of(photographs, metric_table.of_study))

# %% [markdown]
# The scores of place and spread of the same arms. A record that was made before these
# were scored lacks them:

# %%
print(metric_arms.what_scores_are_missing(study))

# %% mystnb={"figure": {"name": "fig-05-arms-place", "caption": "**Place and spread of every arm** whose record holds these scores, drawn as {numref}`fig-05-arms`. The arrows of entropy and border share point to what is expected of a network that knows."}, "image": {"alt": "Seven narrow panels, EPG, GridPG, pointing game, contrast, mIoU, entropy and border share, that share a row for each training arm; dots for seeds among vertical lines for floors and ceilings."}}
placed_dots = metric_arms.scores_of_arms(sources, metric_arms.PLACES)
holder = study if metric_arms.holds(study) else page
placed_limits = metric_arms.levels(holder, metric_arms.PLACES)
score_figures.arm_scores(placed_dots, placed_limits)
plt.show()

# %% [markdown]
# The numbers behind these:

# %% tags=["hide-output"]
tables.show(metric_table.of_study(holder, metric_arms.PLACES))

# %% [markdown]
# Differences between arms, against the spread of seeds and with their verdicts, are
# the matter of {doc}`09_verdicts`.
#
# And what the reproducibility study published in its Tables 2 to 4, on ImageNet-S50 (3
# runs an arm) and CIFAR-100 (one), with ResNet-18, above what this book's study has for
# the same arms. Published MOSU is computed in the reverse direction, see below; ours is
# given both ways.

# %%
tables.show(metric_table.tables_2_to_4(study))

# %% [markdown]
# Did the language losses act? Their gradients on the feature maps in units of that of
# cross-entropy, medians over epochs, and which of them was {term}`inert <inert arm>`:

# %%
acted = [intervention.describe(r.history) for r in arms[metrics.LICO]]
measured = intervention.mean_of(acted)
tables.show(pd.DataFrame([measured])[["mm share", "ot share", "inert"]], 5)

# %% [markdown]
# What the metrics say that this page has admitted, on its own runs; a minus puts the
# baseline ahead. Nothing here is a verdict.

# %%
heard = metric_assay.may_judge(trial, metrics.GRAD_CAM)
print(f"scores that order every pair with Grad-CAM: {len(heard)}")
tables.show(metric_table.by_scores(page, heard))

# %% [markdown]
# The verdict on the primary endpoint, SCH with Grad-CAM, by the rule of chapter 00.
# It is refused where a language loss did not act, where a run is not trained out, and
# with fewer than five training seeds; a zero map counts as 0. The endpoint was fixed
# before any trial, and what the trial of this page says of it stands above the verdict:

# %%
print(metric_assay.standing(trial, "sch", metrics.GRAD_CAM))
metric_trials.sch_verdict(arms[metrics.LICO], arms[metrics.BASELINE])

# %% [markdown]
# ## Conventions that move the numbers
#
# One network, one set of pictures, and choices that a paper seldom states. First those
# that change the map itself. `pytorch-grad-cam` adds $10^{-6}$ to the denominator of
# Grad-CAM++ whatever the scale of the slopes; here it grows with them. Features times
# a number and a head divided by it are *the same function of the picture*, but not for
# a fixed epsilon. `torch-cam` 0.5.0 applies no denominator at all: a channel weighs the
# sum of $g^2\, \mathrm{relu}(g)$ over its slopes $g$. And where a network is left in
# training mode, batch norms take their statistics from the batch: a map then depends on
# the pictures beside it.

# %%
some = test.first(min(32, explained))
tables.show(metric_conventions.about_maps(model, some, device=device))

# %% [markdown]
# Second, those that change what is made of a map. Published codes take the least value
# of a map away before they add it up; for a map on a pedestal that is another map.

# %%
conventions = metric_conventions.about_scores(
    model, moved, maps[metrics.GRAD_CAM_PP], maps[metrics.RISE], device
)
tables.show(conventions)

# %% [markdown]
# Third, those of insertion and deletion. First whole codes, by repository: each with
# its own blur, step, classes, order of equal pixels and rule of the area, on the same
# Grad-CAM maps of the same pictures. *Explained* and *followed* are the class whose map
# is drawn and the class whose probability is read: the true one, or the one
# *predicted*, the network's first choice. The column *margins* says how far a score
# lies from this book's own, and *evaluations* how many pictures the network sees for
# one curve.

# %%
codes = metric_published.by_code(model, shown, device=device)
tables.show(codes)

# %% [markdown]
# The codes' steps follow the size of the picture here, their blurs are in pixels as
# published. Then one choice at a time, all else as in this book. A step of 1,792 pixels
# is 1/28 of 224 x 224, and nearly half of 64 x 64. In training mode batch norms take
# the batch's statistics; a code that computes maps so also leaves the network changed.

# %%
curved = metric_published.choices(model, shown, device=device)
tables.show(curved)

# %% [markdown]
# Which pictures are averaged is a convention too. The code of the study evaluates 144
# of its 752 pictures by insertion and deletion: the row of a score says how far such a
# part is off the whole, typically, if pictures vary as these do: it may be so much
# above it or below. Rows of the other scores are there for comparison. Its SES is a
# mean of batch means, of which the last batch is small.

# %%
averaged = metric_published.about_pictures(run.record)
tables.show(averaged)

# %% [markdown]
# And which pixels are the object: that code takes any labelled pixel. Where objects of
# several classes are in a picture, SCH then rewards a map that mistakes one for the
# other. In grids of four:

# %%
anyone = metric_published.any_class(model, test, device=device)
tables.show(anyone)

# %% [markdown]
# ### In units of the full picture
#
# Fourth, a convention of this book. An area may be divided by the probability of the
# class in the full picture, so that an unsure network is not punished, or rewarded, for
# being unsure. But there are two ways: the mean over pictures of each one's ratio, or
# the mean area divided by the mean full probability. A picture that the network names
# wrong has a full probability near 0, and a ratio as large as one likes.

# %% mystnb={"figure": {"name": "fig-05-ratios", "caption": "**Area in units of the full picture's probability**, a mark a picture, over that probability (baseline, first seed; both axes logarithmic). Crosses: pictures that the network names wrong. Lines: the mean of these ratios, and the ratio of the two means."}, "image": {"alt": "Two scatter plots on logarithmic axes, for insertion and deletion: ratios of pictures that are named right lie low and to the right, crosses of those that are named wrong rise to the left."}}
per_picture = metric_arms.of_pictures(run.record)
decided = metric_arms.who_decides(per_picture)
score_figures.ratio_pictures(per_picture, decided)
plt.show()

# %% [markdown]
# How many pictures are named wrong, and how much of each sum is theirs:

# %%
tables.show(decided)

# %% [markdown]
# If a few wrong pictures hold a large share of the first sum, the mean of ratios
# measures these pictures; the ratio of means does not. In the arms of the study:

# %% mystnb={"figure": {"name": "fig-05-two-ways", "caption": "**Two ways to the same unit.** Insertion and deletion with Grad-CAM of each arm and training seed: the mean of the pictures' ratios, and the mean area by the mean full probability."}, "image": {"alt": "Two panels with a row for each training arm: crosses for the mean of ratios are scattered widely, dots for the ratio of means lie close together."}}
ways = metric_arms.two_ratios(study or page)
score_figures.two_ways(ways)
plt.show()

# %% [markdown]
# How far each way is moved by the training seed alone, the mean over arms:

# %%
tables.show(metric_arms.spread_of_ways(ways))

# %% [markdown]
# What this page calls `/ full` is the second way. All conventions side by side:

# %% mystnb={"figure": {"name": "fig-05-conventions", "caption": "**What a convention is worth**: the difference it makes on the same network and pictures, in margins. Past the grey band a convention moves a score by more than this book calls a relevant difference; dots that leave the panel carry their length."}, "image": {"alt": "Horizontal lines with a dot at their end, a row for each convention in groups of scores, sorted by length, beside a grey band of one margin."}}
relative = metric_arms.about_ratios(per_picture)
moves = [conventions, curved, averaged, anyone, relative]
metric_figures.movements(pd.concat([one for one in moves if len(one)]))
plt.show()

# %% [markdown]
# A score is therefore comparable only with one computed in the same way. Two papers
# with different conventions do not contradict each other by their numbers.

# %% [markdown]
# ## Cases without an answer
#
# Some maps and pictures have no score until a rule says so. These are the rules of
# this book, on maps of eight by eight pixels:

# %%
tables.show(metric_conventions.degenerate_cases())

# %% [markdown]
# - A **zero map** (no positive evidence anywhere) has SES 0 and SCH 0, as in the code
#   of the study. CGC's code {cite:p}`pillai2022cgc` leaves it out, which is kinder to
#   a network that often has none.
# - An **empty mask**, as after a crop, has no SCH: dropped and counted.
# - With **fewer than two boxes** there is nothing to share out: dropped and counted.
# - A **box without saliency** makes the equation infinite; a millionth of the saliency
#   in all boxes is added to each.
# - Where **boxes overlap** a pixel counts in each, in area and in saliency alike.
#
# How often they occur, in the trained network and in the untrained one:

# %%
nothing = metrics.cams(blank, test, device)[metrics.GRAD_CAM]
named = {"trained": everywhere[metrics.GRAD_CAM], "untrained": nothing}
tables.show(metric_conventions.degenerate_table(named, test))

# %% [markdown]
# ## What deviates, and why
#
# - The study's SES, SCH and MOSU are of Grad-CAM on ImageNet-S50, with ResNet-18; the
#   table of this page is of drawn scenes and a small network.
# - Published MOSU is KL of saliency against area, the reverse of the equation, in the
#   code of the study (konradszewczyk/lico-reproduction, commit d63b896); its boxes are
#   stretched to 224 pixels while its pictures are cropped. Here the equation is
#   computed, boxes move with pictures, and the reverse stands beside it.
# - The same code takes any labelled pixel as the object's; here the mask is that of
#   the class. Its EPG-like scores do not exist: EPG, GridPG, contrast and the others of
#   that section are this book's addition to the dispute.
# - The code of the study and that of CGC (UCDvision/CGC, commit a66d872) compute the
#   maps of insertion and deletion in training mode. Here networks are in evaluation
#   mode; the other way is a row of the table above.
# - A map's least value stays in it. Only the two galleries that say so take it off.
# - RISE is run on fewer pictures than the other methods, and without SES. In the trials
#   and beside untrained weights it has a fifth of the masks, and is divided by their
#   own mean.
# - Integrated Gradients take fewer steps and LIME fewer samples in the trials than for
#   the one picture that is shown large; LIME hides equal squares, not superpixels.
# - In the trials insertion and deletion are of the few pictures of RISE, and of half as
#   many for the methods that are not of the dispute.
# - The network of the mask penalty is the trained one after a few more epochs, not one
#   that was trained with the penalty from the start.
# - Insertion and deletion of different networks are also shown in units of the full
#   pictures' mean probability, which no published table does.
# - The arms of the study are of this book's schedule, not of that of the published
#   codes; floors and ceilings of insertion and deletion are the baseline's alone.

# %% [markdown]
# ## Exercises
#
# ```{exercise} A better SES for nothing
# :label: ex-05-blur
#
# Add a constant to every Grad-CAM map of the baseline: 0, half and five times the
# map's maximum. What do SES, SCH, MOSU and Gini say?
# ```

# %% [markdown]
# ```{solution-start} ex-05-blur
# :label: sol-05-blur
# :class: dropdown
# ```

# %% tags=["solution"]
for share in (0.0, 0.5, 5.0):
    top = share * moved.saliency.amax((1, 2), keepdim=True)
    raised = moved.saliency + top
    cosine = consistency.ses(moved.moved + top, moved.anew + top).mean()
    found = metrics.consistency_scores(raised, moved.pictures)
    means = {name: values.nanmean().item() for name, values in found.items()}
    print(f"+ {share} of the maximum: ses {cosine:.3f}", end="")
    print("".join(f", {name} {value:.3f}" for name, value in means.items()))

# %% [markdown]
# The map loses what it knew, and two of the scores call it better.
#
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} How many masks?
# :label: ex-05-masks
#
# The variance of a RISE map's noise falls as $1 / N$. If two seeds of $N$ masks agree
# by $r$, then $r / (1 - r)$ grows as $N$ (the formula of Spearman and Brown). How many
# masks would this page need for .9? And with the masks' own mean?
# ```

# %% [markdown]
# ```{solution-start} ex-05-masks
# :label: sol-05-masks
# :class: dropdown
# ```

# %% tags=["solution"]
for kind, r in zip(last["divided by"], last["rank correlation"], strict=True):
    print(f"divided by {kind}: {metrics.masks_needed(rise_masks, r):,.0f}")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} Two directions
# :label: ex-05-kl
#
# Two boxes of equal area hold 90 % and 10 % of the saliency. Work out MOSU and its
# reverse. Which of them grows without bound when the second box loses its last
# saliency?
# ```
#
# ````{solution} ex-05-kl
# :label: sol-05-kl
# :class: dropdown
#
# $\mathrm{KL}(v_\mathrm{area} \| v_\mathrm{sal})$ is $\tfrac12 \log\tfrac{.5}{.9} +
# \tfrac12 \log\tfrac{.5}{.1} = .511$ nats, and $\mathrm{KL}(v_\mathrm{sal} \| v_\mathrm{area})$ is $.9 \log\tfrac{.9}{.5} + .1 \log\tfrac{.1}{.5} = .368$ nats. The
# first grows without bound, as it divides by the saliency of each box; the reverse
# never exceeds $\log 2$ here. The published direction is thus the milder one on maps
# that leave an instance out.
# ````

# %% [markdown]
# ## Take away
#
# - A score belongs to a map, a network *and* a convention; without all three named it
#   cannot be compared.
# - A uniform map is perfect by SES and MOSU. Floors, the chance level and Gini are
#   there so that nobody is fooled by it.
# - Before a metric judges a claim, it is tried on networks whose order is known; with
#   another saliency method that trial may end otherwise.
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
