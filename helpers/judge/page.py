"""A judgement as one HTML page: table, maps, counts; nothing is loaded from afar."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from helpers.judge.judging import Judgement
from helpers.judge.material import Material
from helpers.judge.outcome import CONVENTIONS, Column, columns, counts, headline
from helpers.judge.overlays import data_uri, outlined, overlay, place
from helpers.measure.aggregate import Aggregate

STYLE = """
:root { color-scheme: light dark; --line: #c9ccd1; --soft: #f3f4f6; --dim: #57606a;
  --back: #fff; --text: #1b1f24; --mark: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --line: #444c56; --soft: #22272e;
  --dim: #a3adb8; --back: #16191d; --text: #e6e8eb; --mark: #7ab8f5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--back);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
thead th { vertical-align: bottom; white-space: normal; min-width: 5.2rem;
  overflow-wrap: normal; }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--back);
  overflow-wrap: normal; }
@media (max-width: 40rem) { th:first-child { white-space: normal; max-width: 7rem; } }
tr.floor th, tr.floor td, tr.ceiling th, tr.ceiling td { background: var(--soft); }
tr.first th, tr.first td { border-top: 2px solid var(--dim); }
small { color: var(--dim); font-weight: normal; display: block; }
figure { margin: 0; } figcaption { font-size: .85rem; color: var(--dim); }
.maps { display: grid; gap: .6rem;
  grid-template-columns: repeat(auto-fill, minmax(min(9.5rem, 46%), 1fr)); }
img { width: 100%; height: auto; display: block; border-radius: .3rem; }
img.small { image-rendering: pixelated; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem 1rem; } a { color: var(--mark); }
"""
KINDS = {"method": "", "floor": "floor", "ceiling": "ceiling"}


def page(
    judgement: Judgement,
    material: Material,
    given: Mapping[str, Any],
    known: Sequence[str] | None = None,
) -> str:
    """Return the page; `known` are the names of the network's classes."""
    title = f"Judgement of {given.get('model', 'a network')}"
    told = [_paragraph(line) for line in headline(judgement, material)]
    about = [f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in given.items()]
    rules = [
        f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in CONVENTIONS.items()
    ]
    missing = [f"<li>{escape(line)}</li>" for line in counts(judgement)]
    shown = range(min(judgement.choice.shown, len(material)))
    pictures = [_picture(i, judgement, material, known) for i in shown]
    whole = "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head>",
            f"<body><main><h1>{escape(title)}</h1>",
            *told,
            "<h2>Scores</h2>",
            "<p>Means over pictures; n where some have no score. Read a method against "
            "the floors, which know nothing of the network, before anything else; the "
            "ceilings know the answer. A wide table scrolls sideways.</p>",
            _table(judgement),
            "<h2>Pictures without a score, or with one by convention</h2>",
            f"<ul>{''.join(missing)}</ul>" if missing else "<p>None.</p>",
            *(["<h2>Maps</h2>", _legend(judgement), *pictures] if pictures else []),
            f"<h2>Conventions</h2><dl>{''.join(rules)}</dl>",
            f"<h2>What was judged</h2><dl>{''.join(about)}</dl>",
            "</main></body></html>",
            "",
        ]
    )
    return whole.encode("utf-8", "backslashreplace").decode()  # a path may hold bytes


def _table(judgement: Judgement) -> str:
    heads = columns(judgement)
    top = "".join(_head(one) for one in heads)
    lines, kind = [], "method"
    for number, row in enumerate(judgement.rows):
        cells = "".join(f"<td>{_cell(one.of(judgement, number))}</td>" for one in heads)
        first = " first" if row.kind != kind else ""
        kind = row.kind
        word = f"<small>{KINDS[kind]}</small>" if KINDS[kind] else ""
        lines.append(
            f'<tr class="{kind}{first}"><th scope="row">{escape(row.name)}{word}</th>'
            f"{cells}</tr>"
        )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Scores">'
        f'<table><thead><tr><th scope="col">map</th>{top}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _head(column: Column) -> str:
    words = {"higher": "higher is better", "lower": "lower is better"}
    better = words.get(column.better, "floor")
    return f'<th scope="col">{escape(column.title)}<small>{better}</small></th>'


def _cell(total: Aggregate) -> str:
    if not total.used:
        return "—<small>n = 0</small>"
    few = f"<small>n = {total.used}</small>" if total.used < total.pictures else ""
    return f"{total.mean:.3f}{few}"


def _legend(judgement: Judgement) -> str:
    return _paragraph(
        f"The first {judgement.choice.shown} pictures. Red is evidence for the class, "
        "blue against it, where the method tells; full colour from the map's 99.5 % "
        "quantile on."
    )


def _picture(
    number: int,
    judgement: Judgement,
    material: Material,
    known: Sequence[str] | None,
) -> str:
    """Return a picture beside its maps, with words for who sees neither."""
    image, label = material.images[number], material.classes[number]
    target = int(judgement.targets[number])
    first = int(judgement.first[number])

    def called(index: int) -> str:
        return f"{index}" if known is None else f"{known[index]} ({index})"

    verdict = "right" if judgement.top1[number] else f"says {called(first)}"
    head = (
        f"{label}: class {called(target)} explained, probability "
        f"{float(judgement.probability[number]):.3f}, {verdict}"
    )
    parts = [_figure(data_uri(image), f"Picture of {label}", "picture", image.shape[2])]
    if material.masks is not None:
        mask = material.masks[number]
        share = float(mask.float().mean())
        part = f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"
        words = f"The object, {part} of the picture; the rest is dark"
        shown = data_uri(outlined(image, mask))
        parts.append(_figure(shown, words, f"object, {part}", image.shape[2]))
    for row in judgement.rows:
        if row.kind != "method":
            continue
        saliency = row.maps[number]
        words = f"{row.name} for class {called(target)}, greatest {place(saliency)}"
        caption = row.name
        if "sch" in row.scores:
            inside = float(row.scores["sch"].values[number])
            if inside == inside:
                words += f"; {inside:.0%} of it on the object"
                caption += f", SCH {inside:.2f}"
        uri = data_uri(overlay(image, saliency))
        parts.append(_figure(uri, words, caption, image.shape[2]))
    name = escape(material.names[number])
    return (
        f'<h3>{name}</h3><p>{escape(head)}</p><div class="maps">{"".join(parts)}</div>'
    )


def _figure(uri: str, words: str, caption: str, side: int) -> str:
    small = ' class="small"' if side <= 64 else ""
    return (
        f'<figure><img{small} src="{uri}" alt="{escape(words)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"
