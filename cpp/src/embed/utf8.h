#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace headrace::embed {

/// Reads the code point at `position` and steps over it. Invalid bytes give U+FFFD, one byte at a time.
inline int32_t next_code_point(std::string_view text, size_t& position) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(position);
  if (lead < 0x80) return text[position++];
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  constexpr int32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  int32_t code_point = lead & (0xFF >> (length + 1));
  bool valid = lead >= 0xC2 && lead < 0xF5 && position + length <= text.size();
  for (size_t i = 1; valid && i < length; ++i) {
    valid = (byte(position + i) & 0xC0) == 0x80;
    code_point = (code_point << 6) | (byte(position + i) & 0x3F);
  }
  valid =
      valid && code_point >= kSmallest[length] && code_point <= 0x10FFFF && (code_point & ~0x7FF) != 0xD800;
  position += valid ? length : 1;
  return valid ? code_point : 0xFFFD;
}

/// Appends a valid code point as UTF-8.
inline void append_utf8(std::string& out, int32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (c >> 6)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (c >> 12)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | (c >> 18)));
    out.push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

/// True for the first byte of a character.
inline bool starts_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
}

}  // namespace headrace::embed
