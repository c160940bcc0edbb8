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
# # CLIP's own maps
#
# :::{admonition} In this chapter
# :class: tip
# - draw the map that CLIP itself makes: how like a text is each place of a picture?
# - test the claim that this map shows the opposite of its object, and that pooling is
#   the cause;
# - ask of an attention that costs nothing whether it finds objects at all, before
#   anything is built on it;
# - train a projection by *masked max pooling*, beside a mask that knows the answer and
#   one that knows nothing;
# - see what recognition pays for it.
#
# *Reading: 25 minutes. Running: 1 minute once the runs exist, 2 from nothing, on two
# cores.*
# :::
#
# All other answers of this book explain a classifier from outside, or train one anew.
# CLIP {cite:p}`radford2021clip` can be asked directly. It puts pictures and texts into
# one space; so does each *place* of a picture, if one lets it. The likeness of each
# place to a text is a map, and no gradient is needed.
#
# :::{admonition} Claim — {cite:t}`li2022eclip`, abstract
# :class: claim
# > Based on it, we surprisingly find that CLIP prefers the background regions than the
# > foregrounds, and shows erroneous visualization results against human understanding.
# > This phenomenon is universal for both vision transformers and convolutional
# > networks [...]. Experimentally, we find the devil is in the pooling part [...].
# > For this problem, we propose the Explainable Contrastive Language-Image Pre-training
# > (ECLIP), which corrects the explainability via the Masked Max Pooling.
# :::
#
# With later accounts of the method, and a summary of it in circulation with pseudo
# code, these are six claims: that the map is the opposite of the object; that pooling
# is the cause; that turning the map round helps; that masked max pooling repairs it;
# that recognition is kept; that all this holds for both kinds of network. No code of the
# method is public. What its descriptions leave open, or say in two ways, is a parameter
# of this page or of `helpers.methods.eclip`.

# %% [markdown]
# ## Parameters
#
# `vlm` is the CLIP: the book's tiny one, or any of open_clip, by tag or with weights
# from a file. `towers` names CLIPs of scenes: `CNN` is that of the laboratory, the
# others are trained here and differ in one thing each: kind of network, depth, pooling,
# and the correlation of object and background in what they were trained on. All are
# judged on the same scenes, without that correlation.

# %% tags=["parameters", "hide-input"]
dataset: str = "scenes"  # scenes, imagenet-s50:PATH, folder:PATH, cifar10
vlm: str = "tiny"  # tiny, MODEL/TAG of open_clip, MODEL:FILE, MODEL:random
reading: str = "value"  # of a ResNet's places: value, token
pictures: int = 320  # pictures that train a projection
validated: int = 64  # pictures that choose a threshold
test_pictures: int = 160  # pictures that are judged
epochs: int = 12  # of a projection
batch: int = 64  # pictures that must find their texts
lr: float = 0.003  # of a projection, at the start
temperature: float = 0.07  # similarities are divided by it
quantile: float = 0.75  # share of the places that is masked
encoder_pictures: int = 300  # pictures of the encoder without labels
encoder_epochs: int = 4  # its epochs
towers: list[str] = ["CNN"]  # CNN, ViT, and their variants
tower_pictures: int = 12000  # of a tower trained here
tower_epochs: int = 6  # its epochs
clip_pictures: int = 12000  # scenes with captions
clip_epochs: int = 2  # passes over scenes and captions
seeds: list[int] = [1]  # training seeds
device: str = "cpu"  # cpu, cuda, cuda:1, mps

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import pandas as pd

from helpers.chapters import (
    eclip,
    eclip_claims,
    eclip_maps,
    eclip_projections,
    eclip_rows,
    eclip_search,
    eclip_views,
)
from helpers.report import eclip_figures, figures, records, tables

figures.theme()

# %% [markdown]
# The parameters are checked before anything is loaded. The tiny CLIP is that of the
# laboratory: nothing is trained twice.

# %% tags=["hide-input"]
chapter = eclip.Eclip.of(
    dataset=dataset,
    vlm=vlm,
    reading=reading,
    pictures=pictures,
    validated=validated,
    test_pictures=test_pictures,
    epochs=epochs,
    batch=batch,
    lr=lr,
    temperature=temperature,
    quantile=quantile,
    encoder_pictures=encoder_pictures,
    encoder_epochs=encoder_epochs,
    towers=towers,
    tower_pictures=tower_pictures,
    tower_epochs=tower_epochs,
    clip_pictures=clip_pictures,
    clip_epochs=clip_epochs,
    seeds=seeds,
    device=device,
)

# %%
arms = chapter.trained()
name = chapter.names()[0]
bench = chapter.look(arms, name, 0)
clip = bench.clip
pd.DataFrame(
    {
        "CLIP": [clip.reader.name],
        "tower": [clip.reader.kind],
        "places a side": [clip.test.grid[0]],
        "shifts a side": [clip.reader.shifts],
        "note": [clip.reader.note or "—"],
    }
).pipe(tables.show)

# %% [markdown]
# ### On a real CLIP and your own pictures
#
# The same cells run with any CLIP of open_clip {cite:p}`ilharco2021openclip` and any
# pictures in class folders, here with ImageNet-S50's masks {cite:p}`gao2023imagenets`:
#
# ```shell
# python -m helpers.run 12_eclip \
#     -p vlm=ViT-B-32-quickgelu/openai \
#     -p dataset=imagenet-s50:PATH -p device=cuda \
#     -p pictures=2000 -p validated=100 -p test_pictures=600
# ```
#
# Weights in a file are named `-p vlm=ViT-B-32-quickgelu:FILE`. Pictures without masks,
# `-p dataset=folder:PATH`, give maps and recognition, and no score of place.
#
# A tiny CLIP can also be trained on COCO's captions {cite:p}`lin2014coco` and asked of
# the pictures that it did not see. On a few dozen pictures this checks the pipeline:
#
# ```shell
# python -m helpers.chapters.eclip_captions \
#     --pictures PATH/train2017 \
#     --captions PATH/annotations/captions_train2017.json \
#     --instances PATH/annotations/instances_train2017.json
# ```

# %% [markdown]
# ## The rules, before any result
#
# Each claim is given the number that decides it and the rule by which it does. The
# four outcomes and the margins are those of the whole book. One rule comes first:
# masked max pooling needs an attention that finds objects. If that attention overlaps
# with them no more than chance, the claim is *not testable*, and only the mask of the
# ground truth can say what the pooling would do.

# %%
tables.show(eclip_claims.rules())

# %% [markdown]
# The reversed map is judged by its overlap alone. Its {term}`score contrast`, the mean
# of the map on the object less that outside, is minus that of the map, whatever the
# map: it can be no evidence.

# %% [markdown]
# ## The map
#
# A place $i$ of a picture has a token $v_i$, in the common space after CLIP's own
# projection $P$; a text has a feature $t$. The image-text similarity map is
#
# $$
# \begin{aligned}
# S_i &= \cos(P v_i, t), \\
# \mathrm{ITSM}_i &= \frac{S_i - \min_j S_j}{\max_j S_j - \min_j S_j},
# \end{aligned}
# $$ (eq-12-itsm)
#
# enlarged to the picture; a ResNet's $P$ comes with a bias, which is added and, further
# down, trained too. The reversed map is $1 - \mathrm{ITSM}$. What $v_i$ is has to be
# said. In a vision transformer it is a token after the last norm. In CLIP's ResNet
# a pool with attention ends the tower: `value` takes what this pool would mix, at each
# place by itself {cite:p}`zhou2022maskclip`; `token` lets each place ask the pool
# as the mean of all places does.
#
# The tiny CLIP leaves two places a side, too few for a map. So each picture is read
# again, moved by a fraction of a place, and the places are stitched together
# {cite:p}`long2015fcn`. No weight is changed.

# %%
scored = eclip_maps.without_training(clip)
scored |= eclip_maps.trained(clip, bench.fits)
numbers = eclip_rows.row(bench, scored)
summary = {
    "parameters": chapter.model_dump(),
    "towers": {name: {str(chapter.seeds[0]): numbers}},
}

# %% [markdown]
# The first test pictures, with CLIP's map of their class, its reversal, Grad-CAM of
# the same CLIP as a classifier of texts {cite:p}`selvaraju2017gradcam`, and the map
# of a projection that is trained further down.

# %% mystnb={"figure": {"name": "fig-12-maps", "caption": "**One CLIP, four maps.** Test pictures; below each the map of its class by CLIP itself, the same reversed, Grad-CAM, and a projection trained by masked max pooling."}, "image": {"alt": "Six test pictures in a row, each above four heat maps laid over its grey version."}}
first = clip.test.shown.rows(slice(6))
best = eclip_claims.masked(eclip_projections.SELF)
rows = (eclip_maps.ITSM, eclip_maps.REVERSED, *eclip_maps.rivals_of(clip)[:1])
maps = {row: scored[row].maps[:6] for row in (*rows, best)}
titles = [first.names[k] for k in first.labels]
figures.overlays(
    first.images,
    {row.replace(": ", ":\n"): shown for row, shown in maps.items()},
    titles,
)
plt.show()

# %% [markdown]
# ### Does it show the opposite?
#
# Ask place by place: is one that the object covers more like the text than one that
# it does not? If the map were the opposite of its object, the boxes would fall from
# left to right.

# %% mystnb={"figure": {"name": "fig-12-places", "caption": "**Likeness to the text by place.** Places of all test pictures, by how much of them the object covers; likeness in standard deviations of each picture. Without masks the figure is empty."}, "image": {"alt": "Box plots of the likeness of places to their text, from places without object on the left to places full of it on the right, with a line at zero."}}
likeness, shares = eclip_views.places(bench)
eclip_figures.bands(likeness, shares)
plt.show()

# %% [markdown]
# The summary speaks of a softmax, and does not say over what; the authors' later code
# {cite:p}`li2023surgery` has none, and its early versions gave length 1 over the places
# of a channel and not over the channels of a place (*unit over tokens*). One change at a
# time; whether a map is the better for it, the table says:

# %%
tables.show(eclip_views.options(bench))

# %% [markdown]
# ## Free attention
#
# Pooling turns the tokens of all places into one vector, and training with captions
# sees that vector alone. {cite:t}`li2022eclip` hold that by it the places of
# the background take on what belongs to the object: *semantic shift*. Their remedy is
# the maximum over the places of the foreground. With a mask $m_i$ that keeps some
# places,
#
# $$ y_c = \max_{i:\, m_i = 1} (P v_i)_c , $$ (eq-12-mmp)
#
# channel by channel. The mask comes from an attention that costs no label: that of the
# class token of an encoder trained without labels or words, says the first version of
# the paper. Here it is a small vision transformer trained by SimCLR
# {cite:p}`chen2020simclr`. Beside it stand the same encoder *untrained*, CLIP's own
# attention, the mask of the ground truth, and random numbers.
#
# Before anything else: does it find objects? `IoU` is the overlap of the kept places
# and the object in training pictures, `blind` that of as many pixels drawn at random,
# `another's` that of the places kept of another picture. A seed passes if the overlap
# exceeds in the mean the larger of the two, of each picture, by mIoU's margin.

# %%
tables.show(eclip_views.attention(summary, name))

# %% [markdown]
# And in the committed study, by a tower trained on the same kind of pictures:

# %%
study = records.recorded("12_eclip-study")
tables.show(records.of(study, eclip_search.attention_of("CNN, longer")))

# %% mystnb={"figure": {"name": "fig-12-attention", "caption": "**What each attention keeps.** Training pictures; masked places are dark, the white line is the edge of the object."}, "image": {"alt": "Seven training pictures in a row; below each the same picture with most places darkened, once for each source of attention, and the outline of the object."}}
train = clip.train.shown.rows(slice(7))
kept = {
    source: free.kept("train").places[:7].cpu()
    for source, free in bench.free.items()
}
eclip_figures.kept_places(
    train.images, kept, [train.names[k] for k in train.labels], train.masks
)
plt.show()

# %% [markdown]
# An encoder that was never trained is the control to look at beside the rule: what it
# finds owes nothing to learning, and an attention that passes no better than this one
# has learnt nothing of objects.

# %% [markdown]
# ## Masked max pooling
#
# Both towers stay as they are. What is trained is $P$ alone, with its bias if it has
# one, so that the pooled vector
# of a picture finds its caption among those of a batch, by CLIP's own loss on both
# sides,
#
# $$
# \begin{aligned}
# L = -\frac{1}{2B} \sum_{b=1}^{B} \Bigl( &
# \log \frac{e^{y_b \cdot t_b / \tau}}{\sum_j e^{y_b \cdot t_j / \tau}} \\
# & + \log \frac{e^{y_b \cdot t_b / \tau}}{\sum_j e^{y_j \cdot t_b / \tau}} \Bigr),
# \end{aligned}
# $$ (eq-12-infonce)
#
# $y$ and $t$ of length 1. Each way of pooling gets the same pictures, in the same
# order, for as many steps; *class token* is the tower's own pooling, trained as long.
# The map is then made by equation {eq}`eq-12-itsm` with the new $P$, at all places: no
# mask, no pooling. Masked places are left out of the maximum; in the pseudo code of the
# summary they are set to 0, and take part. That is the row *masked max, 0*. Two rows
# train nothing and are the authors' later work {cite:p}`li2023surgery`: *v-v attention*
# lets values attend to values, *feature surgery* takes from each place what it says to
# all texts alike.

# %%
seen = eclip_views.maps(summary, name)
tables.show(seen)

# %% mystnb={"figure": {"name": "fig-12-overlap", "caption": "**Overlap of every map with its object.** Each under one threshold, chosen on other pictures. A tick is what as many pixels drawn blindly have, the dashed line is all pixels. Without masks the figure is empty."}, "image": {"alt": "Dot plot with one row a method, from CLIP's own map over trained projections to reference maps, showing mIoU on the horizontal axis, a tick for the blind floor and a dashed line for all pixels."}}
if "mIoU" in seen:
    eclip_figures.methods(seen)
plt.show()

# %% [markdown]
# `best threshold each` gives each picture its own best threshold: a ceiling of
# {term}`mIoU`, no score.
# A map without knowledge, the centred Gaussian, is the bar to look at before any
# other: objects stand near the middle.
#
# ### Where the maximum reads
#
# Of a max-pooled vector it can be said which place gave each channel. The share of
# channels that the object gave is this book's own measure; the description of the
# method names a *foreground selection ratio* without a formula. Chance is the object's
# share of the places that take part.

# %%
tables.show(eclip_views.selection(summary, name))

# %% [markdown]
# ## What recognition pays
#
# The original projection is kept beside the new one, so recognition by it is what it
# was, by construction. What of the *new* one? `top-1` is zero-shot by its own pooling,
# `of the whole` by the tower's, `R@1` the share of pictures and texts that find each
# other. *Kept* means two points lost at most, of each.

# %%
tables.show(eclip_views.recognition(summary, name))

# %% mystnb={"figure": {"name": "fig-12-trade", "caption": "**Recognition against overlap.** A mark is a projection; in the grey band more than two points of the original's top-1 are lost. Without masks the figure is empty."}, "image": {"alt": "Scatter plot of projections, zero-shot top-1 on the horizontal and mIoU on the vertical axis, with a grey band on the left where recognition is lost."}}
if "mIoU" in seen:
    eclip_figures.trade(*eclip_views.trade(summary, name))
plt.show()

# %% [markdown]
# ## The answers
#
# On this run, by the rules above. With fewer than five training seeds there is no
# verdict, whatever the numbers.

# %%
tables.show(eclip_claims.table(summary, name))

# %% [markdown]
# A claim of several parts has the numbers of its weakest, which the table names.
# `repair` must hold against each of four rivals. Below them stand the same pooling with
# the mask of an untrained encoder, and Grad-CAM on the same CLIP; they decide nothing.

# %%
tables.show(eclip_claims.parts(summary, name))

# %% [markdown]
# ### Looking for the effect
#
# That CLIP's maps are the opposite of their objects was reported for CLIPs trained on
# hundreds of millions of pictures from the web. A small CLIP need not show it. So the
# study varies what might bring it about: the correlation of object and background,
# depth, pooling, kind of tower. A tower that names fewer than six in ten scenes of one
# object right is *under-trained*, and judged no further. Where a table says *too few
# seeds for the margin*, the effect that such a study would have missed once in five
# exceeds the margin; by the book's rule an interval is then no answer, however far from
# 0. These tables look at many towers and are exploratory.

# %%
print(records.other_parameters(summary, study))
tables.show(records.of(study, eclip_search.looked_for))

# %% [markdown]
# The same, seed by seed:

# %% mystnb={"figure": {"name": "fig-12-towers", "caption": "**Where the effect was looked for.** Score contrast of CLIP's own map: of the committed study, a dot a training seed, or of this page where there is no study. Left of 0 the map is higher off its object than on it. Those of the study saw as many captions, as often; a name says what is different: the kind of network, the correlation of object and background, the depth, what pools the tokens (a ViT's class token if nothing is said)."}, "image": {"alt": "Dot plot with one row a tower, dots for training seeds around a vertical line at zero, with mean and interval below each row."}}
eclip_figures.towers(eclip_search.by_seed(study or summary))
plt.show()

# %% [markdown]
# Does the contrast of CLIP's own map change with one thing alone? Positive where the
# first tower has more.

# %%
tables.show(records.of(study, eclip_search.compared))

# %% [markdown]
# The claim on pooling above asks what a projection can do on a tower that is finished.
# Whether pooling is the *cause* towers must say that were trained with another. This
# comparison was written down after a first record of these towers:

# %%
eclip_search.pooling_in_training(study or summary)

# %% [markdown]
# And the answers of the study for the convolutional network:

# %%
tables.show(records.of(study, eclip_search.answers_of("CNN, longer")))

# %% [markdown]
# ### On a vision transformer
#
# The same for a transformer of four blocks, trained on the same captions. Here the
# rivals are Grad-CAM at the last block, Rollout {cite:p}`abnar2020rollout` and the
# relevance of {cite:t}`chefer2021cgw`.

# %%
tables.show(records.of(study, eclip_search.maps_of("ViT")))

# %% [markdown]
# Its answers:

# %%
tables.show(records.of(study, eclip_search.answers_of("ViT")))

# %% [markdown]
# The first claim of this page, as the verdict prints it:

# %%
eclip_claims.verdict_of(summary, name, "opposite")

# %% [markdown]
# ## What deviates, and why
#
# - The paper studies CLIPs of the web on photographs. Here a tiny CLIP looks at drawn
#   scenes: what is shown is a mechanism, not how much it weighs in a CLIP of the web.
#   `vlm` puts one in its place.
# - The tokens of the tiny CLIP are stitched from moved pictures. A CLIP with seven
#   places a side or more is read once.
# - Which places an attention keeps is not stated. Here they are a fixed share,
#   `quantile`: attention over all places sums to one at most, so what an absolute
#   threshold of one half keeps, as the summary has it, depends on how many there are.
# - Grad-CAM of the tiny CLIP is taken at its last layer of seven cells a side or more,
#   which lies before the tokens of the map; it is not stitched.
# - Of a CLIP it is asked that it recognises enough, not that more training would change
#   nothing. With a published CLIP there is one network whatever the seeds: claims on it
#   alone get no verdict, the others are over seeds of the projection.
# - The temperature is that of the summary; learning rate and epochs are this book's,
#   alike for every pooling, and were chosen on the loss alone.
# - The threshold of each map is one number for all pictures, chosen on others. How the
#   paper chooses it is not known.

# %% [markdown]
# ## Exercises
#
# ```{exercise} An identity
# :label: ex-12-identity
#
# Show that the contrast of a reversed map is minus that of the map, and find it in the
# table of all maps. Is its overlap determined by that of the map as well?
# ```

# %% [markdown]
# ```{solution-start} ex-12-identity
# :label: sol-12-identity
# :class: dropdown
# ```

# %% [markdown]
# Less outside than inside: $(1 - a) - (1 - b) = -(a - b)$ for any means $a$ on the
# object and $b$ off it. The overlap is not determined. Let an object cover the places 1
# and 2 of four, and let two maps be $(1, .6, 0, 0)$ and $(1, .9, 0, 0)$. Above one half
# both find the object, IoU 1. Reversed and cut at .3, the first keeps the places 2, 3
# and 4, IoU 1/4, and the second 3 and 4, IoU 0.

# %% tags=["solution"]
if "mIoU" in seen:
    pair = seen.set_index("map")[["contrast", "mIoU"]]
    print(pair.loc[[eclip_maps.ITSM, eclip_maps.REVERSED]].round(3))

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} Half of a softmax
# :label: ex-12-half
#
# Keep the places whose attention exceeds one half, as the summary of the paper does.
# In what share of the training pictures is any place kept by CLIP's own attention,
# `clip.train.attention`? Over all places of a picture it sums to one at most, the rest
# goes to the token of the whole; with several shifts each reading of the picture has
# its part. And if each reading had it all?
# ```

# %% [markdown]
# ```{solution-start} ex-12-half
# :label: sol-12-half
# :class: dropdown
# ```

# %% tags=["solution"]
own = clip.train.attention.flatten(1)
for words, times in {"picture": 1, "reading": clip.reader.shifts**2}.items():
    kept_any = (times * own > 0.5).any(1).float().mean()
    print(f"sum of one a {words}: {kept_any:.1%} of {len(own)} pictures,")
    print(f"    largest attention to one place {times * own.max():.3f}")

# %% [markdown]
# So one half is a statement about the number of places: the fewer share the sum, the
# easier one of them passes. With two shifts a side or more, no place of a whole picture
# can have more than a quarter.
#
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} Why not multiply by zero?
# :label: ex-12-zero
#
# The pseudo code of the summary multiplies masked places by 0 before the maximum. For
# which channels does this change the pooled vector?
# ```
#
# ````{solution} ex-12-zero
# :label: sol-12-zero
# :class: dropdown
#
# For those whose values are negative at every kept place: there the mask itself, 0, is
# the maximum. The object's places then no longer decide, and the gradient of the
# channel is 0 for this picture. With minus infinity in the masked places the maximum
# is always one of a kept place. The row *masked max, 0* shows what it does to the map.
# ````

# %% [markdown]
# ## Take away
#
# - CLIP has a map of its own, without gradients; what a *place* says is a matter of
#   definition, and the definition moves the map more than most methods do.
# - A claim that rests on an attention is testable only where that attention finds
#   objects; an untrained encoder tells how much of it was learnt.
# - To ask whether pooling is the cause, train towers that differ in pooling alone; one
#   trained network cannot tell.
# - The contrast of a reversed map is an identity. Only its overlap is evidence.
# - A random mask and plain max pooling are the controls of masked max pooling; a mask
#   of the ground truth says what the best attention could do.
#
# ## Provenance
#
# What the runs of this page were made with:

# %% tags=["hide-input"]
pd.DataFrame(
    {"arm": arm, "seed": run.settings.seed, **records.origin(run.provenance)}
    for arm, runs in arms.items()
    for run in runs
).pipe(tables.show)
