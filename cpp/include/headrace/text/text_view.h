#pragma once

#include <cstdint>

namespace headrace::text {

/// Borrowed text of `size()` code points, each in one code unit of 1, 2 or 4 bytes (Latin-1, UCS-2, UCS-4:
/// what a Python string holds). Lone surrogates and NUL are code points like any other. Owner: the caller,
/// who keeps the text alive and unchanged while a view of it is used.
class TextView {
 public:
  TextView() : TextView(static_cast<const uint8_t*>(nullptr), 0) {}
  TextView(const uint8_t* data, int64_t size) : data_(data), size_(size), width_(1) {}
  TextView(const uint16_t* data, int64_t size) : data_(data), size_(size), width_(2) {}
  TextView(const uint32_t* data, int64_t size) : data_(data), size_(size), width_(4) {}

  int64_t size() const noexcept { return size_; }
  int width() const noexcept { return width_; }

  /// Calls `use(const Unit* data)` with the pointer of the real code unit type.
  template <class Use>
  decltype(auto) visit(Use&& use) const {
    if (width_ == 1) return use(static_cast<const uint8_t*>(data_));
    if (width_ == 2) return use(static_cast<const uint16_t*>(data_));
    return use(static_cast<const uint32_t*>(data_));
  }

  /// The code points [start, end) of it.
  TextView part(int64_t start, int64_t end) const {
    return visit([&](const auto* data) { return TextView(data + start, end - start); });
  }

  uint32_t operator[](int64_t index) const {
    return visit([index](const auto* data) { return static_cast<uint32_t>(data[index]); });
  }

 private:
  const void* data_;
  int64_t size_;
  int width_;
};

}  // namespace headrace::text
