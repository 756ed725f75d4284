#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "headrace/base/hash.h"

namespace headrace {

/// An encoded, immutable value: JSON text, or a binary blob of a codec. What flows between stages and what
/// the journal keeps are the same bytes, so that a resumed run sees exactly what an uninterrupted one saw.
/// Copies share the bytes; many values may live in one allocation (`owner`). Safe to share between threads.
class Value {
 public:
  Value() = default;
  Value(std::shared_ptr<const void> owner, std::string_view bytes, bool text) noexcept
      : owner_(std::move(owner)), bytes_(bytes), text_(text) {}

  static Value json(std::string text) { return own(std::move(text), true); }
  static Value blob(std::string bytes) { return own(std::move(bytes), false); }

  bool empty() const noexcept { return bytes_.data() == nullptr; }
  /// True: JSON text. False: a codec's blob.
  bool text() const noexcept { return text_; }
  std::string_view bytes() const noexcept { return bytes_; }
  std::uint64_t fingerprint() const noexcept { return hash64(bytes_, text_ ? 1 : 2); }

 private:
  static Value own(std::string bytes, bool text) {
    auto owner = std::make_shared<const std::string>(std::move(bytes));
    const std::string_view view = *owner;
    return {std::move(owner), view, text};
  }

  std::shared_ptr<const void> owner_;
  std::string_view bytes_;
  bool text_ = true;
};

}  // namespace headrace
