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
# # Prompt variants: a context for each class, the name in front
#
# :::{admonition} In this chapter
# :class: tip
# - see which text tokens can know their class, and which cannot, in four forms of the
#   prompt and in the published code that proposed two of them;
# - tell a token that knows *which* class it belongs to from one that has heard the
#   class's *name*;
# - follow the difference through both losses, and count what it costs;
# - train all four beside a baseline, and hold the published table against the runs.
#
# *Reading: 20 minutes. Running: 1 minute once the runs exist, about 7 from nothing,
# on two cores.*
# :::
#
# LICO's prompt is a row of learnable {term}`context tokens <context token>` with the
# class name at its end, and the tower that reads it looks back only. So the context is
# read before the name is known. {cite:t}`bartak2024lico` noticed this, proposed two
# remedies and trained both.
#
# :::{admonition} Claim — {cite:t}`bartak2024lico`, section 4.2.2
# :class: claim
# > [...] we noticed that the text features for the context tokens encoded by CLIP were
# > the same for all classes, which limits the chances of identifying meaningful
# > features in aligned visual feature maps.
#
# > Using class-specific trainable context tokens preceding the class labels will allow
# > contexts that only have to fit one specific class. As a result, better text-image
# > alignment can be achieved for all classes.
#
# > Since the text encoder of CLIP attends only to the previous tokens, we propose
# > changing the position of class labels to the front of the prompt. This should allow
# > for producing text features of the context tokens that would encode class-aware
# > semantic information.
# :::
#
# The first sentence and the two mechanisms can be checked on the text side alone. What
# they do to accuracy and maps needs training, and seeds.

# %% [markdown]
# ## Parameters
#
# Those of every chapter that trains LICO, and `n_ctx`, the number of learnable tokens.

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

from helpers.chapters import prompt_claims as claims
from helpers.chapters import prompt_effects as effects
from helpers.chapters import prompt_variants as variants
from helpers.chapters import text_features, text_tokens
from helpers.report import arms as tables_of
from helpers.report import (
    figures,
    prompt_figures,
    records,
    statements,
    tables,
    text_figures,
)

figures.theme()

# %% [markdown]
# Five arms are needed: a baseline without text, and LICO with each form of its
# prompts.

# %% tags=["hide-input"]
chapter = variants.PromptVariants.of(
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

# %% [markdown]
# ## Four prompts
#
# Let $w_k$ be the tokens of the name of class $k$. Context vectors may be shared by
# all classes, $X_j$, or belong to one, $X_j^{(k)}$; the name may stand at the end or in
# front:
#
# $$ \begin{aligned}
# \text{shared, end} &: & X_1 \dots X_{n_\mathrm{ctx}} \; & w_k \\
# \text{class, end} &: & X_1^{(k)} \dots X_{n_\mathrm{ctx}}^{(k)} \; & w_k \\
# \text{shared, front} &: & w_k \; & X_1 \dots X_{n_\mathrm{ctx}} \\
# \text{class, front} &: & w_k \; & X_1^{(k)} \dots X_{n_\mathrm{ctx}}^{(k)}
# \end{aligned} $$ (eq-06-prompts)
#
# each between a start and an end token. The first is the preset `paper`, the next two
# are the proposed extensions, the last is both at once.

# %%
arms = chapter.trained()
summary = chapter.summary(arms)
shown = {name: runs[0].folder.name for name, runs in arms.items()}
pd.DataFrame(shown.items(), columns=["arm", "first run"]).pipe(tables.show)

# %% [markdown]
# Each variant as training leaves it and as it starts, with the same seed; and, as it
# starts, the code konradszewczyk/lico-reproduction in its three forms. That code does
# not average a name's tokens into one: it reads every position up to the end of the
# longest prompt.

# %%
trained = variants.trained_sides(arms)
like = trained["shared, end"]
clip = variants.clip_of(arms["shared, end"][0])
fresh = variants.starts(chapter.methods(), like, clip)
code = variants.starts(chapter.published(), like, clip)

# %% [markdown]
# ## Who hears the name?
#
# Two questions are easily taken for one. Does a token's feature *differ* between
# classes? And does it *hear the name*: does it change if the class keeps its own
# context and is called something else? Both are answered by trying, for every token of
# every class.

# %% mystnb={"figure": {"name": "fig-06-hears", "caption": "**What each text token can know of its class.** A row is a form of the prompt, a box a text token. Grey: the same feature for all classes. Blue: it differs, but by the class's own vectors; another name changes nothing. Orange: the name changes it. Below, the published code, for a short and a long name; *pad* is a position behind the end token of a shorter prompt, hatched is what no learnable vector stands before."}, "image": {"alt": "Rows of coloured boxes, one a prompt form. With a shared context and the name at the end only the last boxes are orange and the others grey; with own contexts the others are blue; with the name in front all are orange, and in the published form the name's own boxes are hatched."}}
few = variants.short_and_long(like)
strips = variants.strips({**fresh, **code}, clip, few)
kinds = (variants.SAME, variants.OWN, variants.HEARS)
prompt_figures.knows(strips, kinds)
plt.show()

# %% [markdown]
# With the name at the end, no context of whatever kind hears it: the mask forbids it.
# Own vectors make a token's features differ, so it knows *which* class it serves, as a
# random vector for each class would; it does not know what the class *is*. With the
# name in front all tokens hear it. In the form of the published code the name's own
# tokens then stand before every learnable vector: what the tower says of them is
# settled before training, and $h_\psi$ alone can move it.

# %%
tables.show(variants.carried({**fresh, **code}, clip))

# %% [markdown]
# All counts are tokens, means over classes. *Mass* is the part of the transport that
# goes to tokens that hear the name, $1/M$ each; *in common* the share of $\lVert G_k
# \rVert^2$ that all classes share. The last column asks how much of the distance
# between two classes their names make. Let $G_k^{(l)}$ be the text of class $k$, all
# tokens in one row of length 1, with its own context and the name of class $l$:
#
# $$ \text{by the name} =
# \frac{\sum_{k \ne l} \lVert G_k^{(l)} - G_k \rVert^2}
# {\sum_{k \ne l} \lVert G_l - G_k \rVert^2} . $$ (eq-06-name)
#
# It is 1 where the context is shared, for then nothing else differs. What differs from
# 1 is due to the contexts, which at the start are drawn at random and know no word. (Of
# many classes, about eight shifts of the list of names stand for all pairs.)
#
# ### Token by token, before and after training

# %% mystnb={"figure": {"name": "fig-06-tokens", "caption": "**How far each token is between classes**: the root mean square distance of two classes' features in units of their length, at the start and after training. A bare 0 is exact equality."}, "image": {"alt": "Two heat maps, one below the other, with four rows for the forms of the prompt and a column for each text token. The row of the shared context with the name at the end is zero but for its last column."}}
stages = {"at the start": fresh, "after training": trained}
panels = {
    stage: variants.token_distances(sides) for stage, sides in stages.items()
}
prompt_figures.token_maps(panels, "distance of two classes")
plt.show()

# %% [markdown]
# The zeros are exact, before and after: no training can move two features apart that
# are computed from the same numbers. Did training change who makes the distance?

# %%
both = {stage: variants.carried(s, clip) for stage, s in stages.items()}
parts = {stage: frame["by the name"] for stage, frame in both.items()}
pd.DataFrame({"prompts": list(fresh), **parts}).pipe(tables.show)

# %% [markdown]
# ## What manifold matching sees
#
# {term}`Manifold matching <manifold matching>` compares whole texts: all tokens in one
# row of length 1. Tokens that all classes share add to the length and hardly to the
# difference, and so push all classes together.

# %% mystnb={"figure": {"name": "fig-06-classes", "caption": "**Distances $D(G_k, G_l)$ of any two classes**, at the start and after training. The number above a panel is its mean, and its colours are in units of that. White lines part the planted families of the scenes: texts that know them would show darker blocks along the diagonal."}, "image": {"alt": "Eight square heat maps of distances between classes in two rows of four, each with its mean distance above it."}}
maps = {
    stage: {name: effects.text_distances(side) for name, side in sides.items()}
    for stage, sides in stages.items()
}
prompt_figures.class_maps(maps, groups=4 if dataset == "scenes" else 1)
plt.show()

# %% [markdown]
# Random vectors of many features are all about equally far from each other, and that is
# how own contexts begin: a panel without pattern is a text that tells all classes apart
# and likens none to another, as the control `one-hot` of {doc}`03_training` does.
#
# What the distances make of the affinity $A^G$ depends on the temperature $\tau$. Here
# is a batch of training pictures, each variant with the temperature that it was trained
# to. *Families* is the rank correlation of the distances with the planted ones, with
# its permutation test.

# %%
seen = {
    name: text_features.batch_of(arms[name][0], 2 * batch) for name in trained
}
labels = seen["shared, end"].labels
tables.show(effects.affinities(trained, labels))

# %% [markdown]
# All of them at the start, the published forms too, with the temperature at which
# {cite:t}`bartak2024lico` begin, 0.07. Where *off-diagonal* is no more than *same
# class*, a picture's neighbours are those of its own class and no others: then the
# words could as well be numbers.

# %%
tables.show(effects.affinities({**fresh, **code}, labels, tau=0.07))

# %% [markdown]
# ## What the transport sees
#
# The {term}`transport plan` must give each token the mass $1/M$, whatever it knows.
# What it chooses is which channels go there. Each variant below has the feature maps of
# its own network. *Another label* is by how much the loss of a picture changes with
# another class's text: what it does not change by, it does not know.

# %%
tables.show(effects.transports(trained, seen, clip), digits=4)

# %% mystnb={"figure": {"name": "fig-06-receivers", "caption": "**Which tokens the channels prefer.** The share of a picture's channels whose largest entry is at each token, however small its lead, after training; silent channels left out."}, "image": {"alt": "Heat map with four rows for the forms of the prompt and a column for each text token, shares of channels written in the cells."}}
received = {"after training": effects.receivers(trained, seen)}
prompt_figures.token_maps(received, "share of channels")
plt.show()

# %% [markdown]
# ## How many learnable tokens?
#
# The number $n_\mathrm{ctx}$ is a choice that the sources do not settle; the published
# codes take 12 ({doc}`03_training`). It weighs more in some forms of the prompt than in
# others. Nothing is trained here: these are the texts that training would start from.

# %% mystnb={"figure": {"name": "fig-06-length", "caption": "**Sensitivity to the number of learnable tokens**, before training. Left: mean distance of two classes. Middle: the share of it that names make, by {eq}`eq-06-name`. Right: transport mass on tokens that hear the name. Lines of equal value lie on each other."}, "image": {"alt": "Three line plots over the number of learnable tokens from 1 to 16, four lines each for the forms of the prompt."}}
counts = [1, 2, 4, 8, 16]
lengths = effects.by_length(chapter.methods(), like, clip, counts)
prompt_figures.lengths(lengths)
plt.show()

# %% [markdown]
# ## What it costs
#
# Own contexts are $K$ times as many numbers, and the tower shares nothing between
# classes. The name in front costs no number; it takes away the common beginning of the
# prompts.

# %%
tables.show(effects.costs(like, clip))

# %% mystnb={"figure": {"name": "fig-06-cost", "caption": "**Tokens through the tower in one step** (log scale): each prompt padded to $L$ tokens (plain), ended at its end token (cut; own contexts are filled up to the longest), or with common beginnings computed once (trie, which own contexts do not allow). All give the same features."}, "image": {"alt": "Three panels of horizontal bars for this data, CIFAR-10 and CIFAR-100; the trie is shortest for the shared context with the name at the end."}}
names = like.prompts.names
tokens = text_tokens.tokens_table(clip, fresh, names)
text_figures.token_bars(tokens)
plt.show()

# %% [markdown]
# An own context is also not taught at every step. Both losses read the texts of the
# classes in the batch; the others get no gradient from it. In which share of the steps
# does a given class get one?

# %%
for classes, size_of in ((like.classes, batch), (100, 64), (50, 128)):
    share = effects.share_of_steps(classes, size_of)
    print(f"{classes} classes, batches of {size_of}: {share:.2f} of the steps")

# %% [markdown]
# ## Training
#
# Accuracy first, then whether the losses acted at all ({doc}`03_training` explains the
# guard): an arm with an {term}`inert <inert arm>` loss gets no verdict.

# %%
tables.show(tables_of.accuracy(summary))

# %%
tables.show(tables_of.interventions(summary), digits=4)

# %% [markdown]
# Grad-CAM's scores on the test pictures, above maps that know nothing of the picture
# and maps that know the mask ({doc}`05_metrics`):

# %%
metrics = ["ses", "ses less chance", "sch", "sch less area", "mosu"]
scores = functools.partial(tables_of.scores, metrics=metrics)
tables.show(scores(summary))

# %% [markdown]
# The same from the committed study:

# %%
study = records.recorded("06_prompt_variants-study")
tables.show(records.of(study, tables_of.accuracy))

# %%
tables.show(records.of(study, tables_of.interventions), digits=4)

# %% [markdown]
# And its maps:

# %%
tables.show(records.of(study, scores))

# %% [markdown]
# ## What was published
#
# {cite:t}`bartak2024lico` train ResNet-18 on ImageNet-S50. Of own contexts they say,
# in section 4.2.2:
#
# > The experiments on ImageNet-S₅₀ in Table 5 show that this improves both the
# > classification performance and interpretability of the trained models over the
# > vanilla LICO method.
#
# And of the name in front:
#
# > Although this leads to the deterioration in classification performance over LICO,
# > there is a significant improvement in terms of model interpretability as seen in
# > Table 5.
#
# LICO was trained three times, each extension once (appendix C). A single run can be
# asked one question: could another run of LICO itself have come out there? With the
# mean and the standard deviation $s$ of $n$ runs, one more lies in 95 % of cases within
#
# $$ t_{n-1,\,0.975} \; s \, \sqrt{1 + 1/n} $$ (eq-06-chance)
#
# of that mean, the column *by chance*.

# %%
tables.show(claims.printed(), digits=4)

# %% [markdown]
# Published, and here: each variant minus the shared context at the end.

# %% mystnb={"figure": {"name": "fig-06-changes", "caption": "**The variants against the shared context at the end.** Diamonds: {cite:t}`bartak2024lico`, Table 5; dots: a training seed of this page and of the study. The band is the margin."}, "image": {"alt": "Four panels, top-1, SES, SCH and MOSU, each with a row a variant; diamonds for published differences and dots for seeds around a zero line with a grey band."}}
sources = {"this page": summary, "study": study}
prompt_figures.changes(claims.differences(sources))
plt.show()

# %% [markdown]
# ## Verdicts
#
# The eight statements of the table, each written as "A is better than B" on a metric,
# with Holm's correction over all eight. A statement that names an arm with an inert
# loss, or a metric that the trial of {doc}`09_verdicts` did not admit, stays undecided;
# difference and interval stand beside it, and *exploratory* says what the numbers alone
# would. A - B is raw: of MOSU less is better. Interval and margin are of one statement
# by itself, Holm's correction acts on the verdict. MOSU's margin is large beside its
# values here: read *within* with care there. By the runs of this page:

# %%
judged = statements.table(summary, claims.STATEMENTS)
tables.show(judged, digits=4)

# %% [markdown]
# By the study:

# %%
by_study = functools.partial(statements.table, statements=claims.STATEMENTS)
tables.show(records.of(study, by_study), digits=4)

# %% [markdown]
# In full, for SCH: an own context for each class.

# %%
claims.verdict_on([study, summary], claims.STATEMENTS[2])

# %% [markdown]
# The name in front:

# %%
claims.verdict_on([study, summary], claims.STATEMENTS[6])

# %% [markdown]
# A remedy may beat LICO and still not beat a network that never read a word. So each
# form of the prompts against the baseline, by this page:

# %%
against = claims.against_baseline()
tables.show(statements.table(summary, against), digits=4)

# %% [markdown]
# And by the study:

# %%
by_study = functools.partial(statements.table, statements=against)
tables.show(records.of(study, by_study), digits=4)

# %% [markdown]
# ### The published code
#
# The variants above change `paper` by one switch or two. The three forms of
# konradszewczyk/lico-reproduction differ in more: every position is read, the context
# starts fifty times as wide and is shuffled, the temperature is bounded, the plan is
# not converged. They are arms of {doc}`03_training`, whose study holds them:

# %%
whole = records.recorded("03_training-study")
forms = claims.published_forms(whole)
tables.show(records.of(forms, tables_of.accuracy))

# %%
tables.show(records.of(forms, tables_of.interventions), digits=4)

# %% [markdown]
# And their maps:

# %%
tables.show(records.of(forms, scores))

# %% [markdown]
# The same eight statements between the forms of that code. Signs that agree with the
# published ones are no test: look at the intervals, and at how many runs above were
# trained out.

# %%
in_code = functools.partial(statements.table, statements=claims.IN_THE_CODE)
tables.show(records.of(forms, in_code), digits=4)

# %% [markdown]
# ## What deviates, and why
#
# - The published table rests on ResNet-18, ImageNet-S50 and CLIP's ViT-B/32; here are
#   scenes and a tiny CLIP of their own. What a mask hides is the same in both. How far
#   classes are apart, and what training makes of it, is a property of these features.
# - The four variants are those of `paper`, so that one thing differs: a class token
#   that is a mean, contexts drawn with standard deviation 0.02 and not shuffled. The
#   published forms stand beside them as presets.
# - "Class, front" was not published. It is here because the two extensions do not
#   answer the same question.
# - Features count as changed if they move by more than one part in $10^5$ of their
#   length. A bare 0 in {numref}`fig-06-tokens` is equality to the last bit.
# - The prediction interval takes the spread of the extension's runs to be LICO's; with
#   one run there is no other to take.

# %% [markdown]
# ## Exercises
#
# ```{exercise} The name in the middle
# :label: ex-06-middle
#
# Two published codes put the name between two halves of the context. Which tokens hear
# it, and what share of the transport mass do they get? Say it first, then count.
# ```

# %% [markdown]
# ```{solution-start} ex-06-middle
# :label: sol-06-middle
# :class: dropdown
# ```
#
# Those behind the name: the second half of the context, and the class token.

# %% tags=["solution"]
method = like.method.model_copy(update={"position": "middle"})
middle = variants.start_of(method, like, clip)
heard = variants.hears(middle, clip)
print(heard[0].int().tolist(), f"mass {heard.double().mean():.3f}")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} A context that knows who, not what
# :label: ex-06-permuted
#
# Own contexts, name at the end: give every class another class's name. By how much do
# the features of the context tokens change, and those of the class token? Which control
# of {doc}`03_training` does this form of the prompt come close to?
# ```

# %% [markdown]
# ```{solution-start} ex-06-permuted
# :label: sol-06-permuted
# :class: dropdown
# ```
#
# Not at all, and by what the name adds. All tokens but one come from vectors of each
# class's own that know no word: `random-vectors`, except that they can be trained.

# %% tags=["solution"]
own = fresh["class, end"]
moved = variants.renamed(own, clip, step=1)
token = [f"X{j}" for j in range(1, n_ctx + 1)] + ["class"]
pd.DataFrame({"token": token, "largest change": moved}).pipe(tables.show)

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} How large a difference would have been seen?
# :label: ex-06-seen
#
# By equation {eq}`eq-06-chance`: how many standard deviations must one run be away from
# the mean of 3, of 5, of 10 others before chance is an unlikely reason?
# ```

# %% [markdown]
# ```{solution-start} ex-06-seen
# :label: sol-06-seen
# :class: dropdown
# ```

# %% tags=["solution"]
for runs in (3, 5, 10):
    print(f"{runs} runs: {claims.fourth_run(1.0, runs):.2f} SD")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise} A tower that looks both ways
# :label: ex-06-both
#
# Suppose the tower had no causal mask. Which of the two extensions would be pointless,
# and what would the trie of {numref}`fig-06-cost` still save?
# ```
#
# ````{solution} ex-06-both
# :label: sol-06-both
# :class: dropdown
#
# The name in front: every token would hear it wherever it stands, and only its
# position embedding would change. Own contexts would still differ from shared ones.
# The trie would save nothing, for no beginning would be the same in two prompts once
# each token sees the whole; nor could prompts be cut at their end token.
# ````

# %% [markdown]
# ## Take away
#
# - Under a causal mask a context that stands before the name has not heard it, however
#   it is trained; own vectors for each class make its features differ, and still deaf.
# - The two extensions are not two ways to one end: one tells the losses *which* class,
#   the other lets them hear *what* it is called.
# - Tokens that all classes share hold texts together in manifold matching and take
#   their equal part of the transport; the longer the context, the more.
# - A single run beside a standard deviation over three allows one question, and a small
#   answer; a verdict needs seeds of both arms, and losses that acted.
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
