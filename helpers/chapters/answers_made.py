"""Chapter 13: every answer of one seed, from the runs and from what is made of them."""

import time
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from helpers.chapters import answers_clip as clips
from helpers.chapters import answers_filters as filters
from helpers.chapters import answers_rows as rows
from helpers.chapters.answers_bench import Answer, MapsOf
from helpers.chapters.eclip_material import READING, Reader, small_reader
from helpers.chapters.eclip_pictures import single_scenes
from helpers.chapters.eclip_rows import FIT_TO_JUDGE, SINGLE
from helpers.chapters.lavise_material import Material
from helpers.chapters.probing import Arm
from helpers.chapters.probing_bench import Data, Training, at_best_rate, freeze
from helpers.data import catalog
from helpers.data.catalog import Pictures
from helpers.explain.cam import grad_cam
from helpers.lab.runs import Run, needs, place
from helpers.methods.heads import CELLS, Probed
from helpers.methods.probing import predicted
from helpers.report import intervention

NOT_FIT = "the CLIP names too few pictures right"
NOT_TESTABLE = "not testable: free attention is at chance"
INERT = "inert"


def seconds_of(run: Run) -> float:
    """Return what a run took to train, with the runs that it starts from."""
    before = [Run(one, place(one)) for one in needs(run.settings)]
    return float(sum(one.provenance["training"]["seconds"] for one in (run, *before)))


def of_run(name: str, run: Run) -> Answer:
    """Return a run of chapter 03: its network under Grad-CAM.

    It is barred where one of its losses beside cross-entropy did not act.
    """
    model = run.model()
    idle = intervention.any_inert([run.history]) if _has_losses(run) else False
    return Answer(
        name,
        model,
        _grad_cam(model, run.settings.device),
        torch.tensor(run.record["correct"]).bool(),
        run.record["trained_out"],
        INERT if idle else "",
        seconds_of(run),
    )


def probed(run: Run, training: Training, bcos_head: str) -> list[Answer]:
    """Return the baseline's network behind heads trained anew, as in chapter 11.

    Softmax, the control, and sigmoids on a linear head; sigmoids on a B-cos head. SGD,
    each at the rate of best validation accuracy.
    """
    data, network = material_of(run), run.model()
    started = time.perf_counter()
    frozen = freeze(rows.BASELINE, network, data)
    features = time.perf_counter() - started
    found = []
    for name, arm in (
        (rows.CE_PROBED, Arm("linear", "ce", "SGD")),
        (rows.BCE_PROBED, Arm("linear", "bce", "SGD")),
        (rows.BCOS_PROBED, Arm(bcos_head, "bce", "SGD")),
    ):
        started = time.perf_counter()
        head = at_best_rate(arm, frozen, training, run.settings.seed).head
        spent = features + time.perf_counter() - started
        right = predicted(head, frozen.test).argmax(1) == frozen.test.targets
        model = Probed(network, head).eval()
        found.append(
            Answer(
                name,
                model,
                _grad_cam(model, run.settings.device, CELLS),
                right.cpu(),
                run.record["trained_out"],
                "",
                seconds_of(run) + spent,
            )
        )
    return found


def by_filters(run: Run, known: Material, lesson: filters.Lesson) -> list[Answer]:
    """Return the baseline's filters named after the class, and their twin."""
    network, device = run.model(), run.settings.device
    names = catalog.class_names(run.settings.data)
    started = time.perf_counter()
    both = filters.named_after(network, known, names, lesson, run.settings.seed)
    spent = (time.perf_counter() - started) / 2
    right = torch.tensor(run.record["correct"]).bool()
    return [
        Answer(
            name,
            network,
            filters.filter_maps(network, carry, device),
            right,
            run.record["trained_out"],
            "",
            seconds_of(run) + spent,
        )
        for name, carry in zip((rows.FILTERS, rows.FILTERS_PERMUTED), both, strict=True)
    ]


def of_clip(run: Run, test: Pictures, sizes: clips.Sizes, words: bool) -> list[Answer]:
    """Return a CLIP's own map, and that of masked max pooling, or their twins.

    Insertion, deletion and accuracy are of the CLIP as a classifier of class names by
    its own projection, which masked max pooling leaves as it is.
    """
    reader: Reader = small_reader(run.model(), run.folder.name, READING)
    network = clips.classifier(reader, test.class_names)
    device = run.settings.device
    right = clips.names_right(network, test.normalised(), test.labels, device)
    alone = reader.right(single_scenes(SINGLE, reader.size))
    classes = reader.classes(test.class_names)
    places = clips.Places(reader)
    fit = not words or alone.float().mean().item() >= FIT_TO_JUDGE
    out = bool(run.record["trained_out"])
    learnt = clips.masked_max(reader, sizes, run.settings.seed, words)
    names = (rows.CLIP, rows.MASKED)
    if not words:
        names = (rows.CLIP_SHUFFLED, rows.MASKED_SHUFFLED)
    made = partial(Answer, network=network, correct=right, trained_out=out, barred="")
    barred = "" if fit else NOT_FIT
    return [
        made(
            names[0],
            maps=clips.likeness(places, clips.own(reader), classes),
            barred=barred,
            training=seconds_of(run),
        ),
        made(
            names[1],
            maps=clips.likeness(places, learnt.projection, classes),
            trained_out=out and learnt.calm,
            barred=barred or ("" if learnt.testable else NOT_TESTABLE),
            training=seconds_of(run) + learnt.seconds,
        ),
    ]


def material_of(run: Run) -> Data:
    """Return the pictures that heads are trained on, and those of their rates."""
    data = run.settings.data
    return Data(*(catalog.load(data, one) for one in ("train", "validation", "test")))


def runs_of(
    arms: Mapping[str, Sequence[Run]], names: Sequence[str], at: int
) -> list[Answer]:
    """Return the rows that are runs of chapter 03, of the seed at a place."""
    return [of_run(name, arms[name][at]) for name in names]


def _has_losses(run: Run) -> bool:
    return any(name in run.history for name in ("mm", "ot"))


def _grad_cam(model: nn.Module, device: str, layer: str | None = None) -> MapsOf:
    def maps(images: Tensor, targets: Tensor) -> Tensor:
        return grad_cam(model, images.to(device), targets.to(device), layer).cpu()

    return maps
