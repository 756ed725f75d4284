#include "bind_text.h"
#include "headrace/base/error.h"
#include "headrace/text/tokenizer.h"

namespace {

using namespace headrace::text;

py::str to_python(TextView text) {
  return text.visit([&](const auto* data) {
    return py::reinterpret_steal<py::str>(PyUnicode_FromKindAndData(text.width(), data, text.size()));
  });
}

template <class Value>
void append(const py::object& values, int64_t count, Buffer<Value>& out) {
  const auto array = py::array_t<Value, py::array::c_style>::ensure(values);
  if (!array || array.size() != count) {
    PyErr_Clear();
    throw headrace::ConfigurationError("the tokenizer gave back arrays of the wrong size or type");
  }
  std::copy_n(array.data(), count, out.room(count));
  out.add(count);
}

// A tokenizer that Python runs: text -> (ids, starts, ends, begins). Called from threads that hold no GIL.
class PythonTokenizer final : public Tokenizer {
 public:
  PythonTokenizer(py::object encode, int64_t special_tokens)
      : encode_(std::move(encode)), special_tokens_(special_tokens) {}
  ~PythonTokenizer() override {
    const py::gil_scoped_acquire acquire;
    encode_ = py::object();
  }

  void encode(TextView text, TokenList& out) const override {
    const py::gil_scoped_acquire acquire;
    const py::tuple found = encode_(to_python(text));
    if (found.size() != 4)
      throw headrace::ConfigurationError("the tokenizer gave back something else than 4 arrays");
    const auto count = static_cast<int64_t>(py::len(found[0]));
    append(found[0], count, out.ids);
    append(found[3], count, out.begins);
    Buffer<int32_t> starts;
    Buffer<int32_t> ends;
    append(found[1], count, starts);
    append(found[2], count, ends);
    for (int64_t i = 0; i < count; ++i) {
      if (starts[i] < 0 || starts[i] > ends[i] || ends[i] > text.size())
        throw headrace::ConfigurationError("the tokenizer gave back a token outside its text");
      out.spans.push({starts[i], ends[i]});
    }
  }
  int64_t special_tokens() const override { return special_tokens_; }
  bool has_words() const override { return false; }

 private:
  py::object encode_;
  int64_t special_tokens_;
};

// The arrays own the lists that were filled.
template <class Value>
py::capsule owner_of(Buffer<Value>&& buffer) {
  return py::capsule(new Buffer<Value>(std::move(buffer)),
                     [](void* held) { delete static_cast<Buffer<Value>*>(held); });
}

py::tuple encode(const Tokenizer& self, const py::object& text) {
  const TextView view = text_view(text);
  TokenList list;
  {
    const py::gil_scoped_release release;
    self.encode(view, list);
  }
  static_assert(sizeof(TokenSpan) == 2 * sizeof(int32_t));
  const auto size = static_cast<py::ssize_t>(list.size());
  const int32_t* ids = list.ids.data();
  const auto* spans = reinterpret_cast<const int32_t*>(list.spans.data());
  return py::make_tuple(py::array_t<int32_t>(size, ids, owner_of(std::move(list.ids))),
                        py::array_t<int32_t>({size, py::ssize_t{2}}, spans, owner_of(std::move(list.spans))));
}

std::vector<int64_t> count(const Tokenizer& self, const py::iterable& texts, int threads) {
  const HeldTexts held(texts);
  const py::gil_scoped_release release;
  return count_tokens(self, held.views, threads);
}

}  // namespace

void bind_text_tokenizers(py::module_& m) {
  py::class_<Tokenizer, std::shared_ptr<Tokenizer>>(m, "Tokenizer", "Turns text into the tokens of a model.")
      .def("encode", &encode, py::arg("text"),
           "(ids int32 (n,), offsets int32 (n, 2) in code points) of one text, no special tokens added.")
      .def("count", &count, py::arg("texts"), py::arg("threads") = 0,
           "list of int: how many tokens the model sees for each text, special tokens included.")
      .def_property_readonly("special_tokens", &Tokenizer::special_tokens,
                             "How many tokens the model adds to a text.");
  m.def(
      "native_tokenizer",
      [](const std::string& json) { return std::shared_ptr<Tokenizer>(make_tokenizer(json)); },
      py::arg("json"),
      "The tokenizer of a tokenizer.json, run in C++. ConfigurationError where it can't be.");
  m.def(
      "python_tokenizer",
      [](const py::object& encode, int64_t special_tokens) {
        return std::shared_ptr<Tokenizer>(std::make_shared<PythonTokenizer>(encode, special_tokens));
      },
      py::arg("encode"), py::arg("special_tokens"),
      "A tokenizer that calls encode(text) -> (ids, starts, ends, begins).");
}
