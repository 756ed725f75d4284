"""A list of addresses as a source of documents."""

from headrace.connectors.web._addresses import list_addresses, read_list

__all__ = ["list_addresses", "read_list"]
