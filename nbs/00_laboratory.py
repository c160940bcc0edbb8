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
# # The laboratory
#
# :::{admonition} In this chapter
# :class: tip
# - see the data set on which this book runs when it has no network: its objects, its
#   captions and the background cue that can be turned up or down;
# - check that the words of a small vision-language model mean something;
# - train a classifier, look at its saliency maps and score them;
# - learn what a verdict of this book is, and when it is refused.
#
# *Reading: 20 minutes. Running: 1 minute once the runs exist, 4 to 8 from nothing,
# on two cores.*
# :::
#
# Every later chapter asks whether language changed a network for the better. An
# answer is worth something only if the instruments could have shown a difference.
# This chapter builds the instruments and tests them on a difference that is known
# because it was planted.
#
# :::{admonition} Claim — {cite:t}`lei2023lico`, as stated by {cite:t}`bartak2024lico`, abstract
# :class: claim
# > LICO (i) enhances interpretability by producing more explainable saliency maps in
# > conjunction with a post-hoc explainability method and (ii) improves image
# > classification performance without computational overhead during inference.
# :::
#
# To test such a claim one needs pictures, a text model, trained networks, saliency
# maps, scores and a rule that turns scores into an answer. Here is one of each.

# %% [markdown]
# ## Parameters
#
# All that can be changed from outside. `dataset` may be `scenes`, `cifar10`,
# `cifar100`, `imagenette`, `imagenet-s50:PATH` in its published layout, or
# `folder:PATH` with one folder of pictures a class.

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
cue: float = 0.9  # class-background correlation of the second arm

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import pandas as pd
import torch

from helpers.chapters import laboratory, moved
from helpers.data import catalog, scenes
from helpers.explain.cam import grad_cam
from helpers.language import tiny_clip
from helpers.measure import statistics
from helpers.measure.perturbation import insertion_deletion
from helpers.measure.reference_maps import reference_maps
from helpers.report import figures, moved_figures, records, tables

figures.theme()

# %% [markdown]
# The parameters are checked here, names, types and ranges, before anything is
# loaded. Then the runs are loaded; one that is missing is trained.

# %% tags=["hide-input"]
chapter = laboratory.Laboratory.of(
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
)

# %%
arms = chapter.trained()
pd.DataFrame(
    {"arm": name, "runs": len(runs), "first folder": runs[0].folder.name}
    for name, runs in arms.items()
).pipe(tables.show)

# %% [markdown]
# ### On real pictures
#
# The same cells run on photographs. Here 10,000 pictures of CIFAR-10
# {cite:p}`krizhevsky2009cifar`, unpacked as `PATH/train/<class>/*.png` and
# `PATH/test/<class>/*.png`, on a network for small pictures:
#
# ```shell
# python -m helpers.run 00_laboratory -p dataset=folder:PATH \
#     -p size=32 -p backbone=resnet20 -p pictures=10000 -p epochs=8 \
#     -p batch=64 -p lr=0.1 -p flip=True -p shift=2
# ```
#
# With a network connection `dataset=cifar10` fetches them itself. Scenes, captions and
# the tiny CLIP below stay as they are; photographs have no planted cue. The networks of
# the published studies are there as well: `wrn28-2` and wider for small pictures,
# `resnet18` and `resnet50` from 128 pixels on, with ImageNet-S50 and its masks
# {cite:p}`gao2023imagenets`:
#
# ```shell
# python -m helpers.run 00_laboratory -p dataset=imagenet-s50:PATH \
#     -p size=224 -p backbone=resnet18 -p pictures=58000 \
#     -p test_pictures=752 -p epochs=100 -p batch=128 -p flip=True
# ```

# %% [markdown]
# ## Scenes
#
# A scene is drawn by a few lines of arithmetic from a random seed. It shows one to
# four instances of one class among 24, on one of eight places, with small distractors
# that belong to no class. Nothing is downloaded, and of every pixel it is known which
# instance it belongs to.

# %% mystnb={"figure": {"name": "fig-00-classes", "caption": "**The 24 classes.** A row is a family (an outline), a column a mark (a pattern painted on it). Names have one, two or three tokens."}, "image": {"alt": "Four rows of six small pictures: round, square, spiky and petalled objects, each with six different patterns, on backgrounds such as grass, sand and snow."}}
gallery = scenes.draw_scenes(400, "train", single=True)
first = [int((gallery.labels == k).nonzero()[0]) for k in range(24)]
figures.picture_grid(gallery.images[first], scenes.CLASS_NAMES)
plt.show()

# %% [markdown]
# Masks and boxes come with each scene, one an instance; an object is at least two
# cells of the network's feature map wide. So a map can be held against the truth.

# %% mystnb={"figure": {"name": "fig-00-anatomy", "caption": "**Instances.** Scenes above their instance maps; white frames are the boxes."}, "image": {"alt": "Four scenes with two to four objects, and below each the same picture with every object filled in its own colour and framed."}}
several = (gallery := scenes.draw_scenes(60, "test")).counts > 1
chosen = several.nonzero()[:4, 0]
figures.anatomy(
    gallery.images[chosen],
    gallery.instances[chosen],
    gallery.boxes[chosen],
    [gallery.captions[i] for i in chosen],
)
plt.show()

# %% [markdown]
# ### The background cue
#
# Each class has a *home* among the eight places. The correlation $r$ of class and home
# is a parameter,
#
# $$ P(\text{place} = \text{home}) = r + \frac{1 - r}{8}, $$ (eq-00-cue)
#
# so that $r = 1$ always shows a class at home, $r = 0$ anywhere, and $r = -1/7$
# never at home. The same scene can be drawn at each setting: only its place changes.

# %% mystnb={"figure": {"name": "fig-00-cue", "caption": "**One scene, three settings of the cue.** At home, anywhere, never at home."}, "image": {"alt": "Three rows of the same six objects; the objects are identical in each row and only the background texture differs."}}
rows = {
    word: scenes.draw_scenes(6, "test", cue=value)
    for word, value in scenes.CUES.items()
}
figures.picture_grid(
    torch.cat([drawn.images for drawn in rows.values()]),
    [word for word in rows for _ in range(6)],
)
plt.show()

# %% [markdown]
# ## Words that mean something
#
# Language features can help a classifier only if they carry knowledge of the classes.
# Where there is a network that knowledge comes from CLIP {cite:p}`radford2021clip`.
# Here it comes from a CLIP of the same construction and the same tokenizer, but tiny
# ({cite:t}`ilharco2021openclip`'s classes), trained on scenes and their captions.
#
# Captions name the object, sometimes its colours and its place, sometimes only the
# words of its family.

# %%
captioned = scenes.draw_scenes(200, "language")
for sentence in captioned.captions[:8]:
    print(sentence)

# %% [markdown]
# The names have one, two and three tokens in equal parts, so that pooled and
# per-token features are not the same thing for most of them.

# %%
counts = [len(tiny_clip.tokenizer().encode(n)) for n in scenes.CLASS_NAMES]
pd.Series(counts).value_counts().sort_index().rename_axis("tokens").to_frame(
    "names"
).reset_index().pipe(tables.show)

# %% [markdown]
# Do its text features know the families? The planted distance of two classes is 0
# within a family and 1 across; the distance of two texts is one minus the cosine of
# their features.

# %% mystnb={"figure": {"name": "fig-00-distances", "caption": "**Distances of class names.** One minus the cosine of pooled text features of the tiny CLIP; white lines part the four planted families."}, "image": {"alt": "Heat map of 24 by 24 distances between class names; four blocks along the diagonal stand out as closer."}}
clip = arms[laboratory.CLIP][0].model()
prompts = tiny_clip.class_prompts(scenes.CLASS_NAMES)
features = tiny_clip.text_features(clip, prompts)
figures.distances(
    1 - features @ features.T,
    scenes.CLASS_NAMES,
    [shape for shape, _ in scenes.FAMILIES],
)
plt.show()

# %% [markdown]
# Three tests, each against a control. *Zero-shot*: name the object of 1,000 scenes by
# the nearest text; control: the same model trained with captions shuffled among the
# pictures. *Families*: rank correlation of text and planted distances over all pairs,
# with a permutation test over classes; control: the same tower with random weights.
# *Tokens*: the same for the features of the name's own tokens.

# %%
language = pd.DataFrame(
    {"arm": name, **run.record["language"]}
    for name in (laboratory.CLIP, laboratory.SHUFFLED)
    for run in arms[name]
)
means = language.groupby("arm", sort=False).mean().T.reset_index(names="test")
tables.show(means.rename_axis(columns=None))

# %% [markdown]
# ## A run
#
# A run is a folder named by what it is and by a digest of its settings, its data and
# the code that trains it. Asking again loads it. The baseline $f$ is trained with
# cross-entropy alone,
#
# $$ L_\mathrm{CE} = -\frac{1}{B} \sum_{i=1}^{B} \log
# \operatorname{softmax}(f(x_i))_{y_i}, \qquad
# \eta_k = \eta_0 \cos\frac{7 \pi k}{16 K}, $$ (eq-00-ce)
#
# by stochastic gradient descent with momentum, learning rate $\eta_k$ at step $k$ of
# $K$ {cite:p}`lei2023lico`.

# %%
baseline = arms[laboratory.BASELINE]
run = baseline[0]
sorted(path.name for path in run.folder.iterdir())

# %% mystnb={"figure": {"name": "fig-00-history", "caption": "**Training.** Loss and training accuracy after each epoch; a line an arm and seed."}, "image": {"alt": "Two line plots over epochs: the loss falls and the training accuracy rises towards one."}}
trained = [name for name in arms if name in laboratory.CLASSIFIERS]
history = pd.concat(
    run.history.assign(arm=name, seed=run.settings.seed)
    for name in trained
    for run in arms[name]
)
figures.training_curves(history)
plt.show()

# %% [markdown]
# A network that is still learning says nothing on the method that trains it. So each
# run states whether it is *trained out*: the last quarter of training moved the
# training accuracy by less than two points.

# %%
accuracy = pd.DataFrame(
    {
        "arm": name,
        "seed": run.settings.seed,
        "trained out": run.record["trained_out"],
        "training": run.record["training_accuracy"],
        **run.record["accuracy"],
    }
    for name in trained
    for run in arms[name]
)
tables.show(accuracy)

# %% [markdown]
# `top-5` counts a picture as right if its class is among the network's first five; of
# fewer than 20 classes it is `top-2`.
# On scenes, `on`, `decorrelated` and `off` are the accuracies on the same test scenes
# at home, anywhere and never at home. A network trained without a cue should not
# care; one trained with it should fall where the cue misleads.

# %% mystnb={"figure": {"name": "fig-00-gap", "caption": "**Accuracy at three settings of the cue**, for networks trained with and without it. Dots are training seeds."}, "image": {"alt": "Dot plot of test accuracy at home, anywhere and never at home for the two arms."}}
columns = [word for word in scenes.CUES if word in accuracy] or ["test"]
long = accuracy.melt(
    ["arm", "seed"], columns, var_name="background", value_name="accuracy"
)
figures.dots(long, x="background", y="accuracy", hue="arm")
plt.show()

# %% [markdown]
# ## Where the network looks
#
# Grad-CAM {cite:p}`selvaraju2017gradcam` weighs each feature map $F_k$ by the mean of
# its gradient. At a pooled linear head with weights $W$ the gradient is known without
# a backward pass {cite:p}`zhou2016cam`,
#
# $$ H = \operatorname{ReLU} \Bigl( \sum_k \alpha_k F_k \Bigr), \qquad
# \alpha_k = \frac{1}{h w} \sum_{i, j}
# \frac{\partial f_c}{\partial F_{k, i j}} = \frac{W_{c k}}{h w} . $$ (eq-00-cam)

# %% mystnb={"figure": {"name": "fig-00-maps", "caption": "**Grad-CAM of the true class**, on the first test pictures; below it the pooled mask: the object at the resolution of the maps (for pictures without masks it is left out)."}, "image": {"alt": "Six test pictures; below each its Grad-CAM map and a blurred version of the object's mask."}}
model, test = run.model(), catalog.load(run.settings.data, "test").first(6)
images, labels = test.normalised().to(device), test.labels.to(device)
maps = {"Grad-CAM": grad_cam(model, images, labels).cpu()}
cells = tuple(model.features(images[:1]).shape[2:])
known = reference_maps(maps["Grad-CAM"].shape, cells, 0, test.masks)
if test.masks is not None:
    maps["pooled mask"] = known["pooled mask"]
titles = [test.class_names[k] for k in test.labels]
figures.overlays(test.images, maps, titles)
plt.show()

# %% [markdown]
# ## Scores, floors and ceilings
#
# Insertion and deletion {cite:p}`petsiuk2018rise` add or remove pixels in the order
# of the map and follow the probability of the class: a good map makes insertion rise
# early and deletion fall early.

# %% mystnb={"figure": {"name": "fig-00-curves", "caption": "**Insertion and deletion** on the pictures of {numref}`fig-00-maps`, by Grad-CAM and by maps that know nothing or everything."}, "image": {"alt": "Two plots of mean probability against the share of pixels inserted and deleted, one line a map."}}
compared = {"Grad-CAM": maps["Grad-CAM"]} | known
curves = {
    name: insertion_deletion(model, images, labels, saliency.to(device))
    for name, saliency in compared.items()
}
figures.perturbation_curves(curves)
plt.show()

# %% [markdown]
# What deletion does to a picture, share by share. Take away the pixels that Grad-CAM
# names first, and beside it as many that a map drawn by chance names first. Where does
# the class go?

# %% mystnb={"figure": {"name": "fig-00-deleted", "caption": "**Deletion, moved by hand.** The first picture of {numref}`fig-00-maps` without the pixels that each map names first, in grey; right, the probability of its class. The area under a line is that map's deletion score of this picture."}}
shares = [0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0]
taken = {name: compared[name][0] for name in ("Grad-CAM", "random smooth")}
moved_figures.pixels_taken(
    {k: moved.deleted(test.images[0], m, shares) for k, m in taken.items()},
    curves,
    shares,
)

# %% [markdown]
# A score alone says nothing. The rows *uniform*, *centred Gaussian* and *random
# smooth* know nothing of the picture, the *mask* rows know everything: a method is as
# good as its distance from both. `relative` scores are in units of the full picture's
# probability, without which a confident network looks better explained; `tied` is the
# share of pixels whose place in the order is chance.

# %%
scores = [
    "insertion",
    "deletion",
    "relative insertion",
    "relative deletion",
    "tied",
]
tables.show(tables.of_maps([run.record for run in baseline], scores))

# %% [markdown]
# And on the pictures that the network gets right, alone:

# %%
tables.show(tables.of_maps([r.record for r in baseline], scores, correct=True))

# %% [markdown]
# Both scores presume that a picture without its pixels says nothing. That is a
# property of the network, and it is measured: the mean probability of a class over
# its own pictures, fully blurred and fully deleted, should be near chance. (A network
# that gives every blurred picture the same name is at chance on average, though one
# class stands out.)

# %% mystnb={"figure": {"name": "fig-00-extremes", "caption": "**Pictures without pixels.** Mean probability of each class on its own pictures, fully blurred and fully deleted; the dashed line is chance."}, "image": {"alt": "Dots for each class showing the probability on blurred and on deleted pictures around a dashed line at chance."}}
empty = pd.DataFrame(run.record["extremes"]).assign(name=test.class_names)
ends = empty.melt(
    ["name", "chance"], ["blurred", "deleted"], "without", "probability"
)
figures.dots(
    ends, x="name", y="probability", hue="without", line=empty["chance"][0]
)
plt.show()

# %% [markdown]
# And their means over the classes, beside chance:

# %%
ends = (
    empty[["blurred", "deleted", "chance"]].mean().rename("mean probability")
)
tables.show(ends.rename_axis("picture").reset_index())

# %% [markdown]
# ## What must hold
#
# The laboratory is fit for its purpose if the properties below hold. Measured by the
# runs above, over the seeds of this page:

# %%
summary = chapter.summary(arms)
tables.show(tables.of_checks(laboratory.checks(summary)))

# %% [markdown]
# And by the committed study, a record of runs from five training seeds, the worst of
# them in each row that is not a mean:

# %%
study = records.load("00_laboratory-study")
tables.show(tables.of_checks(laboratory.checks(study)))

# %% [markdown]
# ## A verdict
#
# One rule decides in the whole book. The unit is the training seed: $d_s$ is the mean
# over pictures of the difference of two arms trained from seed $s$. A $t$ interval
# over seeds is held against a margin $m$ that was committed before any run it judges.
# Where half the standard deviation of the baseline over seeds is more, it takes the
# margin's place: no difference matters that another seed would make.

# %%
tables.show(tables.of_margins())

# %% [markdown]
# There are four outcomes: *supported*, *contradicted*, *no relevant difference*, and
# *undecided*. The last is the answer whenever a run is not trained out, when there are
# fewer than five seeds, and when the smallest effect that the seeds could have shown
# exceeds the margin.
#
# Here the rule meets a difference that was planted. The background is at random: does
# the network that was trained without the cue name more scenes right than the one
# that was trained with it? First the differences themselves, a row a training seed,
# in the runs of this page:

# %%
tables.show(laboratory.cue_differences(summary))

# %% [markdown]
# And in the study:

# %%
tables.show(laboratory.cue_differences(study))

# %% [markdown]
# Then the verdict on the runs of this page:

# %%
laboratory.cue_verdict(summary) if laboratory.CUED in arms else "no cue here"

# %% [markdown]
# By the committed study:

# %%
laboratory.cue_verdict(study)

# %% [markdown]
# The rule is strict on purpose: where the smallest detectable effect exceeds the
# margin it gives no answer, however far from zero the interval lies. Read the
# interval first, and the outcome as what may be claimed at that margin.

# %% [markdown]
# ## What deviates, and why
#
# - The authors of LICO train on CIFAR, ImageNet and others, with CLIP's text tower. The
#   scenes are drawn, and their CLIP is tiny: what is shown on them is how a mechanism
#   works, not how well it does on photographs. With a network, and time, `dataset` and
#   the profiles of later chapters run the same cells on real pictures.
# - The published step of insertion and deletion is 1,792 pixels of 224 x 224; here it
#   is the same share, 1/28, at any size, and the blur grows with the picture.
# - Pixels of equal value are ordered at random and the share of them is printed; the
#   published codes leave their order to the sorting routine.

# %% [markdown]
# ## Exercises
#
# ```{exercise} A cue of another strength
# :label: ex-00-cue
#
# By equation {eq}`eq-00-cue`, how often is a class at home if $r = 0.5$? Check it on
# 2,000 scenes.
# ```

# %% [markdown]
# ```{solution-start} ex-00-cue
# :label: sol-00-cue
# :class: dropdown
# ```

# %% tags=["solution"]
drawn = scenes.draw_scenes(2000, "train", size=32, cue=0.5)
at_home = drawn.places == torch.tensor(scenes.HOME_OF)[drawn.labels]
print(f"expected {0.5 + 0.5 / 8:.4f}, drawn {at_home.float().mean():.4f}")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} A map that knows nothing
# :label: ex-00-uniform
#
# What are insertion and deletion of a uniform map, and why do they not add up to the
# same area for every network? Look at the share of tied pixels first.
# ```
#
# ````{solution} ex-00-uniform
# :label: sol-00-uniform
# :class: dropdown
#
# All pixels are tied, so both curves are those of a random order. Insertion starts
# from a blurred picture and deletion ends in a single colour; how fast the probability
# moves between these depends on how well the network names pictures of which a random
# part is missing. So the score of a map is read against the uniform row of the *same*
# network, never alone.
# ````

# %% [markdown]
# ```{exercise} How many seeds?
# :label: ex-00-seeds
#
# The differences between two arms have a standard deviation of 0.01 over seeds. Which
# effect can five seeds show with a power of 80 %? And ten?
# ```

# %% [markdown]
# ```{solution-start} ex-00-seeds
# :label: sol-00-seeds
# :class: dropdown
# ```

# %% tags=["solution"]
for n in (3, 5, 10):
    print(f"{n} seeds: {0.01 * statistics.smallest_effect(n):.4f}")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## Take away
#
# - Scenes have classes, words, masks and a cue that are known because they were
#   planted; so it can be asked whether an instrument finds them.
# - A score of a map is read between its floors and its ceiling, on the same network.
# - A verdict needs trained-out runs, five seeds and a margin; without them the answer
#   is *undecided*.
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
