#pragma once

#include <algorithm>

#include "headrace/text/chunker.h"
#include "pybind.h"

// What the bindings of headrace::text share.

/// The chunks of one Python string, which it holds.
struct Chunks {
  py::object source;
  std::shared_ptr<const headrace::text::ChunkList> list;
  int64_t first;
  int64_t count;

  int64_t size() const { return count; }
  const headrace::text::Span& span(int64_t index) const {
    return list->spans[static_cast<size_t>(first + index)];
  }
  const headrace::text::ChunkNote* note(int64_t index) const {
    return list->notes.empty() ? nullptr : &list->notes[static_cast<size_t>(first + index)];
  }
  bool splits(int64_t index) const {
    return std::binary_search(list->splits.begin(), list->splits.end(), first + index);
  }
};

/// A view of a Python string's own code points. Throws ConfigurationError where it is no string.
headrace::text::TextView text_view(const py::handle& text);

/// The texts of a Python iterable, and views of them. They are held: the caller's list may change meanwhile.
struct HeldTexts {
  explicit HeldTexts(const py::iterable& texts);
  py::tuple texts;
  std::vector<headrace::text::TextView> views;
};

Chunks chunk_text(const headrace::text::Chunker& chunker, const py::object& text);
py::list chunk_texts(const headrace::text::Chunker& chunker, const py::iterable& texts, int threads);
