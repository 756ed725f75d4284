"""Documents to Markdown, with Docling, in processes that can be killed."""

from headrace.connectors.docling._converter import Converter
from headrace.connectors.docling._formats import EXTENSIONS
from headrace.connectors.docling._result import ConversionError, Converted

__all__ = ["EXTENSIONS", "ConversionError", "Converted", "Converter"]
