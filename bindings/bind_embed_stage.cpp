#include "embed_model.h"
#include "gil.h"
#include "headrace/flow/embed_stage.h"

namespace {

using namespace headrace;

std::shared_ptr<Stage> embed_stage(std::string name, std::string identity, py::object embed,
                                   py::object count_tokens, py::object interrupt, py::object cache,
                                   bool store, std::int64_t max_tokens, std::int64_t max_batch,
                                   std::int64_t window, std::int64_t workers, std::string model_id,
                                   std::int64_t dim, std::int64_t max_text_tokens, std::string field) {
  const std::shared_ptr<PythonModel> model(
      new PythonModel(std::move(embed), std::move(count_tokens), std::move(interrupt), dim, max_text_tokens),
      [](PythonModel* held) {
        if (!Py_IsInitialized() || _Py_IsFinalizing()) return;
        const WithGil gil;
        delete held;
      });
  EmbedSettings settings;
  settings.cache = cache_of(std::move(cache), model_id);
  settings.store = store;
  settings.batch = {max_batch, window, std::move(model_id)};
  settings.max_tokens = max_tokens;
  settings.workers = workers;
  settings.field = std::move(field);
  return std::make_shared<EmbedStage>(std::move(name), std::move(identity), model, std::move(settings));
}

}  // namespace

void bind_embed_stage(py::module_& m) {
  m.def("embed_stage", &embed_stage, py::arg("name"), py::arg("identity"), py::kw_only(), py::arg("embed"),
        py::arg("count_tokens"), py::arg("interrupt"), py::arg("cache"), py::arg("store"),
        py::arg("max_tokens"), py::arg("max_batch"), py::arg("window"), py::arg("workers"),
        py::arg("model_id"), py::arg("dim"), py::arg("max_text_tokens"), py::arg("field"),
        "A stage that embeds the text of each item, in batches across documents.");
}
