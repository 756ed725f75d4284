#include "embed_arrays.h"
#include "headrace/embed/hashed_embedder.h"

namespace {

using namespace headrace::embed;

HashedEmbedder make(int64_t dim, int64_t word_ngrams, std::optional<std::pair<int64_t, int64_t>> char_ngrams,
                    double char_share) {
  const auto [shortest, longest] = char_ngrams.value_or(std::pair<int64_t, int64_t>(1, 0));
  return HashedEmbedder({dim, word_ngrams, shortest, longest, char_share});
}

void add_texts(HashedEmbedder& self, const py::object& texts, int64_t threads) {
  const TextViews views(texts);
  const py::gil_scoped_release release;
  self.add(views.get(), threads);
}

py::array_t<float> embed(const HashedEmbedder& self, const py::object& texts, int64_t threads) {
  const TextViews views(texts);
  Matrix rows;
  {
    const py::gil_scoped_release release;
    rows = self.embed(views.get(), threads);
  }
  return to_numpy(std::move(rows));
}

std::vector<int64_t> count_tokens(const HashedEmbedder& self, const py::object& texts) {
  const TextViews views(texts);
  std::vector<int64_t> counts(views.get().size());
  const py::gil_scoped_release release;
  self.count_tokens(views.get(), counts.data());
  return counts;
}

}  // namespace

void bind_embed_hashed(py::module_& m) {
  py::class_<HashedEmbedder>(m, "HashedEmbedder", "The C++ part of headrace.embed.HashedEmbedder.")
      .def(py::init(&make), py::kw_only(), py::arg("dim"), py::arg("word_ngrams"), py::arg("char_ngrams"),
           py::arg("char_share"))
      .def("begin_fit", &HashedEmbedder::begin_fit, "Start collecting a corpus for the idf.")
      .def("add", &add_texts, py::arg("texts"), py::arg("threads") = 0, "Count the documents' features.")
      .def("end_fit", &HashedEmbedder::end_fit, py::call_guard<py::gil_scoped_release>(),
           "Use the new idf from now on.")
      .def("embed", &embed, py::arg("texts"), py::arg("threads") = 0,
           "Rows of the texts: float32 (n, dim), C-contiguous.")
      .def("count_tokens", &count_tokens, py::arg("texts"), "Words of each text.")
      .def(
          "state", [](const HashedEmbedder& self) { return py::bytes(self.state()); },
          "Settings and idf as bytes.")
      .def_static(
          "from_state", [](const py::bytes& state) { return HashedEmbedder::from_state(std::string(state)); },
          py::arg("state"), "The embedder whose state() this is.")
      .def_property_readonly("dim", [](const HashedEmbedder& self) { return self.settings().dim; })
      .def_property_readonly("model_id", &HashedEmbedder::model_id)
      .def_property_readonly("documents", &HashedEmbedder::documents);
}
