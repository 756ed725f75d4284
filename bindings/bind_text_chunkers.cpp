#include "bind_text.h"
#include "headrace/base/error.h"
#include "headrace/text/grapheme.h"
#include "headrace/text/markdown_chunker.h"
#include "headrace/text/recursive_chunker.h"
#include "headrace/text/sentence_chunker.h"
#include "headrace/text/token_chunker.h"

namespace {

using namespace headrace::text;

// Shorter texts are chunked sooner than another thread could make use of the GIL.
constexpr int64_t kReleaseSize = 1 << 16;

// What all chunkers take.
struct Settings {
  int64_t size;
  int64_t overlap;
  std::string unit;
  std::shared_ptr<Tokenizer> tokenizer;
  std::string prefix;
  std::optional<int64_t> min_size;
  bool stable;
};

headrace::text::Unit unit_named(const std::string& name) {
  if (name == "chars") return headrace::text::Unit::kChars;
  if (name == "bytes") return headrace::text::Unit::kBytes;
  if (name == "tokens") return headrace::text::Unit::kTokens;
  throw headrace::ConfigurationError("unit must be 'chars', 'bytes' or 'tokens', not '" + name + "'");
}

ChunkOptions options(const Settings& settings) {
  return {settings.size,
          settings.overlap,
          unit_named(settings.unit),
          settings.min_size.value_or(-1),
          settings.tokenizer,
          settings.prefix,
          settings.stable};
}

// The array owns the vector that was filled.
py::array_t<int64_t> boundaries(const py::object& text, bool abbreviations, bool wrapped) {
  const TextView view = text_view(text);
  auto found = std::make_unique<std::vector<int64_t>>();
  {
    std::optional<py::gil_scoped_release> release;
    if (view.size() >= kReleaseSize) release.emplace();
    sentence_boundaries(view, {abbreviations, wrapped}, *found);
  }
  const auto size = static_cast<py::ssize_t>(found->size());
  const int64_t* data = found->data();
  const py::capsule owner(found.release(),
                          [](void* held) { delete static_cast<std::vector<int64_t>*>(held); });
  return py::array_t<int64_t>(size, data, owner);
}

py::tuple as_tuple(const py::iterable& texts) {
  if (!PyUnicode_Check(texts.ptr())) return py::tuple(texts);
  throw headrace::ConfigurationError("one str was given where several texts are wanted: give [text]");
}

}  // namespace

TextView text_view(const py::handle& text) {
  if (!PyUnicode_Check(text.ptr())) {
    throw headrace::ConfigurationError(std::string("a text must be a str, not ") +
                                       Py_TYPE(text.ptr())->tp_name);
  }
  const int64_t size = PyUnicode_GET_LENGTH(text.ptr());
  switch (PyUnicode_KIND(text.ptr())) {
    case PyUnicode_1BYTE_KIND:
      return {reinterpret_cast<const uint8_t*>(PyUnicode_1BYTE_DATA(text.ptr())), size};
    case PyUnicode_2BYTE_KIND:
      return {reinterpret_cast<const uint16_t*>(PyUnicode_2BYTE_DATA(text.ptr())), size};
    default:
      return {reinterpret_cast<const uint32_t*>(PyUnicode_4BYTE_DATA(text.ptr())), size};
  }
}

Chunks chunk_text(const Chunker& chunker, const py::object& text) {
  const TextView view = text_view(text);
  auto list = std::make_shared<ChunkList>();
  if (view.size() < kReleaseSize) {
    chunker.chunk(view, *list);
  } else {
    const py::gil_scoped_release release;
    chunker.chunk(view, *list);
  }
  const auto count = static_cast<int64_t>(list->spans.size());
  return {text, std::move(list), 0, count};
}

HeldTexts::HeldTexts(const py::iterable& many) : texts(as_tuple(many)) {
  views.reserve(texts.size());
  for (const py::handle text : texts) views.push_back(text_view(text));
}

py::list chunk_texts(const Chunker& chunker, const py::iterable& texts, int threads) {
  const HeldTexts held(texts);
  std::vector<DocumentChunks> found;
  {
    const py::gil_scoped_release release;
    found = chunk_many(chunker, held.views, threads);
  }
  py::list result(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    result[i] = Chunks{held.texts[i], std::move(found[i].list), found[i].first, found[i].count};
  }
  return result;
}

void bind_text_chunkers(py::module_& m) {
  m.attr("UNICODE_VERSION") = kUnicodeVersion;
  py::class_<Chunker>(m, "Chunker", "What all chunkers can do.")
      .def("chunk", &chunk_text, py::arg("text"), "The Chunks of one text.")
      .def(
          "chunk_many", &chunk_texts, py::arg("texts"), py::arg("threads") = 0,
          "A list with the Chunks of each text, on `threads` threads (0: all processors), the GIL released.");
  py::class_<Settings>(m, "ChunkSettings", "What all chunkers take.")
      .def(py::init([](int64_t size, int64_t overlap, std::string unit, std::shared_ptr<Tokenizer> tokenizer,
                       std::string prefix, std::optional<int64_t> min_size, bool stable) {
             return Settings{size,     overlap, std::move(unit), std::move(tokenizer), std::move(prefix),
                             min_size, stable};
           }),
           py::arg("size"), py::arg("overlap"), py::arg("unit"), py::arg("tokenizer"), py::arg("prefix"),
           py::arg("min_size"), py::arg("stable"));
  py::class_<RecursiveChunker, Chunker>(m, "RecursiveChunker",
                                        "Cuts at the best break that the limit allows.")
      .def(py::init([](const Settings& settings) { return RecursiveChunker(options(settings)); }),
           py::arg("settings"));
  py::class_<SentenceChunker, Chunker>(m, "SentenceChunker", "As many whole sentences as the limit allows.")
      .def(py::init([](const Settings& settings, bool abbreviations, bool wrapped) {
             return SentenceChunker(options(settings), {abbreviations, wrapped});
           }),
           py::arg("settings"), py::arg("abbreviations"), py::arg("wrapped"));
  py::class_<MarkdownChunker, Chunker>(m, "MarkdownChunker", "Cuts Markdown along its structure.")
      .def(py::init([](const Settings& settings, int64_t min_section) {
             return MarkdownChunker(options(settings), min_section);
           }),
           py::arg("settings"), py::arg("min_section"));
  py::class_<TokenChunker, Chunker>(m, "TokenChunker", "As many tokens as the limit allows.")
      .def(py::init([](const Settings& settings) { return TokenChunker(options(settings)); }),
           py::arg("settings"));
  m.def("sentence_boundaries", &boundaries, py::arg("text"), py::arg("abbreviations") = false,
        py::arg("wrapped") = false,
        "int64 array of the sentence boundaries of UAX #29, from 0 to the size of the text.");
}
