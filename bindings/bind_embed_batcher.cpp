#include "embed_arrays.h"
#include "embed_model.h"
#include "headrace/embed/batcher.h"

namespace {

using namespace headrace::embed;

/// A batcher with the Python objects that it borrows.
struct PythonBatcher {
  PythonModel model;
  std::shared_ptr<EmbeddingCache> cache;
  std::unique_ptr<Batcher> batcher;

  PythonBatcher(py::object embed, py::object count_tokens, py::object interrupt, py::object cache_object,
                int64_t max_tokens, int64_t max_batch, int64_t window, int64_t workers, std::string model_id,
                int64_t dim, int64_t max_text_tokens)
      : model(std::move(embed), std::move(count_tokens), std::move(interrupt), dim, max_text_tokens) {
    cache = cache_of(std::move(cache_object), model_id);
    batcher = std::make_unique<Batcher>(model, BatchSettings{max_batch, window, std::move(model_id)},
                                        max_tokens, workers, cache.get());
  }
};

/// The exception as a Python object: the model's own where it raised one.
py::object to_python(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const py::error_already_set& raised) {
    return raised.value();
  } catch (const std::exception& exception) {
    return py::module_::import("headrace.errors").attr("EmbeddingError")(exception.what());
  }
}

py::tuple embed(PythonBatcher& self, const py::object& texts) {
  const TextViews views(texts, Surrogates::kPass);
  Embedded embedded;
  {
    const py::gil_scoped_release release;
    embedded = self.batcher->embed(views.get());
  }
  py::list failed;
  for (const Embedded::Failed& entry : embedded.failed) {
    failed.append(py::make_tuple(entry.index, to_python(entry.failure.error), entry.failure.message));
  }
  return py::make_tuple(to_numpy(std::move(embedded.rows)), failed);
}

py::dict stats(const PythonBatcher& self) {
  const BatchStats stats = self.batcher->stats();
  py::dict values;
  values["texts"] = stats.texts;
  values["duplicates"] = stats.duplicates;
  values["cached"] = stats.cached;
  values["failed"] = stats.failed;
  values["batches"] = stats.batches;
  values["real_tokens"] = stats.real_tokens;
  values["padded_tokens"] = stats.padded_tokens;
  values["model_seconds"] = stats.model_seconds;
  return values;
}

py::object budget(const PythonBatcher& self) {
  const BatchBudget& budget = self.batcher->budget();
  return budget.known() ? py::object(py::int_(budget.best())) : py::none();
}

}  // namespace

void bind_embed_batcher(py::module_& m) {
  py::class_<PythonBatcher>(m, "Batcher", "The C++ part of headrace.embed.Batcher.")
      .def(py::init<py::object, py::object, py::object, py::object, int64_t, int64_t, int64_t, int64_t,
                    std::string, int64_t, int64_t>(),
           py::arg("embed"), py::arg("count_tokens"), py::arg("interrupt"), py::arg("cache"),
           py::arg("max_tokens"), py::arg("max_batch"), py::arg("window"), py::arg("workers"),
           py::arg("model_id"), py::arg("dim"), py::arg("max_text_tokens"))
      .def("embed", &embed, py::arg("texts"),
           "Rows float32 (n, dim), and (index, exception, message) of each failed text.")
      .def_property_readonly("stats", &stats)
      .def_property_readonly("max_tokens", &budget);
  m.def(
      "estimate_tokens",
      [](const py::object& texts) {
        const TextViews views(texts, Surrogates::kPass);
        std::vector<int64_t> counts;
        for (const std::string_view text : views.get()) counts.push_back(estimate_tokens(text));
        return counts;
      },
      py::arg("texts"), "A guess at a subword tokenizer's count for each text.");
  m.def("embedding_cache_key", &cache_key, py::arg("model_id"), py::arg("text"),
        "Key of a row in an embedding cache.");
}
