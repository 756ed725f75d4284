#include "codec.h"

namespace {

/// Position of the first byte that JSON wants escaped; size where there is none.
std::size_t find_special(std::string_view text) {
  std::size_t at = 0;
  const auto low_bit = [](std::uint64_t w, std::uint64_t n) {
    return (w - n * 0x0101010101010101ULL) & ~w & 0x8080808080808080ULL;
  };
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word;
    __builtin_memcpy(&word, text.data() + at, 8);
    const std::uint64_t quote = word ^ 0x2222222222222222ULL;
    const std::uint64_t slash = word ^ 0x5c5c5c5c5c5c5c5cULL;
    if (low_bit(word, 0x20) | low_bit(quote, 1) | low_bit(slash, 1)) break;
  }
  for (; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x20 || byte == '"' || byte == '\\') break;
  }
  return at;
}

void escape(unsigned char byte, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (byte) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
  }
}

}  // namespace

bool quote(PyObject* text, std::string& out) {
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text, &size);
  if (!data) {
    PyErr_Clear();
    return false;
  }
  std::string_view left(data, static_cast<std::size_t>(size));
  out += '"';
  while (true) {
    const std::size_t plain = find_special(left);
    out.append(left.substr(0, plain));
    if (plain == left.size()) break;
    escape(static_cast<unsigned char>(left[plain]), out);
    left.remove_prefix(plain + 1);
  }
  out += '"';
  return true;
}

std::vector<headrace::Value> Codec::Buffer::seal() {
  auto owner = std::make_shared<const std::string>(std::move(bytes_));
  std::vector<headrace::Value> values;
  values.reserve(places_.size());
  for (const Place& place : places_) {
    values.emplace_back(owner, std::string_view(owner->data() + place.from, place.size), place.text);
  }
  return values;
}

bool Codec::encode_atom(PyObject* value, Buffer& buffer) {
  const std::size_t from = buffer.bytes().size();
  if (PyUnicode_CheckExact(value) && quote(value, buffer.bytes())) {
    buffer.place(from, true);
  } else if (value == Py_None) {
    buffer.append("null", true);
  } else if (value == Py_True) {
    buffer.append("true", true);
  } else if (value == Py_False) {
    buffer.append("false", true);
  } else if (PyLong_CheckExact(value)) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow) return false;
    buffer.append(std::to_string(number), true);
  } else {
    return false;
  }
  return true;
}

void Codec::encode(PyObject* value, Buffer& buffer) const {
  if (!given_ && encode_atom(value, buffer)) return;
  const py::object encoded = dumps_(py::handle(value));
  if (PyUnicode_Check(encoded.ptr())) {
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(encoded.ptr(), &size);
    if (!data) throw py::error_already_set();
    return buffer.append({data, static_cast<std::size_t>(size)}, true);
  }
  buffer.append(std::string_view(py::reinterpret_borrow<py::bytes>(encoded)), false);
}

headrace::Value Codec::encode(PyObject* value) const {
  Buffer buffer;
  encode(value, buffer);
  return buffer.seal().front();
}

py::object Codec::decode(const headrace::Value& value) const {
  const std::string_view bytes = value.bytes();
  if (value.empty()) return py::none();
  if (!value.text()) return loads_(py::bytes(bytes.data(), bytes.size()));
  if (bytes.size() >= 2 && bytes.front() == '"') {
    const std::string_view inner = bytes.substr(1, bytes.size() - 2);
    if (inner.find('\\') == std::string_view::npos) return py::str(inner.data(), inner.size());
  }
  if (bytes == "null") return py::none();
  return loads_(py::str(bytes.data(), bytes.size()));
}
