#include "bind_text.h"

// Chunks and Chunk: what chunkers return. Strings are made when they are asked for.

namespace {

using headrace::text::Span;

py::object substring(const py::object& source, int64_t start, int64_t end) {
  return py::reinterpret_steal<py::object>(PyUnicode_Substring(source.ptr(), start, end));
}

struct Chunk {
  py::object text;
  int64_t start;
  int64_t end;
  bool splits_cluster;
  py::object context;
  py::dict metadata;
};

py::object substring(const py::object& source, const Span& span) {
  return substring(source, span.start, span.end);
}

py::list heading_path(const Chunks& self, int64_t heading) {
  py::list path;
  for (; heading >= 0; heading = self.list->headings[static_cast<size_t>(heading)].parent) {
    path.insert(0, substring(self.source, self.list->headings[static_cast<size_t>(heading)].title));
  }
  return path;
}

py::dict metadata(const Chunks& self, int64_t index) {
  py::dict found;
  const headrace::text::ChunkNote* note = self.note(index);
  if (note == nullptr) return found;
  found["heading_path"] = heading_path(self, note->heading);
  if (note->context != Span{}) found["table_header"] = substring(self.source, note->context);
  if (note->in_code) found["code"] = substring(self.source, note->code);
  if (note->front_matter) found["front_matter"] = true;
  return found;
}

py::object context(const Chunks& self, int64_t index) {
  const headrace::text::ChunkNote* note = self.note(index);
  return substring(self.source, note == nullptr ? Span{} : note->context);
}

Chunk chunk_at(const Chunks& self, int64_t index) {
  if (index < 0) index += self.size();
  if (index < 0 || index >= self.size()) throw py::index_error("chunk index out of range");
  const Span span = self.span(index);
  return {substring(self.source, span), span.start,           span.end,
          self.splits(index),           context(self, index), metadata(self, index)};
}

py::list chunks_of(const Chunks& self, const py::slice& slice) {
  py::ssize_t start = 0;
  py::ssize_t stop = 0;
  py::ssize_t step = 0;
  py::ssize_t count = 0;
  if (!slice.compute(self.size(), &start, &stop, &step, &count)) throw py::error_already_set();
  py::list found;
  for (; count > 0; --count, start += step) found.append(chunk_at(self, start));
  return found;
}

py::list texts(const Chunks& self) {
  py::list found(static_cast<size_t>(self.size()));
  for (int64_t i = 0; i < self.size(); ++i) {
    PyObject* text = PyUnicode_Substring(self.source.ptr(), self.span(i).start, self.span(i).end);
    if (text == nullptr) throw py::error_already_set();
    PyList_SET_ITEM(found.ptr(), i, text);
  }
  return found;
}

// A read-only view of the spans; the list stays alive as long as the array does.
py::array_t<int64_t> offsets(const Chunks& self) {
  static_assert(sizeof(Span) == 2 * sizeof(int64_t));
  using Owner = std::shared_ptr<const headrace::text::ChunkList>;
  const py::capsule owner(new Owner(self.list), [](void* held) { delete static_cast<Owner*>(held); });
  const auto* data = reinterpret_cast<const int64_t*>(self.list->spans.data() + self.first);
  py::array_t<int64_t> array({self.size(), int64_t{2}}, data, owner);
  py::detail::array_proxy(array.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return array;
}

py::tuple as_tuple(const Chunk& self) {
  return py::make_tuple(self.text, self.start, self.end, self.splits_cluster, self.context, self.metadata);
}

Chunk from_tuple(const py::tuple& state) {
  return {state[0], state[1].cast<int64_t>(), state[2].cast<int64_t>(), state[3].cast<bool>(),
          state[4], state[5].cast<py::dict>()};
}

py::str chunk_repr(const Chunk& self) {
  const py::object text = py::module_::import("reprlib").attr("repr")(self.text);
  py::str shown = py::str("Chunk(text={}, start={}, end={}").format(text, self.start, self.end);
  if (py::len(self.metadata) > 0) shown = py::str("{}, metadata={!r}").format(shown, self.metadata);
  return py::str("{})").format(shown);
}

}  // namespace

void bind_text_chunks(py::module_& m) {
  py::class_<Chunk>(m, "Chunk", "One chunk: source[start:end] == text. Positions count code points.")
      .def_property_readonly(
          "text", [](const Chunk& self) { return self.text; }, "The chunk's text.")
      .def_readonly("start", &Chunk::start, "Position of its first code point in the source.")
      .def_readonly("end", &Chunk::end, "Position behind its last code point.")
      .def_readonly("splits_cluster", &Chunk::splits_cluster,
                    "True where an edge lies inside a grapheme cluster that alone exceeds the limit.")
      .def_property_readonly(
          "context", [](const Chunk& self) { return self.context; },
          "Text to put before the chunk's own: the header of a table that it goes on with, else empty.")
      .def_property_readonly(
          "metadata", [](const Chunk& self) { return self.metadata; },
          "dict: heading_path, and table_header, code, front_matter where they apply (Markdown).")
      .def("__repr__", &chunk_repr)
      .def("__eq__",
           [](const Chunk& self, const py::object& other) {
             return py::isinstance<Chunk>(other) && as_tuple(self).equal(as_tuple(other.cast<Chunk>()));
           })
      .def("__hash__",
           [](const Chunk& self) { return py::hash(py::make_tuple(self.text, self.start, self.end)); })
      .def(py::pickle(&as_tuple, &from_tuple));
  py::class_<Chunks>(m, "Chunks", "The chunks of one text: a sequence of Chunk, made when asked for.")
      .def("__len__", &Chunks::size)
      .def("__iter__",
           [](const py::object& self) {
             return py::reinterpret_steal<py::typing::Iterator<Chunk>>(PySeqIter_New(self.ptr()));
           })
      .def("__getitem__", &chunk_at, py::arg("index"))
      .def("__getitem__", &chunks_of, py::arg("index"))
      .def_property_readonly("offsets", &offsets,
                             "int64 array (n, 2): start and end of each chunk, in code points; read-only.")
      .def_property_readonly("texts", &texts, "list of str: the text of each chunk.")
      .def_property_readonly(
          "source", [](const Chunks& self) { return self.source; }, "The text that was chunked.")
      .def("__repr__", [](const Chunks& self) { return "<Chunks: " + std::to_string(self.size()) + ">"; });
  py::module_::import("collections.abc").attr("Sequence").attr("register")(m.attr("Chunks"));
}
