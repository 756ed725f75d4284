"""A search box for a notebook."""

from __future__ import annotations

from html import escape
from typing import Any

from headrace.connectors.qdrant import Hit
from headrace.errors import ConfigurationError, HeadraceError
from headrace.pipelines.documents.search import search, snippet

__all__ = ["hits_html", "search_box"]

_WIDTH = 280  # characters of a hit's text


def search_box(query: str = "", limit: int = 5, **settings: Any) -> Any:
    """A box to type a question into, and the hits below it; the arguments are those of :func:`search`.

    Raises:
        ConfigurationError: ipywidgets is not installed.
    """
    try:
        import ipywidgets
    except ImportError:
        raise ConfigurationError("the search box needs ipywidgets: pip install 'headrace[notebook]'") from None
    box = ipywidgets.Text(
        value=query,
        placeholder="a question, then Enter",
        continuous_update=False,
        layout=ipywidgets.Layout(width="32em", max_width="100%"),
    )
    shown = ipywidgets.HTML()

    def ask(change: Any = None) -> None:
        shown.value = _answer(box.value, limit, settings)

    box.observe(ask, "value")
    ask()
    return ipywidgets.VBox([box, shown])


def _answer(query: str, limit: int, settings: dict[str, Any]) -> str:
    if not query.strip():
        return ""
    try:
        return hits_html(search(query, limit=limit, **settings), query)
    except HeadraceError as error:
        return f'<div style="color:#d64545">{escape(str(error))}</div>'


def hits_html(hits: list[Hit], query: str) -> str:
    """Hits as HTML: where each stands, and the part of it that answers."""
    if not hits:
        return "<div>nothing found</div>"
    return "".join(_hit_html(hit, query) for hit in hits)


def _hit_html(hit: Hit, query: str) -> str:
    inside = [heading for heading in hit.heading if heading != hit.title]
    title = escape(" › ".join([hit.title, *inside]))
    place = escape(hit.path) + (f", page {hit.page}" if hit.page else "")
    return (
        f'<div style="margin:.6em 0;line-height:1.4"><b>{title}</b> '
        f'<span style="opacity:.65;font-size:85%">{place} · {hit.score:.3f}</span><br>'
        f"{escape(snippet(hit.text, query, _WIDTH))}</div>"
    )
