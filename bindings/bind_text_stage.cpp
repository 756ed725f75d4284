#include "gil.h"
#include "headrace/flow/chunk_stage.h"

namespace {

using namespace headrace;

std::shared_ptr<Stage> chunk_stage(std::string name, std::string identity, py::object chunker,
                                   std::string field) {
  const auto* held = chunker.cast<const text::Chunker*>();
  const std::shared_ptr<const text::Chunker> shared(keep(std::move(chunker)), held);
  return std::make_shared<ChunkStage>(std::move(name), std::move(identity), shared, std::move(field));
}

}  // namespace

void bind_text_stage(py::module_& m) {
  m.def("chunk_stage", &chunk_stage, py::arg("name"), py::arg("identity"), py::arg("chunker"),
        py::arg("field"), "A stage that cuts the text of each item into chunks.");
}
