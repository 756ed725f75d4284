#include "utf8.h"

#include <string>

#include "headrace/base/error.h"

namespace headrace::text {

namespace {

[[noreturn]] void fail(size_t offset) {
  throw ConfigurationError("the text is not UTF-8: byte " + std::to_string(offset) +
                           " begins no character; decode it with its own encoding first");
}

// The code point at `at`, which moves behind it.
uint32_t next_code(std::string_view text, size_t& at) {
  const size_t begin = at;
  const auto lead = static_cast<uint8_t>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  if (lead < 0xC2 || lead > 0xF4 || at + static_cast<size_t>(more) > text.size()) fail(begin);
  uint32_t code = lead & (0x3Fu >> more);
  for (int i = 0; i < more; ++i, ++at) {
    const auto byte = static_cast<uint8_t>(text[at]);
    if ((byte & 0xC0) != 0x80) fail(begin);
    code = code << 6 | (byte & 0x3Fu);
  }
  const bool shortest = more == 1 || code >= (more == 2 ? 0x800u : 0x10000u);
  if (!shortest || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) fail(begin);
  return code;
}

template <class Unit>
std::vector<Unit> decode(std::string_view text, size_t count) {
  std::vector<Unit> units;
  units.reserve(count);
  for (size_t at = 0; at < text.size();) units.push_back(static_cast<Unit>(next_code(text, at)));
  return units;
}

}  // namespace

DecodedText::DecodedText(std::string_view utf8) {
  uint32_t widest = 0;
  size_t count = 0;
  for (size_t at = 0; at < utf8.size(); ++count) widest |= next_code(utf8, at);
  if (widest < 0x100) {
    latin1_ = decode<uint8_t>(utf8, count);
  } else if (widest < 0x10000) {
    ucs2_ = decode<uint16_t>(utf8, count);
  } else {
    ucs4_ = decode<uint32_t>(utf8, count);
  }
}

TextView DecodedText::view() const {
  if (!ucs4_.empty()) return {ucs4_.data(), static_cast<int64_t>(ucs4_.size())};
  if (!ucs2_.empty()) return {ucs2_.data(), static_cast<int64_t>(ucs2_.size())};
  return {latin1_.data(), static_cast<int64_t>(latin1_.size())};
}

}  // namespace headrace::text
