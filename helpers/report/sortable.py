"""A table that a reader sorts and filters, without a kernel.

A click on the head of a column sorts by it, and once more the other way; a choice above
the table keeps the rows of one value. Both work by keyboard. Without JavaScript, and on
paper, the whole table is left, in its own order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from numbers import Real
from typing import Any

import pandas as pd

from helpers.settings import Refused

STYLE = """<style>
.sortable [hidden] {display: none !important}
.sortable-rows {max-height: 34em; overflow: auto}
.sortable table {font-size: .82em}
.sortable thead th {position: sticky; top: 0;
  background: var(--pst-color-background, var(--jp-layout-color1, Canvas))}
.sortable th button {all: unset; cursor: pointer; font-weight: 600}
.sortable th button:focus-visible {outline: 2px solid currentColor}
.sortable th button::after {content: " \\2195" / ""; opacity: .5}
.sortable th[aria-sort=ascending] button::after {content: " \\2191" / ""; opacity: 1}
.sortable th[aria-sort=descending] button::after {content: " \\2193" / ""; opacity: 1}
.sortable-choices {display: flex; flex-wrap: wrap; gap: .4em 1em; margin: .5em 0}
.sortable-choices select {max-width: 16em; font: inherit; color: inherit;
  background: transparent}
.sortable-choices option {color: black; background: white}
@media print {.sortable-choices {display: none}
  .sortable-rows {max-height: none; overflow: visible}}
</style>"""

SCRIPT = """<script>
for (const box of document.querySelectorAll(".sortable:not([data-wired])")) {
  const body = box.querySelector("tbody"), rows = [...body.rows];
  const heads = [...box.querySelectorAll("thead th")];
  const choices = [...box.querySelectorAll("select")];
  const told = box.querySelector("output");
  const key = (row, at) => row.cells[at].dataset.value;
  const keep = () => {
    for (const row of rows)
      row.hidden = choices.some((one) =>
        one.value && row.cells[one.dataset.column].textContent !== one.value);
    const shown = rows.filter((row) => !row.hidden).length;
    told.textContent = `${shown} of ${rows.length} rows`;
  };
  const sort = (at) => {
    const up = heads[at].getAttribute("aria-sort") !== "ascending";
    heads.forEach((one) => one.removeAttribute("aria-sort"));
    heads[at].setAttribute("aria-sort", up ? "ascending" : "descending");
    const number = heads[at].dataset.kind === "number";
    const before = (a, b) => {
      const one = key(a, at), other = key(b, at);
      if ((one === "") !== (other === "")) return one === "" ? 1 : -1;
      const gap = number ? one - other : one.localeCompare(other, [], {numeric: true});
      return up ? gap : -gap;
    };
    body.append(...[...rows].sort(before));
  };
  box.dataset.wired = "yes";
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(at));
    head.replaceChildren(button);
  });
  choices.forEach((one) => one.addEventListener("change", keep));
  box.querySelector(".sortable-choices").hidden = false;
  keep();
}
</script>"""


@dataclass(frozen=True, eq=False)
class Sortable:
    """A table with what a reader may choose: a cell that ends with it shows it."""

    frame: pd.DataFrame
    filters: tuple[str, ...]
    digits: int

    def html(self) -> str:
        """Return the table as HTML that needs nothing else."""
        heads = "".join(
            f'<th scope="col" data-kind="{"number" if _numeric(values) else "text"}">'
            f"{escape(str(name))}</th>"
            for name, values in self.frame.items()
        )
        rows = "\n".join(
            "<tr>" + "".join(self._cell(value) for value in row) + "</tr>"
            for row in self.frame.itertuples(index=False, name=None)
        )
        choices = "".join(self._choice(name) for name in self.filters)
        count = len(self.frame)
        return (
            f'<div class="sortable">\n{STYLE}\n'
            f'<div class="sortable-choices" hidden>{choices}'
            f"<output>{count} of {count} rows</output></div>\n"
            '<div class="sortable-rows" tabindex="0" role="region" '
            'aria-label="Table, scrolls">\n'
            f'<table class="dataframe"><thead><tr>{heads}</tr></thead>\n'
            f"<tbody>\n{rows}\n</tbody></table></div>\n{SCRIPT}\n</div>"
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Return what a cell shows."""
        return {"text/html": self.html(), "text/plain": self.frame.to_string()}

    def _cell(self, value: Any) -> str:
        shown, key = _shown(value, self.digits), _key(value)
        return f'<td data-value="{escape(key)}">{escape(shown)}</td>'

    def _choice(self, name: str) -> str:
        at = list(self.frame.columns).index(name)
        texts = [_shown(value, self.digits) for value in self.frame[name]]
        options = "".join(
            f'<option value="{escape(text)}">{escape(text)}</option>'
            for text in dict.fromkeys(texts)
        )
        return (
            f'<label>{escape(name)} <select data-column="{at}" autocomplete="off">'
            f'<option value="">all</option>{options}</select></label>'
        )


def sortable(
    frame: pd.DataFrame, filters: Sequence[str] = (), digits: int = 3
) -> Sortable:
    """Return the table with a choice of rows for each column that `filters` names.

    Numbers have `digits` digits; what is not there is a dash, and sorted last.

    Raises `Refused` for a column that the table has not.

    >>> found = sortable(pd.DataFrame({"claim": ["1", "2"], "gain": [0.5, None]}))
    >>> "—" in found.html()
    True
    """
    unknown = [name for name in filters if name not in frame.columns]
    if unknown:
        raise Refused(
            f"no column '{unknown[0]}' to filter by: there are "
            f"{', '.join(map(str, frame.columns))}"
        )
    return Sortable(frame, tuple(filters), digits)


def _numeric(values: pd.Series) -> bool:
    return all(
        _missing(one) or (isinstance(one, Real) and not isinstance(one, bool))
        for one in values
    )


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _shown(value: Any, digits: int) -> str:
    if _missing(value):
        return "—"
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    return str(value)


def _key(value: Any) -> str:
    """Return what is sorted by: empty where there is no value."""
    return "" if _missing(value) else str(value)
