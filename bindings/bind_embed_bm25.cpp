#include "embed_arrays.h"
#include "headrace/embed/bm25.h"

namespace {

using namespace headrace::embed;

/// Hands a vector to NumPy without a copy.
template <class T>
py::array_t<T> to_numpy(std::vector<T> values) {
  auto* owned = new std::vector<T>(std::move(values));
  const py::capsule owner(owned, [](void* pointer) { delete static_cast<std::vector<T>*>(pointer); });
  return py::array_t<T>(static_cast<py::ssize_t>(owned->size()), owned->data(), owner);
}

template <SparseRows (Bm25::*kEmbed)(std::span<const std::string_view>) const>
py::tuple embed(const Bm25& self, const py::object& texts) {
  const TextViews views(texts);
  SparseRows rows;
  {
    const py::gil_scoped_release release;
    rows = (self.*kEmbed)(views.get());
  }
  return py::make_tuple(to_numpy(std::move(rows.starts)), to_numpy(std::move(rows.indices)),
                        to_numpy(std::move(rows.values)));
}

void add_texts(Bm25& self, const py::object& texts) {
  const TextViews views(texts);
  const py::gil_scoped_release release;
  self.add(views.get());
}

}  // namespace

void bind_embed_bm25(py::module_& m) {
  py::class_<Bm25>(m, "BM25", "The C++ part of headrace.embed.BM25.")
      .def(py::init([](double k1, double b, double average_length) { return Bm25({k1, b, average_length}); }),
           py::arg("k1"), py::arg("b"), py::arg("average_length"))
      .def("begin_fit", &Bm25::begin_fit, "Start collecting a corpus.")
      .def("add", &add_texts, py::arg("texts"), "Count the documents' words.")
      .def("end_fit", &Bm25::end_fit, "Use the new frequencies from now on.")
      .def("embed_documents", &embed<&Bm25::embed_documents>, py::arg("texts"), "(starts, indices, values).")
      .def("embed_queries", &embed<&Bm25::embed_queries>, py::arg("texts"), "(starts, indices, values).")
      .def(
          "state", [](const Bm25& self) { return py::bytes(self.state()); },
          "Settings and frequencies as bytes.")
      .def_static(
          "from_state", [](const py::bytes& state) { return Bm25::from_state(std::string(state)); },
          py::arg("state"), "The model whose state() this is.")
      .def_property_readonly("documents", &Bm25::documents)
      .def_property_readonly("average_length", &Bm25::average_length)
      .def_property_readonly("model_id", &Bm25::model_id);
}
