#pragma once

#include "headrace/base/value.h"
#include "pybind.h"

/// Python values to the bytes of the journal and back. Strings, numbers, booleans and None are done here; all
/// else goes to the Python codecs (headrace._internal.codecs). The GIL must be held.
class Codec {
 public:
  /// `given`: a stage's own codec stores all of its values, also those that could be done here.
  Codec(py::object dumps, py::object loads, bool given)
      : dumps_(std::move(dumps)), loads_(std::move(loads)), given_(given) {}

  /// Encodes into one buffer that all values of a slice share; the values exist after `seal`.
  class Buffer {
   public:
    void append(std::string_view bytes, bool text) { places_.push_back({mark(bytes), bytes.size(), text}); }
    void reserve(std::size_t units, std::size_t bytes) {
      places_.reserve(units);
      bytes_.reserve(bytes);
    }
    std::string& bytes() noexcept { return bytes_; }
    void place(std::size_t from, bool text) { places_.push_back({from, bytes_.size() - from, text}); }
    std::vector<headrace::Value> seal();

   private:
    struct Place {
      std::size_t from, size;
      bool text;
    };
    std::size_t mark(std::string_view bytes) {
      const std::size_t from = bytes_.size();
      bytes_.append(bytes);
      return from;
    }
    std::string bytes_;
    std::vector<Place> places_;
  };

  void encode(PyObject* value, Buffer& buffer) const;
  headrace::Value encode(PyObject* value) const;
  py::object decode(const headrace::Value& value) const;

 private:
  static bool encode_atom(PyObject* value, Buffer& buffer);

  py::object dumps_;
  py::object loads_;
  bool given_;
};

/// Appends a JSON string; false where the text can't be UTF-8 (lone surrogates): nothing is appended then.
bool quote(PyObject* text, std::string& out);
