#include "pybind.h"

// One function a binding file. Classes are bound before the functions that mention them, so that
// signatures render with their Python names.
void bind_errors(py::module_& m);
void bind_collect_stream(py::module_& m);
void bind_collect_process(py::module_& m);
void bind_collect_http(py::module_& m);
void bind_collect_ssh(py::module_& m);
void bind_store(py::module_& m);
void bind_flow(py::module_& m);
void bind_embed_hashed(py::module_& m);
void bind_embed_vectors(py::module_& m);
void bind_embed_batcher(py::module_& m);
void bind_embed_stage(py::module_& m);
void bind_embed_bm25(py::module_& m);
void bind_text_chunks(py::module_& m);
void bind_text_tokenizers(py::module_& m);
void bind_text_chunkers(py::module_& m);
void bind_text_stage(py::module_& m);

PYBIND11_MODULE(_core, m) {
  m.doc() = "The C++ core of headrace. Private: use the headrace package.";
  m.attr("__version__") = HEADRACE_VERSION;
  bind_errors(m);
  bind_store(m);
  bind_flow(m);
  bind_collect_stream(m);
  bind_collect_process(m);
  bind_collect_http(m);
  bind_collect_ssh(m);
  bind_embed_hashed(m);
  bind_embed_vectors(m);
  bind_embed_batcher(m);
  bind_embed_stage(m);
  bind_embed_bm25(m);
  bind_text_chunks(m);
  bind_text_tokenizers(m);
  bind_text_chunkers(m);
  bind_text_stage(m);
}
